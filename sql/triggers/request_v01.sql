-- Whoever inserts a request locks its job first: so "disabled implies no pending request" holds for psql too,
-- and a claim that holds the job sees every request it may take.
CREATE FUNCTION pgcron.cron_request_admit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  job record;
BEGIN
  SELECT name, is_enabled, running_count, overlap_policy, next_request_at INTO job
    FROM pgcron.cron_job WHERE id = NEW.job_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Cron job with ID % not found', NEW.job_id USING ERRCODE = 'PC007';
  ELSIF NEW.state <> 'PENDING' THEN
    RETURN NEW;
  ELSIF NOT job.is_enabled THEN
    RAISE EXCEPTION 'Cannot execute disabled job %', quote_literal(job.name)
      USING ERRCODE = 'PC004', HINT = 'enable it first';
  ELSIF NEW.cause = 'manual' AND job.overlap_policy = 'skip' AND job.running_count > 0 THEN
    RAISE EXCEPTION 'Cron job % is already running', quote_literal(job.name)
      USING ERRCODE = 'PC005', HINT = 'wait until the run ends, or cancel it';
  ELSIF NEW.cause = 'manual' AND EXISTS (
      SELECT FROM pgcron.cron_request r WHERE r.job_id = NEW.job_id AND r.state = 'PENDING' AND r.cause = 'manual') THEN
    RAISE EXCEPTION 'Cron job % is already asked to run', quote_literal(job.name)
      USING ERRCODE = 'PC006', HINT = 'the pending request will be claimed as soon as a worker is free';
  END IF;
  UPDATE pgcron.cron_job SET next_request_at = NEW.run_after
   WHERE id = NEW.job_id AND (next_request_at IS NULL OR next_request_at > NEW.run_after);
  RETURN NEW;
END $$;
CREATE TRIGGER cron_request_admit BEFORE INSERT ON pgcron.cron_request
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_request_admit();

CREATE FUNCTION pgcron.cron_request_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('pgcron.silent', true), '') <> 'on' THEN
    PERFORM pg_notify('pgcron', NEW.job_id::text);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_request_notify AFTER INSERT ON pgcron.cron_request
  FOR EACH ROW WHEN (NEW.cause IN ('manual', 'backfill')) EXECUTE FUNCTION pgcron.cron_request_notify();
