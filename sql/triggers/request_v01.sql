-- Whoever inserts a request locks its job first: so "disabled implies no pending request" holds for psql too,
-- and a claim that holds the job sees every request it may take.
CREATE FUNCTION pgcron.cron_request_admit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  job record;
  policy text;
  run uuid;
BEGIN
  SELECT name, handler, is_enabled, is_exclusive, running_count, overlap_policy INTO job
    FROM pgcron.cron_job WHERE id = NEW.job_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Cron job with ID % not found', NEW.job_id USING ERRCODE = 'PC007';
  ELSIF NEW.state <> 'PENDING' THEN
    RETURN NEW;
  ELSIF NOT job.is_enabled THEN
    RAISE EXCEPTION 'Cannot execute disabled job %', quote_literal(job.name)
      USING ERRCODE = 'PC004', HINT = 'enable it first';
  END IF;
  IF NEW.cause = 'manual' AND NEW.args IS NOT NULL THEN
    PERFORM pgcron.check_args(job.handler, NEW.args);
  END IF;
  policy := coalesce(NEW.overlap_policy, job.overlap_policy);
  IF policy = 'allow_all' AND job.is_exclusive THEN
    RAISE EXCEPTION 'Cron job % is exclusive: two runs of it at a time are refused', quote_literal(job.name)
      USING ERRCODE = 'PC014', DETAIL = 'field: overlap', HINT = 'choose buffer_one, cancel_other or terminate_other';
  ELSIF NEW.cause = 'manual' AND policy = 'skip' AND job.running_count > 0 THEN
    RAISE EXCEPTION 'Cron job % is already running', quote_literal(job.name)
      USING ERRCODE = 'PC005', HINT = 'wait until the run ends, or cancel it';
  ELSIF NEW.cause = 'manual' AND EXISTS (
      SELECT FROM pgcron.cron_request r WHERE r.job_id = NEW.job_id AND r.state = 'PENDING' AND r.cause = 'manual') THEN
    RAISE EXCEPTION 'Cron job % is already asked to run', quote_literal(job.name)
      USING ERRCODE = 'PC006', HINT = 'the pending request will be claimed as soon as a worker is free';
  END IF;
  IF NEW.cause = 'manual' AND policy IN ('cancel_other', 'terminate_other') THEN
    FOR run IN SELECT l.id FROM pgcron.cron_log l WHERE l.job_id = NEW.job_id AND l.status = 'RUNNING' ORDER BY l.id LOOP
      PERFORM pgcron.cancel_run(run, 'run now: ' || policy, policy = 'terminate_other');
    END LOOP;
  END IF;
  UPDATE pgcron.cron_job SET next_request_at = NEW.run_after
   WHERE id = NEW.job_id AND (next_request_at IS NULL OR next_request_at > NEW.run_after);
  RETURN NEW;
END $$;
CREATE TRIGGER cron_request_admit BEFORE INSERT ON pgcron.cron_request
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_request_admit();

-- An occurrence that waited and will not run is a miss: the ledger has no holes.
CREATE FUNCTION pgcron.cron_request_missed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count)
  VALUES (NEW.job_id, CASE NEW.state WHEN 'EXPIRED' THEN 'request_expired' ELSE 'request_cancelled' END,
          NEW.covers_from, NEW.covers_to, NEW.scheduled_for, NEW.scheduled_for, 1);
  RETURN NULL;
END $$;
CREATE TRIGGER cron_request_missed AFTER UPDATE OF state ON pgcron.cron_request
  FOR EACH ROW WHEN (OLD.state = 'PENDING' AND NEW.state IN ('CANCELLED', 'EXPIRED') AND NEW.covers_to IS NOT NULL)
  EXECUTE FUNCTION pgcron.cron_request_missed();

CREATE FUNCTION pgcron.cron_request_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('pgcron.silent', true), '') <> 'on' THEN
    PERFORM pg_notify('pgcron', NEW.job_id::text);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_request_notify AFTER INSERT ON pgcron.cron_request
  FOR EACH ROW WHEN (NEW.cause IN ('manual', 'backfill')) EXECUTE FUNCTION pgcron.cron_request_notify();
