"""Deleting what is older than its retention, batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection

from pgcron_py.domain.words import JobId

BEGINNING = UUID(int=0)
PURGE_RUNS = "SELECT deleted, last FROM pgcron.purge_runs(%(days)s, %(after)s, %(limit)s, %(job)s)"
PURGE_REST = "SELECT pgcron.purge_rest(%(days)s, %(limit)s)"
JOBS_WITH_THEIR_OWN = (
    "SELECT id FROM pgcron.cron_job WHERE retention_days IS NOT NULL OR retention_count IS NOT NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Runs with ids after `after`, at most `limit`, older than `days`; of one job by its own retention."""

    days: int
    after: UUID = BEGINNING
    limit: int = 500
    job: JobId | None = None


async def purge_runs(connection: AsyncConnection, batch: Batch) -> tuple[int, UUID | None]:
    """How many were deleted, and where the next batch goes on; None: nothing is left."""
    parameters = {"days": batch.days, "after": batch.after, "limit": batch.limit, "job": batch.job}
    row = await (await connection.execute(PURGE_RUNS, parameters)).fetchone()
    assert row is not None
    return row[0], row[1]


async def purge_rest(connection: AsyncConnection, days: int, limit: int) -> tuple[int, UUID | None]:
    """How many misses, requests, notifications and workers were deleted; and None when nothing is left."""
    row = await (await connection.execute(PURGE_REST, {"days": days, "limit": limit})).fetchone()
    assert row is not None
    return row[0], BEGINNING if row[0] else None


async def jobs_with_their_own(connection: AsyncConnection) -> list[JobId]:
    """Jobs that say how long, or how many of, their runs are kept."""
    return [JobId(row[0]) for row in await (await connection.execute(JOBS_WITH_THEIR_OWN)).fetchall()]
