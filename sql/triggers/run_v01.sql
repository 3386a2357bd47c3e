-- What keeps a run's record honest, whoever holds the pen.

CREATE FUNCTION pgcron.cron_log_terminal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'run % has ended (%): an ended run never changes', OLD.id, OLD.status
    USING ERRCODE = 'PC010', HINT = 'a retry is a new run with a row of its own';
END $$;
CREATE TRIGGER cron_log_terminal BEFORE UPDATE ON pgcron.cron_log
  FOR EACH ROW WHEN (OLD.status <> 'RUNNING') EXECUTE FUNCTION pgcron.cron_log_terminal();

-- A deleted run leaves its tallies behind, so counters stay exact after retention and after a DELETE in psql alike.
CREATE FUNCTION pgcron.cron_log_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pgcron.cron_job j SET
    archived_success = archived_success + gone.successes,
    archived_failure = archived_failure + gone.failures,
    archived_duration_sum_ms = archived_duration_sum_ms + gone.duration_ms,
    running_count = running_count - gone.running,
    ledger_from = GREATEST(ledger_from, gone.covered)
  FROM (SELECT job_id, count(*) FILTER (WHERE status = 'SUCCESS') AS successes,
               count(*) FILTER (WHERE status = 'FAILED') AS failures,
               count(*) FILTER (WHERE status = 'RUNNING') AS running,
               coalesce(sum(duration) FILTER (WHERE status = 'SUCCESS'), 0) AS duration_ms,
               max(covers_to) AS covered
          FROM deleted GROUP BY job_id) gone
  WHERE j.id = gone.job_id;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_log_archive AFTER DELETE ON pgcron.cron_log REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT EXECUTE FUNCTION pgcron.cron_log_archive();

CREATE FUNCTION pgcron.cron_miss_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pgcron.cron_job j SET ledger_from = GREATEST(ledger_from, gone.covered)
  FROM (SELECT job_id, max(covers_to) AS covered FROM deleted GROUP BY job_id) gone
  WHERE j.id = gone.job_id;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_miss_archive AFTER DELETE ON pgcron.cron_miss REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT EXECUTE FUNCTION pgcron.cron_miss_archive();

CREATE FUNCTION pgcron.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP USING ERRCODE = 'PC010';
END $$;
CREATE TRIGGER cron_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pgcron.cron_audit
  FOR EACH STATEMENT EXECUTE FUNCTION pgcron.append_only();
