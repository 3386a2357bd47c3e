"""What the first page shows: figures of a day, what goes on, what comes, and what needs somebody's attention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer

RUNS_MOST = 500_000
LAG_MOST = 50_000
BUCKET = "5 minutes"
LIST_MOST = 15
NOW_RUNNING_MOST = 50

# By id, which is in the order of time: a day of the log, not all of it, and never more than so many rows.
DAY: LiteralString = """
WITH day AS MATERIALIZED (
  SELECT l.id, l.started_at, l.status, l.reason FROM pgcron.cron_log l
   WHERE l.id >= pgcron.uuid_v7_at(%(from)s) AND l.id < pgcron.uuid_v7_at(%(to)s) ORDER BY l.id DESC LIMIT %(most)s)
SELECT date_bin('5 minutes', d.started_at, %(from)s) AS at, count(*) FILTER (WHERE d.status = 'SUCCESS') AS succeeded,
  count(*) FILTER (WHERE d.status = 'FAILED' AND d.reason IS DISTINCT FROM 'timeout') AS failed,
  count(*) FILTER (WHERE d.reason = 'timeout') AS timed_out, count(*) FILTER (WHERE d.status = 'RUNNING') AS running
FROM day d GROUP BY 1 ORDER BY 1
"""
BOUNDS: LiteralString = "SELECT clock_timestamp() AS to, date_bin('5 minutes', clock_timestamp(), 'epoch') - interval '24 hours' + interval '5 minutes' AS from"
LAG: LiteralString = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY r.lag_ms) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY r.lag_ms) AS p95, count(*) AS n FROM (
  SELECT pgcron.lag_ms(l.cause, l.scheduled_for, l.started_at) AS lag_ms FROM pgcron.cron_log l
   WHERE l.id >= pgcron.uuid_v7_at(%(to)s - interval '1 hour') AND l.cause = 'schedule' ORDER BY l.id DESC LIMIT %(most)s) r
"""
# A stretch is found by its end, a few of each job: the index of misses begins with the job.
MISSED: LiteralString = """
SELECT m.reason, sum(m.count)::bigint AS count FROM pgcron.cron_job j CROSS JOIN LATERAL (
  SELECT x.reason, x.count FROM pgcron.cron_miss x WHERE x.job_id = j.id AND x.covers_to > %(from)s ORDER BY x.covers_to DESC LIMIT 100) m
GROUP BY m.reason ORDER BY 2 DESC
"""
RUNNING: LiteralString = """
SELECT r.run_id, r.job_id, r.job, r.seq, r.cause, r.started_at, r.running_ms, j.average_duration AS expected_ms, r.progress, r.worker_id, r.host
FROM pgcron.running r JOIN pgcron.cron_job j ON j.id = r.job_id ORDER BY r.started_at LIMIT %(limit)s
"""
UPCOMING: LiteralString = """
SELECT starts_at, job_id, job, cause, requested_by FROM pgcron.upcoming WHERE NOT is_skipped ORDER BY starts_at, job LIMIT %(limit)s
"""
HEALTH: LiteralString = """
SELECT name, state, message, evidence FROM pgcron.health ORDER BY array_position(ARRAY['critical', 'warning', 'ok'], state), name
"""
# Three times as long as usual, and half a minute at least: not what the watch finds, which asks for a limit of the job's own.
STUCK: LiteralString = """
SELECT r.job, r.job_id, r.run_id, r.started_at, r.running_ms, j.average_duration AS expected_ms
FROM pgcron.running r JOIN pgcron.cron_job j ON j.id = r.job_id
WHERE j.success_count >= 5 AND r.running_ms > GREATEST(3 * j.average_duration, 30000) ORDER BY r.started_at LIMIT 20
"""


# Of the day before, as it is kept: by the UTC day, so it is what yesterday was, not the 24 hours before these.
YESTERDAY: LiteralString = """
SELECT sum(d.success_count)::double precision / nullif(sum(d.success_count + d.failure_count), 0) AS success_rate
FROM pgcron.cron_daily d WHERE d.day = (%(to)s::timestamptz AT TIME ZONE 'UTC')::date - 1
"""


class HealthCheckAnswer(Answer):
    """One check: what was found, in words, and the figures behind it."""

    name: str
    state: Literal["ok", "warning", "critical"]
    message: str
    evidence: dict[str, Any] | None


class BucketAnswer(Answer):
    """Runs that began in the five minutes from `at` on."""

    at: datetime
    succeeded: int
    failed: int
    timed_out: int
    running: int


class NowRunningAnswer(Answer):
    """expectedMs: the job's mean; null when none succeeded yet."""

    run_id: UUID
    job_id: UUID
    job: str
    seq: int
    cause: str
    started_at: datetime
    running_ms: int
    expected_ms: float | None
    progress: dict[str, Any] | None
    worker_id: UUID
    host: str | None


class NextStartAnswer(Answer):
    """cause: schedule, or that of a request."""

    starts_at: datetime
    job_id: UUID
    job: str
    cause: str
    requested_by: str | None


class StuckRun(Answer):
    """A run that takes more than three times its job's mean."""

    run_id: UUID
    job_id: UUID
    job: str
    started_at: datetime
    running_ms: int
    expected_ms: float


class Day(Answer):
    """Of the last 24 hours. isTruncated: there were more than half a million runs, and these are the newest.

    successRateYesterday: of the UTC day before this one; null when nothing ended on it.

    missed: occurrences without a run, by reason. lag: from an occurrence to its start, of the last hour; null without runs by schedule.
    """

    from_: datetime
    to: datetime
    runs: int
    succeeded: int
    failed: int
    timed_out: int
    success_rate: float | None
    success_rate_yesterday: float | None
    is_truncated: bool
    missed: dict[str, int]
    lag_p50_ms: float | None
    lag_p95_ms: float | None
    buckets: list[BucketAnswer]


async def day_of(connection: Connection) -> Day:
    bounds = await _row(connection, BOUNDS, {})
    rows = await (await connection.execute(DAY, bounds | {"most": RUNS_MOST})).fetchall()
    lag = await _row(connection, LAG, {"to": bounds["to"], "most": LAG_MOST})
    missed = await (await connection.execute(MISSED, {"from": bounds["from"]})).fetchall()
    yesterday = await _row(connection, YESTERDAY, {"to": bounds["to"]})
    succeeded, failed, timed_out, running = (
        sum(row[name] for row in rows) for name in ("succeeded", "failed", "timed_out", "running")
    )
    ended = succeeded + failed + timed_out
    return Day(
        from_=bounds["from"], to=bounds["to"], runs=ended + running, succeeded=succeeded, failed=failed, timed_out=timed_out,
        success_rate=succeeded / ended if ended else None,
        success_rate_yesterday=yesterday["success_rate"], is_truncated=ended + running >= RUNS_MOST,
        missed={row["reason"]: row["count"] for row in missed}, lag_p50_ms=lag["p50"], lag_p95_ms=lag["p95"],
        buckets=[BucketAnswer(**row) for row in rows],
    )  # fmt: skip


async def now_running(connection: Connection) -> list[NowRunningAnswer]:
    """The oldest first."""
    rows = await (await connection.execute(RUNNING, {"limit": NOW_RUNNING_MOST})).fetchall()
    return [NowRunningAnswer(**row) for row in rows]


async def next_starts(connection: Connection) -> list[NextStartAnswer]:
    rows = await (await connection.execute(UPCOMING, {"limit": LIST_MOST})).fetchall()
    return [NextStartAnswer(**row) for row in rows]


async def stuck_runs(connection: Connection) -> list[StuckRun]:
    return [StuckRun(**row) for row in await (await connection.execute(STUCK)).fetchall()]


async def health_checks(connection: Connection) -> Sequence[HealthCheckAnswer]:
    """The most pressing first."""
    return [HealthCheckAnswer(**row) for row in await (await connection.execute(HEALTH)).fetchall()]


async def _row(connection: Connection, query: LiteralString, params: dict[str, Any]) -> dict[str, Any]:
    row = await (await connection.execute(query, params)).fetchone()
    assert row is not None
    return row
