"""A worker's own rows: registration, beat, leave, and the reaping of others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from pgcron_py.domain.words import RunId, WorkerId
from pgcron_py.storage.claims import View

REGISTER = "SELECT pgcron.register_worker(%(worker)s, %(ttl_ms)s)"
BEAT = """SELECT at, state, lease_until, running, route_queues, route_handlers, next_claim_at, plan_pending, reap_pending, paused,
    cancels, requests_waiting, has_rules, look_due, delivery_in, pings FROM pgcron.beat(%(worker)s, %(handlers)s, %(queues)s)"""
LEAVE = "SELECT pgcron.leave(%(worker)s)"
DRAIN = "UPDATE pgcron.cron_worker SET state = 'DRAINING' WHERE id = %(worker)s AND state = 'LIVE'"

ASKED_TO_DRAIN = "SELECT 1 FROM pgcron.cron_worker WHERE id = %(worker)s AND drain_requested_at IS NOT NULL"

TAKE_REAPER = "SELECT 1 FROM pgcron.cron_reaper WHERE id = 1 FOR UPDATE SKIP LOCKED"
LAPSED = "SELECT worker_id FROM pgcron.cron_lease WHERE lease_until < clock_timestamp() ORDER BY worker_id"
LOCK_WORKER = "SELECT 1 FROM pgcron.cron_worker WHERE id = %(worker)s FOR UPDATE"
LOCK_LAPSED_LEASE = (
    "SELECT 1 FROM pgcron.cron_lease WHERE worker_id = %(worker)s AND lease_until < clock_timestamp() FOR UPDATE"
)
BURY = """
WITH gone AS (DELETE FROM pgcron.cron_lease WHERE worker_id = %(worker)s)
UPDATE pgcron.cron_worker SET state = 'DEAD', ended_at = clock_timestamp() WHERE id = %(worker)s AND state IN ('LIVE', 'DRAINING')
"""
# pid and start together name a backend: a pid alone may be somebody else's by now.
END_BACKEND = """
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.pid = %(pid)s AND a.backend_start = %(start)s AND a.datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody's wish that a run of mine ends, and why. is_forced: without asking its handler first."""

    run_id: RunId
    by: str | None
    reason: str | None
    is_forced: bool = False

    @property
    def text(self) -> str:
        return f"cancelled by {self.by or 'somebody'}{f': {self.reason}' if self.reason else ''}"


@dataclass(frozen=True, slots=True)
class Glance:
    """What there is to notify. look_due: somebody must look around; delivery_in: seconds until the next delivery is due, None when
    none waits; pings: changes whenever the jobs' ping URLs do, None when there are none."""

    look_due: bool
    delivery_in: float | None
    pings: int | None


@dataclass(frozen=True, slots=True)
class Beat:
    """The database's answer to a beat. state: None when the worker's row is gone; running: my RUNNING rows.
    requests_waiting: of the whole fleet, due and not claimed; counted up to 1,000."""

    at: datetime
    state: str | None
    lease_until: datetime | None
    running: list[UUID]
    view: View
    reap_pending: bool
    paused: bool
    cancels: list[Cancel]
    requests_waiting: int
    glance: Glance


async def register(connection: AsyncConnection, worker: dict[str, Any], ttl_ms: int) -> datetime:
    cursor = await connection.execute(REGISTER, {"worker": json.dumps(worker), "ttl_ms": ttl_ms})
    row = await cursor.fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


async def beat(connection: AsyncConnection, worker: WorkerId, handlers: list[str], queues: list[str] | None) -> Beat:
    cursor = await connection.execute(BEAT, {"worker": worker, "handlers": handlers, "queues": queues})
    row = await cursor.fetchone()
    assert row is not None
    cancels = [Cancel(RunId(UUID(run)), by, reason, forced) for run, by, reason, forced in row[10] or ()]
    view = View(row[0], row[4], row[5], row[6], row[7], row[12])
    return Beat(row[0], row[1], row[2], row[3], view, row[8], bool(row[9]), cancels, row[11], Glance(*row[13:]))


END_BACKEND_OF_RUN = """
SELECT pg_terminate_backend(a.pid) FROM pgcron.cron_log l JOIN pg_stat_activity a ON a.pid = l.backend_pid AND a.backend_start = l.backend_start
 WHERE l.id = %(run)s AND l.status = 'RUNNING' AND a.datname = current_database()
"""


async def end_backend_of(connection: AsyncConnection, run: RunId) -> None:
    """Ends the backend that carries a transactional run, when pid and start still match."""
    await connection.execute(END_BACKEND_OF_RUN, {"run": run})


async def lapsed(connection: AsyncConnection) -> list[WorkerId]:
    cursor = await connection.execute(LAPSED)
    return [WorkerId(row[0]) for row in await cursor.fetchall()]


async def found(connection: AsyncConnection, statement: str, worker: WorkerId) -> bool:
    """Whether a locking statement found its row."""
    cursor = await connection.execute(statement, {"worker": worker})
    return await cursor.fetchone() is not None
