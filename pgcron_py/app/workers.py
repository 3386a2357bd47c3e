"""Reading workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pgcron_py.app.jobs import NOW
from pgcron_py.app.session import Connection, rows, transaction, value

LIST = """
SELECT w.id, w.state, w.host, w.pid, w.app, w.release, w.version, w.started_at, w.ended_at, e.beat_at, e.lease_until,
  (SELECT count(*) FROM pgcron.cron_log l WHERE l.worker_id = w.id AND l.status = 'RUNNING') AS running_count, w.concurrency, w.queues,
  jsonb_array_length(w.handlers) AS handler_count
FROM pgcron.cron_worker w LEFT JOIN pgcron.cron_lease e ON e.worker_id = w.id
WHERE %(all)s OR w.state IN ('LIVE', 'DRAINING') ORDER BY w.state NOT IN ('LIVE', 'DRAINING'), w.started_at DESC, w.id LIMIT 1000
"""


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
