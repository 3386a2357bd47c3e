"""Figures of a job over a window."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.queries.jobs import job_not_found
from pgcron_admin.wire import Answer

FIGURES: LiteralString = """
SELECT (s.f).from_at, (s.f).to_at, (s.f).run_count AS total_executions, (s.f).success_count, (s.f).failure_count, (s.f).success_rate,
  (s.f).duration_average_ms AS average_duration, (s.f).last_success_at AS last_success, (s.f).last_failure_at AS last_failure, (s.f).uptime,
  (s.f).downtime_ms, (s.f).duration_p50_ms AS p50, (s.f).duration_p95_ms AS p95, (s.f).duration_max_ms AS max, (s.f).lag_average_ms, (s.f).lag_p50_ms,
  (s.f).lag_p95_ms, (s.f).lag_max_ms, (s.f).success_streak, (s.f).failure_streak, (s.f).longest_failure_streak
FROM pgcron.cron_job j CROSS JOIN LATERAL (SELECT pgcron.job_statistics(j.id, %(window)s) AS f OFFSET 0) s WHERE j.id = %(id)s
"""


class StatisticsAnswer(Answer):
    """Of runs that began in the window (fromAt to toAt) and have ended. Rates and uptime: 0 to 1. Durations, of SUCCESS runs, and lags: ms.

    uptime: share of the window in which the job was not down, that is between a FAILED run and the next SUCCESS. lastSuccess, lastFailure and streaks: ever.
    p50 and p95 are within 5 %.
    """

    total_executions: int
    success_rate: float | None
    average_duration: float | None
    last_success: datetime | None
    last_failure: datetime | None
    uptime: float | None
    p50: float | None
    p95: float | None
    max: int | None
    from_at: datetime
    to_at: datetime
    success_count: int
    failure_count: int
    downtime_ms: int | None
    lag_average_ms: float | None
    lag_p50_ms: float | None
    lag_p95_ms: float | None
    lag_max_ms: int | None
    success_streak: int | None
    failure_streak: int | None
    longest_failure_streak: int | None


async def statistics_of(connection: Connection, job_id: UUID, window: timedelta) -> StatisticsAnswer:
    """Raises JobNotFound."""
    row = await (await connection.execute(FIGURES, {"id": job_id, "window": window})).fetchone()
    if row is None:
        raise job_not_found(job_id)
    return StatisticsAnswer(**row)
