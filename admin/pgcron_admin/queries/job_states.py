"""How jobs stand: the part of a job that runs change, and what people look at while they do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer

COLUMNS: LiteralString = """
  s.job_id AS id, s.job AS name, s.state, s.schedule, s.timezone, s.is_enabled, s.is_locked, s.tags, s.next_scheduled_for, s.next_run_at,
  s.next_request_at, s.running_count, s.current_run_id, s.current_started_at, s.last_run_id, s.last_status, s.last_reason, s.last_error,
  s.last_started_at, s.last_completed_at, s.last_duration_ms, s.success_count, s.failure_count, s.success_rate,
  s.duration_average_ms AS average_duration, s.consecutive_failures, s.disabled_at, s.disabled_by, s.disabled_reason, s.disabled_until,
  s.version, s.updated_at
"""
STATES: LiteralString = f"SELECT {COLUMNS} FROM pgcron.job_status s WHERE s.job_id = ANY (%(ids)s) ORDER BY s.job"
STATES_AND_WHY: LiteralString = (
    f"SELECT {COLUMNS}, s.blocked_by FROM pgcron.job_status s WHERE s.job_id = ANY (%(ids)s) ORDER BY s.job"
)
COUNTS: LiteralString = """
SELECT count(*) AS total, count(*) FILTER (WHERE is_enabled) AS enabled, count(*) FILTER (WHERE NOT is_enabled) AS disabled,
  count(*) FILTER (WHERE running_count > 0) AS running, count(*) FILTER (WHERE consecutive_failures > 0) AS failing,
  count(*) FILTER (WHERE NOT is_enabled AND disabled_by = 'pgcron') AS auto_disabled
FROM pgcron.cron_job
"""


class JobState(Answer):
    """state: in words. averageDuration, lastDurationMs: milliseconds. successRate: 0 to 1. version: of the definition."""

    id: UUID
    name: str
    state: str
    schedule: str
    timezone: str
    is_enabled: bool
    is_locked: bool
    tags: list[str]
    next_scheduled_for: datetime | None
    next_run_at: datetime | None
    next_request_at: datetime | None
    running_count: int
    current_run_id: UUID | None
    current_started_at: datetime | None
    last_run_id: UUID | None
    last_status: str | None
    last_reason: str | None
    last_error: str | None
    last_started_at: datetime | None
    last_completed_at: datetime | None
    last_duration_ms: int | None
    success_count: int
    failure_count: int
    success_rate: float | None
    average_duration: float | None
    consecutive_failures: int
    disabled_at: datetime | None
    disabled_by: str | None
    disabled_reason: str | None
    disabled_until: datetime | None
    version: int
    updated_at: datetime


class JobStateAndWhy(JobState):
    """blockedBy: why it would not run although its time had come; null when only the time keeps it."""

    blocked_by: str | None


class JobCounts(Answer):
    """How many jobs there are, and how they stand; one may count several times. autoDisabled: by strikes."""

    total: int
    enabled: int
    disabled: int
    running: int
    failing: int
    auto_disabled: int


async def states_of(connection: Connection, ids: Sequence[UUID]) -> list[JobState]:
    rows = await (await connection.execute(STATES, {"ids": list(ids)})).fetchall()
    return [JobState(**row) for row in rows]


async def states_and_why(connection: Connection, ids: Sequence[UUID]) -> list[JobStateAndWhy]:
    rows = await (await connection.execute(STATES_AND_WHY, {"ids": list(ids)})).fetchall()
    return [JobStateAndWhy(**row) for row in rows]


async def job_counts(connection: Connection) -> JobCounts:
    row: dict[str, Any] | None = await (await connection.execute(COUNTS)).fetchone()
    assert row is not None
    return JobCounts(**row)
