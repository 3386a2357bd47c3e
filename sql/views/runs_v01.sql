CREATE VIEW pgcron.runs WITH (security_invoker = true) AS
SELECT l.id AS run_id, j.name || '#' || l.seq AS run, j.name AS job, l.job_id, l.seq, l.status, l.reason, l.is_strike, l.cause, l.attempt, l.scheduled_for,
  l.started_at, l.completed_at, l.duration AS duration_ms, pgcron.lag_ms(l.cause, l.scheduled_for, l.started_at) AS lag_ms,
  l.error, l.result, l.metadata, l.progress, l.skip_reason, l.args, l.handler, l.worker_id, l.request_id, l.requested_by,
  l.cancel_requested_at, l.cancel_requested_by, l.cancel_reason, l.job_version, l.schedule, j.timezone
FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id;

CREATE VIEW pgcron.running WITH (security_invoker = true) AS
SELECT l.id AS run_id, j.name || '#' || l.seq AS run, j.name AS job, l.job_id, l.seq, l.cause, l.attempt, l.scheduled_for, l.started_at,
  (EXTRACT(epoch FROM clock_timestamp() - l.started_at) * 1000)::bigint AS running_ms, j.timeout_ms, l.progress,
  l.worker_id, w.host, w.pid, e.lease_until, l.backend_pid, l.cancel_requested_at, l.cancel_requested_by
FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id
  LEFT JOIN pgcron.cron_worker w ON w.id = l.worker_id LEFT JOIN pgcron.cron_lease e ON e.worker_id = l.worker_id
WHERE l.status = 'RUNNING';

CREATE VIEW pgcron.requests WITH (security_invoker = true) AS
SELECT r.id AS request_id, j.name AS job, r.job_id, r.cause, r.state, r.run_after, r.requested_by, r.scheduled_for, r.attempt, r.args,
  r.overlap_policy, r.idempotency_key, r.run_id, r.cancelled_by, r.cancel_reason, r.created_at, r.ended_at
FROM pgcron.cron_request r JOIN pgcron.cron_job j ON j.id = r.job_id;

CREATE VIEW pgcron.workers WITH (security_invoker = true) AS
SELECT w.id AS worker_id, w.state, w.state IN ('LIVE', 'DRAINING') AND coalesce(e.lease_until > clock_timestamp(), false) AS is_alive, w.host, w.pid,
  w.app, w.release, w.version, w.queues, ARRAY(SELECT h ->> 'name' FROM jsonb_array_elements(w.handlers) h ORDER BY 1) AS handlers, w.concurrency,
  (SELECT count(*) FROM pgcron.cron_log l WHERE l.worker_id = w.id AND l.status = 'RUNNING') AS running_count,
  w.started_at, e.beat_at, e.lease_until, w.drain_requested_at, w.drain_requested_by, w.drain_reason, w.ended_at
FROM pgcron.cron_worker w LEFT JOIN pgcron.cron_lease e ON e.worker_id = w.id;

CREATE VIEW pgcron.audit WITH (security_invoker = true) AS
SELECT a.id AS audit_id, a.at, a.action, a.job_name AS job, a.job_id, a.job_version, a.old_values, a.new_values, a.actor, a.reason, a.request_id,
  a.db_role, a.application, a.client_address, a.transaction_id
FROM pgcron.cron_audit a;

-- The first who waits for a row holds its tuple lock, and so names it; those behind wait for that one.
CREATE VIEW pgcron.locks WITH (security_invoker = true) AS
SELECT a.pid AS waiting_pid, a.usename AS waiting_role, a.application_name AS waiting_application,
  (EXTRACT(epoch FROM clock_timestamp() - w.waits_from) * 1000)::bigint AS waiting_ms, w.relation, row_of.job, w.mode,
  b.pid AS blocking_pid, b.usename AS blocking_role, b.application_name AS blocking_application, b.state AS blocking_state,
  (EXTRACT(epoch FROM clock_timestamp() - b.xact_start) * 1000)::bigint AS blocking_transaction_ms, a.query AS waiting_query, b.query AS blocking_query
FROM (SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE NOT granted) waits JOIN pg_catalog.pg_stat_activity a ON a.pid = waits.pid
  CROSS JOIN LATERAL (
    SELECT c.relname::text AS relation, k.relation AS oid, k.page, k.tuple, waited.mode, coalesce(waited.waitstart, a.query_start) AS waits_from
      FROM pg_catalog.pg_locks waited
      LEFT JOIN pg_catalog.pg_locks k ON k.pid = a.pid AND (k.locktype = 'tuple' OR k.locktype = 'relation' AND NOT k.granted)
      LEFT JOIN pg_catalog.pg_class c ON c.oid = k.relation
     WHERE waited.pid = a.pid AND NOT waited.granted ORDER BY k.locktype = 'tuple' DESC LIMIT 1) w
  CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(a.pid)) AS blocker (pid)
  JOIN pg_catalog.pg_stat_activity b ON b.pid = blocker.pid
  LEFT JOIN LATERAL (
    SELECT j.name AS job FROM pgcron.cron_job j
     WHERE w.oid = 'pgcron.cron_job'::regclass AND j.ctid = format('(%s,%s)', w.page, w.tuple)::tid) row_of ON true
WHERE a.datname = current_database() AND EXISTS (
  SELECT FROM pg_catalog.pg_locks o JOIN pg_catalog.pg_class c ON c.oid = o.relation
   WHERE o.pid = a.pid AND c.relnamespace = 'pgcron'::regnamespace);
