"""What pages read: the views, a page of rows at a time, by keys."""

from __future__ import annotations

from typing import LiteralString

from pgcron_admin.queries.jobs import FILTER, STATES, JobFilter, State

CHIPS: tuple[State, ...] = ("failing", "running", "disabled", "locked", "overdue", "never_ran")
SORTS: dict[str, LiteralString] = {
    "name": "j.name", "next": "CASE WHEN j.is_enabled THEN j.next_run_at END", "last": "j.last_run_at",
    "rate": "j.success_count::double precision / nullif(j.success_count + j.failure_count, 0)", "duration": "j.average_duration",
    "failures": "j.consecutive_failures", "owner": "j.owner",
}  # fmt: skip
PAGE = 50


def jobs(wanted: JobFilter, sort: str, *, descending: bool) -> LiteralString:
    """One page of jobs. It is chosen from the jobs alone: what is dear of a row is asked for those that are shown."""
    order: LiteralString = "DESC" if descending else "ASC"
    return f"""
WITH page AS MATERIALIZED (
  SELECT j.id, {SORTS[sort]} AS value, count(*) OVER () AS matching FROM pgcron.cron_job j WHERE {wanted.condition()}
   ORDER BY value {order} NULLS LAST, j.name LIMIT %(limit)s OFFSET %(offset)s)
SELECT s.*, p.matching FROM page p JOIN pgcron.job_status s ON s.job_id = p.id ORDER BY p.value {order} NULLS LAST, s.job
"""


COUNTS: LiteralString = f"""
SELECT count(*) AS all, count(*) FILTER (WHERE {STATES["failing"]}) AS failing, count(*) FILTER (WHERE {STATES["running"]}) AS running,
  count(*) FILTER (WHERE {STATES["disabled"]}) AS disabled, count(*) FILTER (WHERE {STATES["locked"]}) AS locked,
  count(*) FILTER (WHERE {STATES["overdue"]}) AS overdue, count(*) FILTER (WHERE {STATES["never_ran"]}) AS never_ran
FROM pgcron.cron_job j WHERE {FILTER}
"""

# By what stands in a path: a name, or an id.
JOB_OF: LiteralString = "SELECT name, id FROM pgcron.cron_job WHERE name = %(key)s OR id::text = %(key)s ORDER BY name = %(key)s DESC LIMIT 1"
JOBS_BY_ID: LiteralString = "SELECT s.* FROM pgcron.job_status s WHERE s.job_id = ANY (%(ids)s)"


def still_matching(wanted: JobFilter) -> LiteralString:
    """Of some jobs those that (still) match, and how many match in all."""
    return f"""
SELECT count(*) AS matching, coalesce(array_agg(j.id) FILTER (WHERE j.id = ANY (%(ids)s)), '{{}}') AS ids FROM pgcron.cron_job j WHERE {wanted.condition()}
"""


# Of some jobs what cron_daily knows of the last seven days (UTC), today included.
WEEKS: LiteralString = """
SELECT w.job_id, w.successes::double precision / nullif(w.successes + w.failures, 0) AS success_rate, pgcron.quantile(w.durations, 0.5) AS p50_ms,
  pgcron.quantile(w.durations, 0.95) AS p95_ms
FROM (SELECT d.job_id, sum(d.success_count) AS successes, sum(d.failure_count) AS failures, pgcron.histogram_sum(d.duration_histogram) AS durations
        FROM pgcron.cron_daily d WHERE d.job_id = ANY (%(jobs)s) AND d.day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 7 GROUP BY d.job_id) w
"""
JOB: LiteralString = """
SELECT s.*, j.description, j.args, j.timeout_ms, j.max_attempts, j.overlap_policy, j.catchup_policy, j.is_idempotent, j.notify_on_failure,
  j.extra_schedules, j.excluded_schedules, j.runs_alone, j.min_version, j.origin, j.start_at, j.end_at, j.jitter_ms
FROM pgcron.job_status s JOIN pgcron.cron_job j ON j.id = s.job_id WHERE s.job_id = %(job)s
"""
# The last runs of some jobs, newest first: a probe of the index for each.
LAST_RUNS: LiteralString = """
SELECT j.id AS job_id, r.run_id, r.seq, r.status, r.reason, r.duration_ms, r.started_at, r.skip_reason FROM unnest(%(jobs)s::uuid[]) AS j (id)
CROSS JOIN LATERAL (SELECT x.run_id, x.seq, x.status, x.reason, x.duration_ms, x.started_at, x.skip_reason FROM pgcron.runs x
  WHERE x.job_id = j.id ORDER BY x.seq DESC LIMIT %(limit)s) r
"""
STATISTICS: LiteralString = "SELECT * FROM pgcron.statistics WHERE job = %(name)s ORDER BY from_at DESC"
NEXT_RUNS: LiteralString = """
SELECT array(SELECT r FROM pgcron.job_next_runs(j, clock_timestamp(), %(n)s) r) AS instants FROM pgcron.cron_job j WHERE j.name = %(name)s
"""
EXPLAIN: LiteralString = "SELECT step, topic, verdict, message FROM pgcron.explain(%(name)s)"
AUDIT_OF_JOB: LiteralString = """
SELECT audit_id, at, action, actor, reason, old_values, new_values FROM pgcron.audit WHERE job_id = %(job)s ORDER BY audit_id DESC LIMIT 20
"""
RUNS: LiteralString = """
SELECT r.* FROM pgcron.runs r
WHERE (%(job)s::uuid IS NULL OR r.job_id = %(job)s) AND (%(status)s = '' OR r.status = %(status)s)
  AND (%(before)s::uuid IS NULL OR r.run_id < %(before)s)
ORDER BY r.run_id DESC LIMIT %(limit)s
"""
RUN: LiteralString = """
SELECT r.*, l.stack_trace, w.host, w.pid FROM pgcron.runs r JOIN pgcron.cron_log l ON l.id = r.run_id
LEFT JOIN pgcron.workers w ON w.worker_id = r.worker_id WHERE r.run_id = %(run)s
"""
OUTPUT: LiteralString = """
SELECT line_no, stream, level, at, text FROM pgcron.cron_log_line WHERE run_id = %(run)s ORDER BY line_no DESC LIMIT %(limit)s
"""
# lease_left: share of its lease that is left.
WORKERS: LiteralString = """
SELECT w.*, extract(epoch FROM e.lease_until - clock_timestamp()) * 1000 / e.ttl_ms AS lease_left
FROM pgcron.workers w LEFT JOIN pgcron.cron_lease e ON e.worker_id = w.worker_id
WHERE w.is_alive OR coalesce(w.ended_at, w.beat_at, w.started_at) > clock_timestamp() - interval '24 hours'
ORDER BY w.is_alive DESC, w.started_at DESC LIMIT 200
"""
FLEET: LiteralString = """
SELECT paused_at, paused_by, paused_reason, clock_timestamp() AS now,
  (SELECT count(*) FROM (SELECT FROM pgcron.cron_alert a WHERE a.resolved_at IS NULL AND a.acknowledged_at IS NULL LIMIT 100) x) AS open_alerts
FROM pgcron.cron_meta
"""
FAILING: LiteralString = """
SELECT job, job_id, consecutive_failures, last_error, last_completed_at, is_enabled, disabled_by, disabled_reason, disabled_at FROM pgcron.job_status
WHERE consecutive_failures > 0 ORDER BY is_enabled, consecutive_failures DESC LIMIT 20
"""
BLACKOUTS_OF_JOB: LiteralString = """
SELECT b.name, b.action, b.reason, b.schedule, b.timezone, b.starts_at, b.ends_at, b.duration_ms FROM pgcron.cron_blackout b, pgcron.cron_job j
WHERE j.id = %(job)s AND (b.job_id = j.id OR b.job_id IS NULL AND (b.tag IS NULL OR b.tag = ANY (j.tags))) AND coalesce(b.ends_at, 'infinity') > clock_timestamp() ORDER BY b.name
"""
