"""How a job's runs went over time: percentiles in buckets, single runs, days. Bounded, however many runs there are.

Days that are over come from cron_daily; what was not counted yet comes from the log, as in pgcron.job_statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.wire import Answer

Range = Literal["24h", "7d", "30d", "90d"]
LOOKED_AT_MOST = 50_000
DOTS_MOST, FAILURES_MOST, MARKERS_MOST = 1500, 500, 50


@dataclass(frozen=True, slots=True)
class Span:
    """bucket: None: whole days, of UTC."""

    length: timedelta
    bucket: timedelta | None


SPANS: dict[Range, Span] = {
    "24h": Span(timedelta(hours=24), timedelta(minutes=30)), "7d": Span(timedelta(days=7), timedelta(hours=3)),
    "30d": Span(timedelta(days=30), None), "90d": Span(timedelta(days=90), None),
}  # fmt: skip

BUCKETS: LiteralString = f"""
SELECT date_bin(%(bucket)s, r.started_at, '2000-01-01 00:00+00') AS at, count(*) AS runs, count(*) FILTER (WHERE r.status = 'FAILED') AS failures,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY r.duration) FILTER (WHERE r.status = 'SUCCESS') AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY r.duration) FILTER (WHERE r.status = 'SUCCESS') AS p95, max(r.duration) FILTER (WHERE r.status = 'SUCCESS') AS most
FROM (SELECT l.started_at, l.status, l.duration FROM pgcron.cron_log l WHERE l.job_id = %(job)s AND l.started_at >= %(from)s AND l.status <> 'RUNNING'
       ORDER BY l.started_at DESC LIMIT {LOOKED_AT_MOST}) r
GROUP BY 1 ORDER BY 1
"""
UNCOUNTED: LiteralString = """
mark AS (SELECT coalesce(m.seq, 0) AS seq, coalesce(m.open_seqs, '{}') AS open_seqs FROM pgcron.cron_job j LEFT JOIN pgcron.cron_daily_mark m ON m.job_id = j.id WHERE j.id = %(job)s),
uncounted AS MATERIALIZED (
  SELECT l.status, l.started_at, l.duration FROM pgcron.cron_log l CROSS JOIN mark WHERE l.job_id = %(job)s AND l.seq > mark.seq AND l.status <> 'RUNNING' AND l.started_at >= %(from)s
  UNION ALL SELECT l.status, l.started_at, l.duration FROM pgcron.cron_log l CROSS JOIN mark
   WHERE l.job_id = %(job)s AND l.seq = ANY (mark.open_seqs) AND l.seq <= mark.seq AND l.status <> 'RUNNING' AND l.started_at >= %(from)s)
"""
DAY_BUCKETS: LiteralString = f"""
WITH {UNCOUNTED}, parts AS (
  SELECT d.day, d.run_count AS runs, d.failure_count AS failures, d.duration_histogram AS durations, d.duration_max_ms AS most
    FROM pgcron.cron_daily d WHERE d.job_id = %(job)s AND d.day >= %(from)s::date
  UNION ALL
  SELECT (u.started_at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE u.status = 'FAILED'),
    pgcron.histogram_of(array_agg(pgcron.bucket_of(u.duration)) FILTER (WHERE u.status = 'SUCCESS' AND u.duration IS NOT NULL)),
    max(u.duration) FILTER (WHERE u.status = 'SUCCESS') FROM uncounted u GROUP BY 1),
days AS (SELECT p.day, sum(p.runs)::bigint AS runs, sum(p.failures)::bigint AS failures, pgcron.histogram_sum(p.durations) AS durations, max(p.most) AS most
  FROM parts p GROUP BY 1)
SELECT d.day::timestamp AT TIME ZONE 'UTC' AS at, d.runs, d.failures, LEAST(pgcron.quantile(d.durations, 0.5), d.most) AS p50,
  LEAST(pgcron.quantile(d.durations, 0.95), d.most) AS p95, d.most FROM days d WHERE d.runs > 0 ORDER BY 1
"""
DAYS: LiteralString = f"""
WITH {UNCOUNTED}
SELECT p.day, sum(p.runs)::bigint AS runs, sum(p.failures)::bigint AS failures FROM (
  SELECT d.day, d.run_count AS runs, d.failure_count AS failures FROM pgcron.cron_daily d WHERE d.job_id = %(job)s AND d.day >= %(from)s::date
  UNION ALL SELECT (u.started_at AT TIME ZONE 'UTC')::date, 1, (u.status = 'FAILED')::integer FROM uncounted u) p
GROUP BY 1 HAVING sum(p.runs) > 0
"""
DOTS: LiteralString = f"""
SELECT l.started_at AS at, l.duration FROM pgcron.cron_log l
 WHERE l.job_id = %(job)s AND l.started_at >= %(from)s AND l.status = 'SUCCESS' AND l.duration IS NOT NULL ORDER BY l.started_at DESC LIMIT {DOTS_MOST}
"""
FAILURES: LiteralString = f"""
SELECT l.started_at AS at, l.duration FROM pgcron.cron_log l WHERE l.job_id = %(job)s AND l.status = 'FAILED' AND l.started_at >= %(from)s ORDER BY l.seq DESC LIMIT {FAILURES_MOST}
"""
MARKERS: LiteralString = f"""
SELECT a.at, coalesce(a.new_values ->> 'schedule', a.new_values ->> 'timezone') AS word FROM pgcron.audit a
 WHERE a.job_id = %(job)s AND a.at >= %(from)s AND a.action = 'job_changed' AND (a.new_values ? 'schedule' OR a.new_values ? 'timezone')
   AND (a.old_values ->> 'schedule' IS DISTINCT FROM a.new_values ->> 'schedule' OR a.old_values ->> 'timezone' IS DISTINCT FROM a.new_values ->> 'timezone')
 ORDER BY a.at DESC LIMIT {MARKERS_MOST}
"""
# The last success is looked for among so many runs: a job may have failed for years.
LAST: LiteralString = """
(SELECT 'failure' AS what, l.id, l.seq, l.error, l.reason, l.completed_at FROM pgcron.cron_log l WHERE l.job_id = %(job)s AND l.status = 'FAILED' ORDER BY l.seq DESC LIMIT 1)
UNION ALL
(SELECT 'success', s.id, s.seq, NULL, NULL, s.completed_at FROM (
   SELECT l.id, l.seq, l.status, l.completed_at FROM pgcron.cron_log l WHERE l.job_id = %(job)s ORDER BY l.seq DESC LIMIT 2000) s WHERE s.status = 'SUCCESS' ORDER BY s.seq DESC LIMIT 1)
"""


class Bucket(Answer):
    """Of runs that began from `at` on and have ended; durations, in ms, of SUCCESS ones."""

    at: datetime
    runs: int
    failures: int
    p50: float | None
    p95: float | None
    most: int | None


class Dot(Answer):
    at: datetime
    duration: int | None


class Marker(Answer):
    """A change of the schedule. word: the new one."""

    at: datetime
    word: str | None


class Durations(Answer):
    """dots: the newest 1,500 successes; isCut: there were more. failures: the newest 500."""

    from_: datetime
    to: datetime
    buckets: list[Bucket]
    dots: list[Dot]
    failures: list[Dot]
    markers: list[Marker]
    is_cut: bool


class Day(Answer):
    day: date
    runs: int
    failures: int


class LastEnd(Answer):
    """The newest failure, or the newest success."""

    what: Literal["failure", "success"]
    id: UUID
    seq: int
    error: str | None
    reason: str | None
    completed_at: datetime


async def buckets_of(connection: Connection, job: UUID, range_: Range, now: datetime) -> list[Bucket]:
    span = SPANS[range_]
    params: dict[str, Any] = {"job": job, "from": _begin(range_, now), "bucket": span.bucket}
    rows = await all_rows(connection, DAY_BUCKETS if span.bucket is None else BUCKETS, params)
    return [Bucket(**row) for row in rows]


def _begin(range_: Range, now: datetime) -> datetime:
    """Of days, whole ones: the first would be a part of one."""
    begin = now - SPANS[range_].length
    return begin if SPANS[range_].bucket else begin.replace(hour=0, minute=0, second=0, microsecond=0)


async def durations_over(connection: Connection, job: UUID, range_: Range, now: datetime) -> Durations:
    begin = _begin(range_, now)
    params = {"job": job, "from": begin}
    dots = [Dot(**row) for row in await all_rows(connection, DOTS, params)]
    return Durations(
        from_=begin, to=now, buckets=await buckets_of(connection, job, range_, now), dots=dots,
        failures=[Dot(**row) for row in await all_rows(connection, FAILURES, params)],
        markers=[Marker(**row) for row in await all_rows(connection, MARKERS, params)], is_cut=len(dots) == DOTS_MOST,
    )  # fmt: skip


async def days_of(connection: Connection, job: UUID, first: date) -> Sequence[Day]:
    return [Day(**row) for row in await all_rows(connection, DAYS, {"job": job, "from": first})]


async def last_ends(connection: Connection, job: UUID) -> dict[str, LastEnd]:
    """By `what`; none of what never happened."""
    return {row["what"]: LastEnd(**row) for row in await all_rows(connection, LAST, {"job": job})}
