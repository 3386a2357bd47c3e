"""Ending runs: the guarded finish, for a batch and for the reaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec
from psycopg import AsyncConnection

from pgcron_py.domain.retry import RetryPolicy
from pgcron_py.domain.words import JobId, Reason, RunId, Status, WorkerId
from pgcron_py.storage.json_text import array_text, json_text

FINISH_BATCH = "SELECT run_id, outcome FROM pgcron.finish_batch(%(worker)s, %(ids)s, %(jobs)s, %(statuses)s, %(durations)s, %(tokens)s, %(more)s)"
FINISH_RUN = "SELECT pgcron.finish_run(%(worker)s, %(run)s)"

# What the policies of a run's job said when it was claimed is not copied to its row: its job says it now.
RUNNING_OF_WORKER = """
SELECT l.id, l.job_id, l.attempt, j.max_attempts, j.is_idempotent, j.backoff_ms, j.backoff_max_ms, l.backend_pid, l.backend_start
  FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id
 WHERE l.worker_id = %(worker)s AND l.status = 'RUNNING' ORDER BY l.job_id, l.seq
"""

# The executor says, before a transactional handler begins, which backend carries it; nobody's row any more = lease lost.
# Behind a pooler this backend carries whatever comes next, and ending it would hit a stranger.
MARK_BACKEND = """
UPDATE pgcron.cron_log SET backend_pid = CASE WHEN NOT %(is_pooled)s THEN pg_backend_pid() END,
  backend_start = (SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid() AND NOT %(is_pooled)s)
 WHERE id = %(run)s AND worker_id = %(worker)s AND status = 'RUNNING'
"""

Outcome = Literal["recorded", "already", "lost"]


class Finish(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a run. duration in ms; token tells a lost reply from a lost lease."""

    id: RunId
    job_id: JobId
    status: Status
    finish_token: UUID
    reason: Reason | None = None
    is_strike: bool = False
    duration: int | None = None
    error: str | None = None
    stack_trace: str | None = None
    metadata: dict[str, Any] | None = None
    result: Any = None
    skip_reason: str | None = None
    progress: dict[str, Any] | None = None
    retry_after_ms: int | None = None
    retry_attempt: int | None = None

    @property
    def has_more(self) -> bool:
        """Than what every run has: nothing that failed is without a reason."""
        return not (
            self.reason is None and self.metadata is None and self.result is None and self.skip_reason is None and self.progress is None
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What is not there is NULL."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        return row


@dataclass(frozen=True, slots=True)
class RunningRun:
    """A RUNNING row of a worker that is gone, or that forgot it."""

    id: RunId
    job_id: JobId
    attempt: int
    policy: RetryPolicy
    backend: tuple[int, Any] | None


async def finish_batch(connection: AsyncConnection, worker: WorkerId, finishes: list[Finish]) -> dict[RunId, Outcome]:
    """Ends runs; what became of those that were not recorded."""
    parameters = {
        "worker": worker,
        "ids": array_text([it.id for it in finishes]),
        "jobs": array_text([it.job_id for it in finishes]),
        "statuses": array_text([it.status for it in finishes]),
        "durations": array_text([it.duration for it in finishes]),
        "tokens": array_text([it.finish_token for it in finishes]),
        "more": json_text([it for it in finishes if it.has_more]),
    }
    cursor = await connection.execute(FINISH_BATCH, parameters)
    return dict(await cursor.fetchall())


async def finish_runs(connection: AsyncConnection, worker: WorkerId, finishes: list[Finish]) -> dict[RunId, Outcome]:
    """Ends runs; what became of each."""
    outcomes: dict[RunId, Outcome] = dict.fromkeys([it.id for it in finishes], "recorded")
    return outcomes | await finish_batch(connection, worker, finishes)


async def warm_up(connection: AsyncConnection) -> None:
    """Plans the finish before the first run ends."""
    await finish_runs(connection, WorkerId(UUID(int=0)), [])


async def running_of(connection: AsyncConnection, worker: WorkerId) -> list[RunningRun]:
    cursor = await connection.execute(RUNNING_OF_WORKER, {"worker": worker})
    return [
        RunningRun(row[0], row[1], row[2], RetryPolicy(row[3], row[4], row[5], row[6]), row[7] and (row[7], row[8]))
        for row in await cursor.fetchall()
    ]
