"""Reading workers, and asking them to drain."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pgcron_py.app.jobs import NOW
from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.errors import InvalidArguments, NotFound, PgCronError

LIST = """
SELECT worker_id AS id, state, host, pid, app, release, version, started_at, ended_at, beat_at, lease_until, running_count, concurrency, queues,
  cardinality(handlers) AS handler_count
FROM pgcron.workers
WHERE %(all)s OR state IN ('LIVE', 'DRAINING') ORDER BY state NOT IN ('LIVE', 'DRAINING'), started_at DESC, worker_id LIMIT 1000
"""

DRAIN = "SELECT pgcron.drain_worker(%(id)s, %(reason)s)"
STATE = "SELECT state FROM pgcron.cron_worker WHERE id = %(id)s"
BY_PREFIX = "SELECT id FROM pgcron.cron_worker WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id LIMIT 2"
LIVE = "SELECT id FROM pgcron.cron_worker WHERE state = 'LIVE' ORDER BY id"
PREFIX = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """Columns of cron_worker and its lease; queues: None means all."""

    id: UUID
    state: str
    host: str
    pid: int
    app: str | None
    release: str | None
    version: str
    started_at: datetime
    ended_at: datetime | None
    beat_at: datetime | None
    lease_until: datetime | None
    running_count: int
    concurrency: int
    queues: list[str] | None
    handler_count: int


@dataclass(frozen=True, slots=True)
class WorkerList:
    now: datetime
    workers: Sequence[WorkerRow]


def list_workers(connection: Connection, *, ended: bool = False) -> WorkerList:
    """ended: with those that left (GONE) or were given up (DEAD), the newest 1000."""
    with transaction(connection):
        return WorkerList(value(connection, NOW), rows(connection, WorkerRow, LIST, {"all": ended}))


def find_worker(connection: Connection, text: str) -> UUID:
    """The id of the worker that `text` names: an id, or the beginning of one. Raises NotFound, InvalidArguments."""
    digits = text.strip().lower().replace("-", "")
    if not PREFIX.fullmatch(digits):
        raise InvalidArguments(
            f"{text!r} names no worker", hint="give an id, or at least 4 hex digits of its beginning"
        )
    bounds = {"first": UUID(digits.ljust(32, "0")), "last": UUID(digits.ljust(32, "f"))}
    found = [row[0] for row in connection.execute(BY_PREFIX, bounds)]
    if len(found) > 1:
        raise InvalidArguments(
            f"several workers' ids begin with {text!r}", hint=f"give more of it: {found[0]}, {found[1]}"
        )
    if not found:
        raise NotFound(f"no worker is {text!r}", hint="`pgcron workers list --all` shows them")
    worker: UUID = found[0]
    return worker


def drain(connection: Connection, texts: Sequence[str], every: bool, caller: Caller) -> dict[UUID, bool]:
    """Asks these workers, or every live one, to leave. Their ids, each with whether nobody had asked before.

    Raises NotFound, AlreadyEnded: then none of them was asked.
    """
    with transaction(connection, caller):
        ids = [row[0] for row in connection.execute(LIVE)] if every else [find_worker(connection, t) for t in texts]
        return {id_: value(connection, DRAIN, {"id": id_, "reason": caller.reason}) for id_ in dict.fromkeys(ids)}


def wait_until_gone(
    connection: Connection, workers: Sequence[UUID], timeout_s: float | None, pause_s: float = 0.1
) -> None:
    """Until each of them has left. Raises PgCronError when `timeout_s` is over."""
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    for worker in workers:
        while value(connection, STATE, {"id": worker}) in ("LIVE", "DRAINING"):
            if deadline and time.monotonic() >= deadline:
                raise PgCronError(f"worker {worker} has not left after {timeout_s:g} s", hint="it goes on draining")
            time.sleep(pause_s)
