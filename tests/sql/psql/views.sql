-- What a DBA sees, view by view; tests/sql/test_psql.py made the jobs and their past.
\pset null -
\echo == How do my jobs stand?
SELECT job, state, blocked_by, last_status, last_reason, round(success_rate::numeric, 2) AS rate FROM pgcron.job_status ORDER BY job;
\echo == What runs, and where?
SELECT run, cause, running_ms >= 0 AS has_time, timeout_ms, host, lease_until > clock_timestamp() AS is_safe FROM pgcron.running;
\echo == What failed last?
SELECT run, reason, error, duration_ms, is_strike FROM pgcron.runs WHERE status = 'FAILED' ORDER BY run_id DESC LIMIT 3;
\echo == A page of one job
SELECT seq, status, cause, attempt, duration_ms FROM pgcron.runs WHERE job_id = pgcron.job_id('nightly') ORDER BY seq DESC LIMIT 50;
\echo == What comes next?
SELECT job, cause, requested_by, starts_at < clock_timestamp() + interval '5 years' AS is_near, is_skipped FROM pgcron.upcoming ORDER BY job, cause;
\echo == What became of each occurrence?
SELECT job, kind, count, coalesce(reason, '') AS reason, status, covers_from = lag(covers_to) OVER (PARTITION BY job ORDER BY covers_to) AS follows
  FROM pgcron.ledger WHERE job = 'nightly' ORDER BY covers_to;
\echo == Which were missed, and why?
SELECT job, reason, count, is_lower_bound FROM pgcron.misses ORDER BY job;
\echo == Which requests are there?
SELECT job, cause, state, requested_by, cancel_reason FROM pgcron.requests ORDER BY job, created_at;
\echo == Who works?
SELECT state, is_alive, host, pid, handlers, concurrency, running_count FROM pgcron.workers;
\echo == How well did it do?
SELECT period, run_count, success_count, round(success_rate::numeric, 2) AS rate, uptime < 1 AS was_down, duration_average_ms, duration_p50_ms, duration_p95_ms,
       duration_max_ms, success_streak, failure_streak, longest_failure_streak FROM pgcron.statistics WHERE job = 'nightly';
\echo == Who changed what?
SELECT action, job, new_values ->> 'is_enabled' AS is_enabled, actor, reason FROM pgcron.audit WHERE action <> 'job_created' ORDER BY at;
\echo == Who waits for whom?
SELECT relation, job, waiting_application, blocking_application, blocking_state, waiting_ms >= 0 AS has_time FROM pgcron.locks;
