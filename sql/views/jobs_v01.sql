-- The promise to whoever reads: tables may change, these views keep their columns. security_invoker: who may not read a table
-- may not read it here. All of them can be read on a standby.

CREATE VIEW pgcron.job_status WITH (security_invoker = true) AS
SELECT j.name AS job, j.id AS job_id, pgcron.state_of(j) AS state, pgcron.why_blocked(j) AS blocked_by,
  j.schedule, j.timezone, j.handler, j.queue, j.priority, j.tags, j.owner, j.app, j.is_enabled, j.is_locked,
  j.next_scheduled_for, j.next_run_at, j.next_request_at,
  current_run.id AS current_run_id, current_run.seq AS current_seq, current_run.started_at AS current_started_at, j.running_count,
  last.id AS last_run_id, last.seq AS last_seq, last.status AS last_status, last.reason AS last_reason, last.error AS last_error,
  last.started_at AS last_started_at, last.completed_at AS last_completed_at, last.duration AS last_duration_ms,
  pgcron.lag_ms(last.cause, last.scheduled_for, last.started_at) AS last_lag_ms,
  j.success_count, j.failure_count, j.success_count::double precision / nullif(j.success_count + j.failure_count, 0) AS success_rate,
  j.average_duration AS duration_average_ms, j.consecutive_failures,
  j.disabled_at, j.disabled_by, j.disabled_reason, j.disabled_until, j.version, j.created_at, j.updated_at
FROM pgcron.cron_job j
  -- The unique index of what runs, or all that run; by job_id alone a bitmap of the job's whole history was made (measured: 38 ms).
  LEFT JOIN LATERAL (
    SELECT r.id, r.seq, r.started_at FROM (
      SELECT l.id, l.seq, l.started_at FROM pgcron.cron_log l WHERE j.running_count > 0 AND l.job_id = j.id AND l.status = 'RUNNING' AND l.is_exclusive
      UNION ALL
      SELECT l.id, l.seq, l.started_at FROM pgcron.cron_log l
       WHERE j.running_count > 0 AND NOT j.is_exclusive AND (l.job_id = j.id) IS TRUE AND l.status = 'RUNNING' AND NOT l.is_exclusive) r
     ORDER BY r.seq DESC LIMIT 1) current_run ON true
  LEFT JOIN LATERAL (SELECT l.id, l.seq, l.status, l.reason, l.error, l.started_at, l.completed_at, l.duration, l.cause, l.scheduled_for FROM pgcron.cron_log l
    WHERE l.job_id = j.id AND l.status <> 'RUNNING' ORDER BY l.seq DESC LIMIT 1) last ON true;

CREATE VIEW pgcron.upcoming WITH (security_invoker = true) AS
SELECT j.next_run_at AS starts_at, j.name AS job, j.id AS job_id, 'schedule' AS cause, j.next_scheduled_for AS scheduled_for, NULL::uuid AS request_id,
  NULL AS requested_by, j.queue, j.handler, j.skip_until IS NOT NULL AND j.next_scheduled_for <= j.skip_until AS is_skipped
  FROM pgcron.cron_job j WHERE j.is_enabled AND j.next_run_at IS NOT NULL AND NOT j.needs_plan
UNION ALL
SELECT r.run_after, j.name, j.id, r.cause, r.scheduled_for, r.id, r.requested_by, j.queue, j.handler, false
  FROM pgcron.cron_request r JOIN pgcron.cron_job j ON j.id = r.job_id WHERE r.state = 'PENDING';

-- What became of every occurrence from the job's horizon on: a run, a miss, or it still waits. Where one row ends the next begins.
CREATE VIEW pgcron.ledger WITH (security_invoker = true) AS
SELECT j.name AS job, j.id AS job_id, e.covers_from, e.covers_to, e.kind, e.first_scheduled_for, e.last_scheduled_for, e.count, e.reason, e.run_id, e.status
  FROM pgcron.cron_job j CROSS JOIN LATERAL (
    SELECT l.covers_from, l.covers_to, 'run' AS kind, l.scheduled_for AS first_scheduled_for, l.scheduled_for AS last_scheduled_for, 1::bigint AS count,
           l.reason, l.id AS run_id, l.status FROM pgcron.cron_log l WHERE l.job_id = j.id AND l.covers_to IS NOT NULL
    UNION ALL
    SELECT m.covers_from, m.covers_to, 'miss', m.first_scheduled_for, m.last_scheduled_for, m.count, m.reason, NULL, NULL
      FROM pgcron.cron_miss m WHERE m.job_id = j.id
    UNION ALL
    SELECT r.covers_from, r.covers_to, 'waiting', r.scheduled_for, r.scheduled_for, 1, NULL, NULL, NULL
      FROM pgcron.cron_request r WHERE r.job_id = j.id AND r.state = 'PENDING' AND r.covers_to IS NOT NULL) e
 WHERE e.covers_to > j.ledger_from;

CREATE VIEW pgcron.misses WITH (security_invoker = true) AS
SELECT m.id AS miss_id, j.name AS job, m.job_id, m.reason, m.count, m.is_lower_bound, m.first_scheduled_for, m.last_scheduled_for,
  m.covers_from, m.covers_to, m.created_at, m.updated_at
FROM pgcron.cron_miss m JOIN pgcron.cron_job j ON j.id = m.job_id;

CREATE VIEW pgcron.statistics WITH (security_invoker = true) AS
SELECT j.name AS job, j.id AS job_id, p.period, (s.figures).*
FROM pgcron.cron_job j CROSS JOIN (VALUES ('24h', interval '24 hours'), ('7d', interval '7 days'), ('30d', interval '30 days')) p (period, length)
  CROSS JOIN LATERAL (SELECT pgcron.job_statistics(j.id, p.length) AS figures OFFSET 0) s;
