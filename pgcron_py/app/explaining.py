"""Why a job does not run: what `pgcron.explain` says, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgcron_py.app.jobs import require
from pgcron_py.app.session import Connection, rows, transaction

EXPLAIN = "SELECT step, topic, verdict, message, evidence FROM pgcron.explain(%(name)s) ORDER BY step"


@dataclass(frozen=True, slots=True)
class Step:
    """verdict: ok, note, or blocks. evidence: the values behind the message."""

    step: int
    topic: str
    verdict: str
    message: str
    evidence: dict[str, Any]


def explain(connection: Connection, name: str) -> Sequence[Step]:
    """The claim's conditions in their order. Raises JobNotFound."""
    with transaction(connection):
        require(connection, name)
        return rows(connection, Step, EXPLAIN, {"name": name})


def answer_of(steps: Sequence[Step]) -> Step:
    """What blocks it first; else the step about its time."""
    return next((step for step in steps if step.verdict == "blocks"), steps[-1])
