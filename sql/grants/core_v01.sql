-- Least privilege: the worker writes runs and plans, the reader looks. Definitions come through functions or the owner.
REVOKE ALL ON SCHEMA pgcron FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgcron FROM PUBLIC;

GRANT USAGE ON SCHEMA pgcron TO pgcron_worker, pgcron_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA pgcron TO pgcron_worker;
GRANT INSERT, UPDATE ON pgcron.cron_log, pgcron.cron_request, pgcron.cron_miss, pgcron.cron_worker, pgcron.cron_lease,
  pgcron.cron_outbox TO pgcron_worker;
GRANT DELETE ON pgcron.cron_lease TO pgcron_worker;
GRANT UPDATE ON pgcron.cron_job, pgcron.cron_reaper, pgcron.cron_retry_budget TO pgcron_worker;
GRANT INSERT ON pgcron.cron_generation TO pgcron_worker;
GRANT INSERT, UPDATE ON pgcron.cron_alone, pgcron.cron_handler TO pgcron_worker;
GRANT UPDATE (spent_until) ON pgcron.cron_limit TO pgcron_worker;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgcron TO pgcron_worker;

GRANT SELECT ON pgcron.cron_job, pgcron.cron_request, pgcron.cron_miss, pgcron.cron_worker, pgcron.cron_lease,
  pgcron.cron_audit, pgcron.cron_outbox, pgcron.cron_generation, pgcron.cron_reaper,
  pgcron.cron_retry_budget, pgcron.cron_meta, pgcron.cron_blackout, pgcron.cron_limit, pgcron.cron_alone, pgcron.cron_backfill, pgcron.cron_handler TO pgcron_reader;
-- Everything of a run but its stack trace.
GRANT SELECT (id, job_id, seq, status, reason, is_strike, is_exclusive, cause, scheduled_for, covers_from, covers_to, attempt, worker_id,
  request_id, requested_by, started_at, completed_at, duration, error, metadata, result, progress, cancel_requested_at,
  cancel_requested_by, cancel_reason, cancel_is_forced, skip_reason, args, handler, job_version, schedule) ON pgcron.cron_log TO pgcron_reader;
GRANT EXECUTE ON FUNCTION pgcron.check_invariants(), pgcron.job_definition(pgcron.cron_job), pgcron.job_id(text) TO pgcron_reader;
