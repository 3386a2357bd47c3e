"""Workers and their handlers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.queries.runs import COLUMNS, RunAnswer
from pgcron_admin.wire import Answer
from pgcron_py.errors import NotFound

WORKER_COLUMNS: LiteralString = """
  w.worker_id AS id, w.state, w.is_alive, w.host, w.pid, w.app, w.release, w.version, w.queues, w.handlers, w.concurrency, w.running_count, w.started_at,
  w.beat_at, w.lease_until, w.drain_requested_at, w.drain_requested_by, w.drain_reason, w.ended_at
"""
# Who ended in the last day is still of interest.
WORKERS: LiteralString = f"""
SELECT {WORKER_COLUMNS} FROM pgcron.workers w WHERE w.state IN ('LIVE', 'DRAINING') OR %(with_ended)s AND w.ended_at > clock_timestamp() - interval '24 hours'
 ORDER BY w.ended_at IS NOT NULL, w.started_at DESC, w.worker_id LIMIT 1000
"""
WORKER: LiteralString = f"SELECT {WORKER_COLUMNS} FROM pgcron.workers w WHERE w.worker_id = %(id)s"
RUNS_OF_WORKER: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.runs r WHERE r.worker_id = %(id)s AND r.status = 'RUNNING' ORDER BY r.run_id LIMIT 1000
"""
HANDLERS: LiteralString = """
SELECT h.name, h.app, h.release, h.description, h.is_async, h.is_transactional, h.parameters, h.published_at, coalesce(w.live, 0) AS live_workers,
  (SELECT count(*) FROM pgcron.cron_job j WHERE j.handler = h.name) AS jobs
FROM (
  SELECT h.name, h.app, h.release, h.description, h.is_async, h.is_transactional, h.parameters, h.published_at FROM pgcron.cron_handler h
  UNION ALL
  SELECT DISTINCT j.handler, NULL, NULL, NULL, NULL::boolean, NULL::boolean, NULL::jsonb, NULL::timestamptz FROM pgcron.cron_job j
   WHERE NOT EXISTS (SELECT FROM pgcron.cron_handler h WHERE h.name = j.handler)) h
LEFT JOIN (SELECT u.name, count(*) AS live FROM pgcron.workers w CROSS JOIN unnest(w.handlers) AS u (name) WHERE w.is_alive AND w.state = 'LIVE' GROUP BY 1) w
  ON w.name = h.name
WHERE %(name)s::text IS NULL OR h.name = %(name)s ORDER BY h.name LIMIT 1000
"""


class WorkerAnswer(Answer):
    """A worker process. isAlive: LIVE or DRAINING, and its lease has not lapsed. queues: null = all."""

    id: UUID
    state: Literal["LIVE", "DRAINING", "GONE", "DEAD"]
    is_alive: bool
    host: str
    pid: int
    app: str | None
    release: str | None
    version: str
    queues: list[str] | None
    handlers: list[str]
    concurrency: int
    running_count: int
    started_at: datetime
    beat_at: datetime | None
    lease_until: datetime | None
    drain_requested_at: datetime | None
    drain_requested_by: str | None
    drain_reason: str | None
    ended_at: datetime | None


class WorkerDetailAnswer(WorkerAnswer):
    """runs: what it has under way."""

    runs: list[RunAnswer]


class HandlerAnswer(Answer):
    """A handler: as its newest release published it, or only named by a job. parameters: a JSON schema of its arguments; null = not known, any.

    liveWorkers: how many have it. jobs: how many name it.
    """

    name: str
    app: str | None
    release: str | None
    description: str | None
    is_async: bool | None
    is_transactional: bool | None
    parameters: dict[str, Any] | None
    published_at: datetime | None
    live_workers: int
    jobs: int


async def workers(connection: Connection, *, with_ended: bool) -> list[WorkerAnswer]:
    rows = await (await connection.execute(WORKERS, {"with_ended": with_ended})).fetchall()
    return [WorkerAnswer(**row) for row in rows]


async def worker_of(connection: Connection, worker_id: UUID) -> WorkerDetailAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(WORKER, {"id": worker_id})).fetchone()
    if row is None:
        raise NotFound(f"Worker with ID {worker_id} not found", hint="a worker has a new id at each start")
    runs = await (await connection.execute(RUNS_OF_WORKER, {"id": worker_id})).fetchall()
    return WorkerDetailAnswer(**row, runs=[RunAnswer(**run) for run in runs])


async def handlers(connection: Connection, name: str | None = None) -> list[HandlerAnswer]:
    rows = await (await connection.execute(HANDLERS, {"name": name})).fetchall()
    return [HandlerAnswer(**row) for row in rows]
