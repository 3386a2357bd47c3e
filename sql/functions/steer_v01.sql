-- What people do to jobs, each one function for psql, the CLI and the web.

CREATE FUNCTION pgcron.job_id(p_name text) RETURNS uuid LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  found_id uuid;
BEGIN
  SELECT id INTO found_id FROM pgcron.cron_job WHERE name = p_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no job is named %', quote_literal(p_name) USING ERRCODE = 'PC007', HINT = 'SELECT name FROM pgcron.cron_job lists them';
  END IF;
  RETURN found_id;
END $$;
COMMENT ON FUNCTION pgcron.job_id(text) IS 'The id of the job with this name; raises job_not_found (PC007).';

-- Locking needs the right to write: callers that look before they decide get it for this only.
CREATE FUNCTION pgcron.lock_jobs(p_names text[]) RETURNS SETOF pgcron.cron_job LANGUAGE sql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT * FROM pgcron.cron_job WHERE name = ANY (p_names) ORDER BY id FOR NO KEY UPDATE
$$;
COMMENT ON FUNCTION pgcron.lock_jobs(text[]) IS 'The jobs of these names, locked until the transaction ends, in the order of everybody who locks several: by id.';

CREATE FUNCTION pgcron.enable(p_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  most CONSTANT integer := 100;
  job pgcron.cron_job;
  held integer;
BEGIN
  SELECT * INTO job FROM pgcron.cron_job WHERE id = pgcron.job_id(p_name) FOR NO KEY UPDATE;
  UPDATE pgcron.cron_job SET is_enabled = true WHERE id = job.id;
  IF NOT job.is_enabled AND job.schedule_error IS NULL AND job.disabled_at IS NOT NULL THEN
    BEGIN
      SELECT count(*) INTO held FROM pgcron.job_next_runs(job, job.disabled_at, most + 1) r WHERE r <= clock_timestamp();
    EXCEPTION WHEN SQLSTATE 'PC013' THEN
      held := 0;  -- this server doesn't know its zone; a worker may
    END;
    IF held > 0 THEN
      RAISE NOTICE '% missed % occurrences while it was disabled', p_name, CASE WHEN held > most THEN most || ' or more' ELSE held::text END
        USING HINT = format('SELECT pgcron.backfill(%L, %L, %L) runs them', p_name, job.disabled_at, clock_timestamp());
    END IF;
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.enable(text) IS
  'Enables a job: its strikes are forgotten, its next run is planned after now, the disabled time becomes misses; a notice says how many.';

-- A job that is disabled already only gets another reason and another end.
CREATE FUNCTION pgcron.disable(p_name text, p_reason text DEFAULT NULL, p_until timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF p_until <= clock_timestamp() THEN
    RAISE EXCEPTION 'until is %, which has passed', p_until
      USING ERRCODE = 'PC014', DETAIL = 'field: until', HINT = 'give a time to come, or none to disable the job until somebody enables it';
  END IF;
  UPDATE pgcron.cron_job SET is_enabled = false, disabled_reason = coalesce(p_reason, CASE WHEN is_enabled THEN NULL ELSE disabled_reason END),
      disabled_by = pgcron.actor(), disabled_until = p_until
   WHERE id = pgcron.job_id(p_name) AND (is_enabled OR p_until IS DISTINCT FROM disabled_until);
END $$;
COMMENT ON FUNCTION pgcron.disable(text, text, timestamptz) IS
  'Disables a job, until a time if one is given, and cancels its pending requests; a run that goes on is not touched.';

CREATE FUNCTION pgcron.skip_next(p_name text) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job record;
BEGIN
  SELECT * INTO job FROM pgcron.cron_job WHERE id = pgcron.job_id(p_name) FOR NO KEY UPDATE;
  IF NOT job.is_enabled THEN
    RAISE EXCEPTION 'job % is disabled: it has no next run', quote_literal(p_name) USING ERRCODE = 'PC004', HINT = 'enable it first';
  ELSIF job.needs_plan OR job.next_scheduled_for IS NULL THEN
    RAISE EXCEPTION 'job % has no next run to skip', quote_literal(p_name) USING ERRCODE = 'PC014',
      HINT = CASE WHEN job.needs_plan THEN 'a worker has to plan it first: try again in a moment' ELSE 'its schedule has no further occurrence' END;
  END IF;
  UPDATE pgcron.cron_job SET skip_until = job.next_scheduled_for WHERE id = job.id;
  RETURN job.next_scheduled_for;
END $$;
COMMENT ON FUNCTION pgcron.skip_next(text) IS 'Turns the next occurrence of a job into a miss (skipped_by_user) when its time comes; returns its instant.';

CREATE FUNCTION pgcron.pause_all(p_reason text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pgcron.cron_meta SET paused_at = clock_timestamp(), paused_by = left(pgcron.actor(), 200), paused_reason = left(p_reason, 1000)
   WHERE paused_at IS NULL;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION pgcron.pause_all(text) IS
  'The kill switch: no worker claims anything until resume_all(); runs that go on are not touched. False when it was pulled before.';

CREATE FUNCTION pgcron.resume_all() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pgcron.cron_meta SET paused_at = NULL, paused_by = NULL, paused_reason = NULL WHERE paused_at IS NOT NULL;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION pgcron.resume_all() IS
  'Lets workers claim again; what was due meanwhile follows each job''s catch-up policy. False when nothing was paused.';

CREATE FUNCTION pgcron.run_now(p_name text, p_args jsonb DEFAULT NULL, p_idempotency_key text DEFAULT NULL,
  p_overlap text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job uuid := pgcron.job_id(p_name);
  request uuid;
BEGIN
  IF p_idempotency_key IS NOT NULL THEN
    PERFORM 1 FROM pgcron.cron_job WHERE id = job FOR NO KEY UPDATE;
    SELECT id INTO request FROM pgcron.cron_request WHERE job_id = job AND idempotency_key = p_idempotency_key;
  END IF;
  IF request IS NULL THEN
    INSERT INTO pgcron.cron_request (job_id, cause, requested_by, args, idempotency_key, overlap_policy)
    VALUES (job, 'manual', pgcron.actor(), p_args, p_idempotency_key, p_overlap) RETURNING id INTO request;
  END IF;
  RETURN request;
END $$;
COMMENT ON FUNCTION pgcron.run_now(text, jsonb, text, text) IS
  'Asks for a run at once and returns the request''s id; refused while the job is disabled or already asked to run. While it runs its overlap policy decides, or the one given here.';

-- Cancelling says so on the run and wakes its worker, which ends it; whoever asked first, and why, stays on record.
-- p_force: without asking its handler first, where it has a process of its own; also after it was asked in vain.
CREATE FUNCTION pgcron.cancel_run(p_run uuid, p_reason text DEFAULT NULL, p_force boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  known record;
BEGIN
  UPDATE pgcron.cron_log SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
      cancel_requested_by = coalesce(cancel_requested_by, left(pgcron.actor(), 200)),
      cancel_reason = coalesce(cancel_reason, left(p_reason, 1000)), cancel_is_forced = p_force
   WHERE id = p_run AND status = 'RUNNING' AND (cancel_requested_at IS NULL OR p_force AND NOT cancel_is_forced)
   RETURNING worker_id INTO known;
  IF FOUND THEN
    PERFORM pg_notify('pgcron', 'worker ' || known.worker_id);
    RETURN true;
  END IF;
  SELECT status, reason INTO known FROM pgcron.cron_log WHERE id = p_run;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no run is %', p_run USING ERRCODE = 'PC012', HINT = 'old runs may be gone';
  ELSIF known.status <> 'RUNNING' THEN
    RAISE EXCEPTION 'run % has ended: % %', p_run, known.status, coalesce(known.reason, '')
      USING ERRCODE = 'PC011', HINT = 'only a run that goes on can be cancelled';
  END IF;
  RETURN false;
END $$;
COMMENT ON FUNCTION pgcron.cancel_run(uuid, text, boolean) IS
  'Asks the worker of a run to end it; true unless somebody asked before. The run ends as FAILED (cancelled), which is no strike.';

CREATE FUNCTION pgcron.retry_run(p_run uuid, p_reason text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  run record;
  request uuid;
BEGIN
  SELECT job_id, status, args, scheduled_for, attempt INTO run FROM pgcron.cron_log WHERE id = p_run;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no run is %', p_run USING ERRCODE = 'PC012', HINT = 'old runs may be gone';
  ELSIF run.status = 'RUNNING' THEN
    RAISE EXCEPTION 'run % goes on: it can''t be tried again yet', p_run USING ERRCODE = 'PC005', HINT = 'wait until it ends, or cancel it';
  END IF;
  INSERT INTO pgcron.cron_request (job_id, cause, requested_by, args, scheduled_for, attempt)
  VALUES (run.job_id, 'retry', left(pgcron.actor(), 200), run.args, run.scheduled_for, run.attempt + 1) RETURNING id INTO request;
  PERFORM pg_notify('pgcron', run.job_id::text);
  RETURN request;
END $$;
COMMENT ON FUNCTION pgcron.retry_run(uuid, text) IS
  'Asks for another attempt of a run that ended, with its arguments and for its occurrence; returns the request''s id.';

CREATE FUNCTION pgcron.cancel_request(p_request uuid, p_reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job uuid;
  known record;
BEGIN
  SELECT job_id INTO job FROM pgcron.cron_request WHERE id = p_request;
  PERFORM 1 FROM pgcron.cron_job WHERE id = job FOR NO KEY UPDATE;
  UPDATE pgcron.cron_request SET state = 'CANCELLED', ended_at = clock_timestamp(), cancelled_by = left(pgcron.actor(), 200),
      cancel_reason = left(p_reason, 1000)
   WHERE id = p_request AND state = 'PENDING';
  IF FOUND THEN
    PERFORM pgcron.show_requests(job);
    RETURN;
  END IF;
  SELECT state, run_id INTO known FROM pgcron.cron_request WHERE id = p_request;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no request is %', p_request USING ERRCODE = 'PC012';
  END IF;
  RAISE EXCEPTION 'request % waits no more: %', p_request, known.state
    USING ERRCODE = 'PC011', HINT = CASE WHEN known.run_id IS NOT NULL THEN 'cancel its run: ' || known.run_id ELSE 'nothing is left to cancel' END;
END $$;
COMMENT ON FUNCTION pgcron.cancel_request(uuid, text) IS 'Cancels a request that waits, at once.';

CREATE FUNCTION pgcron.show_requests(p_job uuid) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  UPDATE pgcron.cron_job j SET next_request_at = CASE WHEN j.requests_waiting AND j.running_count > 0 THEN NULL ELSE
      (SELECT min(r.run_after) FROM pgcron.cron_request r WHERE r.job_id = j.id AND r.state = 'PENDING') END
   WHERE j.id = p_job;
$$;
COMMENT ON FUNCTION pgcron.show_requests(uuid) IS 'Says on a job, which the caller has locked, when its earliest pending request may start.';

CREATE FUNCTION pgcron.cancel_job(p_name text, p_reason text DEFAULT NULL, OUT runs integer, OUT requests integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job uuid := pgcron.job_id(p_name);
  known uuid;
BEGIN
  runs := 0;
  requests := 0;
  PERFORM 1 FROM pgcron.cron_job WHERE id = job FOR NO KEY UPDATE;
  FOR known IN SELECT r.id FROM pgcron.cron_request r WHERE r.job_id = job AND r.state = 'PENDING' ORDER BY r.id LOOP
    PERFORM pgcron.cancel_request(known, p_reason);
    requests := requests + 1;
  END LOOP;
  FOR known IN SELECT l.id FROM pgcron.cron_log l WHERE l.job_id = job AND l.status = 'RUNNING' ORDER BY l.id LOOP
    runs := runs + pgcron.cancel_run(known, p_reason)::integer;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.cancel_job(text, text) IS 'Cancels what waits and what goes on of a job; the job stays enabled.';

CREATE FUNCTION pgcron.drain_worker(p_worker uuid, p_reason text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  known text;
BEGIN
  UPDATE pgcron.cron_worker SET state = 'DRAINING', drain_requested_at = clock_timestamp(),
      drain_requested_by = left(pgcron.actor(), 200), drain_reason = left(p_reason, 1000)
   WHERE id = p_worker AND state = 'LIVE';
  IF FOUND THEN
    PERFORM pg_notify('pgcron', 'worker ' || p_worker);
    RETURN true;
  END IF;
  SELECT state INTO known FROM pgcron.cron_worker WHERE id = p_worker;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no worker is %', p_worker USING ERRCODE = 'PC012', HINT = 'SELECT id, host, pid FROM pgcron.cron_worker lists them';
  ELSIF known <> 'DRAINING' THEN
    RAISE EXCEPTION 'worker % is %: there is nothing to drain', p_worker, known USING ERRCODE = 'PC011';
  END IF;
  RETURN false;
END $$;
COMMENT ON FUNCTION pgcron.drain_worker(uuid, text) IS
  'Asks a worker to claim nothing more, to let its runs end, and to leave; true unless it drains already.';

-- Registration, the one door through which code changes jobs, locked ones too: hence SECURITY DEFINER. The caller has
-- merged declarations with what admins edited (pgcron_py.domain.declaration) under the application's advisory lock.
CREATE FUNCTION pgcron.declare_jobs(p_app text, p_release text, p_jobs json) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  declared text := array_to_string(pgcron.definition_columns(), ', ') || ', is_locked, declaration';
  job json;
  changed integer := 0;
  known integer;
BEGIN
  PERFORM set_config('pgcron.declaring', 'on', true);  -- the code has checked its arguments against the code
  FOR job IN SELECT e FROM json_array_elements(p_jobs) e ORDER BY e ->> 'name' LOOP
    EXECUTE format('UPDATE pgcron.cron_job j SET (%1$s, release, declared_schedule, undeclared_at) =
        (SELECT %1$s, $2, $3 -> ''declaration'' ->> ''schedule'', NULL::timestamptz FROM json_populate_record(NULL::pgcron.cron_job, $3))
        WHERE j.name = $3 ->> ''name'' AND j.origin = ''code'' AND j.app = $1', declared) USING p_app, p_release, job;
    GET DIAGNOSTICS known = ROW_COUNT;
    IF known = 0 THEN
      EXECUTE format('INSERT INTO pgcron.cron_job (%1$s, name, origin, app, release, declared_schedule)
        SELECT %1$s, name, ''code'', $1, $2, $3 -> ''declaration'' ->> ''schedule'' FROM json_populate_record(NULL::pgcron.cron_job, $3)',
        declared) USING p_app, p_release, job;
    END IF;
    changed := changed + 1;
  END LOOP;
  PERFORM set_config('pgcron.declaring', '', true);
  RETURN changed;
END $$;
COMMENT ON FUNCTION pgcron.declare_jobs(text, text, json) IS 'Writes the declarations of one application''s release; used by registration.';

CREATE FUNCTION pgcron.undeclare_jobs(p_app text, p_release text, p_names text[]) RETURNS text[] LANGUAGE sql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
  WITH marked AS (
    UPDATE pgcron.cron_job SET undeclared_at = clock_timestamp()
     WHERE app = p_app AND origin = 'code' AND undeclared_at IS NULL AND name = ANY (p_names) RETURNING name)
  SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM marked
$$;
COMMENT ON FUNCTION pgcron.undeclare_jobs(text, text, text[]) IS 'Marks jobs whose declaration left the code; they are kept.';
