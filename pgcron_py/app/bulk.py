"""One deed on many jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pgcron_py.app.session import Caller, Connection, rows, transaction

MATCHING = "SELECT name FROM pgcron.jobs_matching(%(tag)s, %(name)s, %(every)s)"
BULK = "SELECT job, outcome, message FROM pgcron.bulk(%(action)s, %(tag)s, %(name)s, %(every)s, %(value)s, %(until)s)"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Jobs with this tag, and a name like this (`*` and `?`); every: all, where neither is given."""

    tag: str | None
    name: str | None
    every: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """outcome: done, unchanged, or refused, with a message."""

    job: str
    outcome: str
    message: str | None


def matching(connection: Connection, chosen: Chosen) -> Sequence[str]:
    """Raises InvalidArguments when nothing is chosen."""
    with transaction(connection):
        found = connection.execute(MATCHING, {"tag": chosen.tag, "name": chosen.name, "every": chosen.every})
        return [row[0] for row in found]


def bulk(
    connection: Connection, action: str, chosen: Chosen, caller: Caller, *, value: str | None = None, until: datetime | None = None
) -> Sequence[Outcome]:  # fmt: skip
    """All in one transaction; a job that refuses holds up no other. Raises InvalidArguments."""
    params = {
        "action": action,
        "tag": chosen.tag,
        "name": chosen.name,
        "every": chosen.every,
        "value": value,
        "until": until,
    }
    with transaction(connection, caller, "60s"):
        return rows(connection, Outcome, BULK, params)
