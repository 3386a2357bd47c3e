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

CREATE FUNCTION pgcron.enable(p_name text) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  UPDATE pgcron.cron_job SET is_enabled = true WHERE id = pgcron.job_id(p_name);
$$;
COMMENT ON FUNCTION pgcron.enable(text) IS
  'Enables a job: its strikes are forgotten, its next run is planned after now, the disabled time becomes misses.';

CREATE FUNCTION pgcron.disable(p_name text, p_reason text DEFAULT NULL) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  UPDATE pgcron.cron_job SET is_enabled = false, disabled_reason = p_reason, disabled_by = pgcron.actor()
   WHERE id = pgcron.job_id(p_name) AND is_enabled;
$$;
COMMENT ON FUNCTION pgcron.disable(text, text) IS 'Disables a job and cancels its pending requests; a run that goes on is not touched.';

CREATE FUNCTION pgcron.run_now(p_name text, p_args jsonb DEFAULT NULL, p_idempotency_key text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job uuid := pgcron.job_id(p_name);
  request uuid;
BEGIN
  PERFORM 1 FROM pgcron.cron_job WHERE id = job FOR NO KEY UPDATE;
  SELECT id INTO request FROM pgcron.cron_request WHERE job_id = job AND idempotency_key = p_idempotency_key;
  IF request IS NULL THEN
    INSERT INTO pgcron.cron_request (job_id, cause, requested_by, args, idempotency_key)
    VALUES (job, 'manual', pgcron.actor(), p_args, p_idempotency_key) RETURNING id INTO request;
  END IF;
  RETURN request;
END $$;
COMMENT ON FUNCTION pgcron.run_now(text, jsonb, text) IS
  'Asks for a run at once and returns the request''s id; refused while the job is disabled, running or already asked to run.';

-- Registration, the one door through which code changes jobs, locked ones too: hence SECURITY DEFINER. The caller has
-- merged declarations with what admins edited (pgcron_py.domain.declaration) under the application's advisory lock.
CREATE FUNCTION pgcron.declare_jobs(p_app text, p_release text, p_jobs json) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  d record;
  changed integer := 0;
BEGIN
  FOR d IN
    SELECT * FROM json_to_recordset(p_jobs) AS x (name text, description text, schedule text, timezone text, handler text, args jsonb,
      is_locked boolean, owner text, tags text[], queue text, priority smallint, is_exclusive boolean, overlap_policy text,
      max_running integer, catchup_policy text, starting_deadline_ms bigint, timeout_ms bigint, max_attempts integer,
      backoff_ms bigint, backoff_max_ms bigint, is_idempotent boolean, jitter_ms bigint, dst_gap text, dst_fold text,
      max_consecutive_failures integer, notify_on_failure boolean, declaration jsonb)
    ORDER BY x.name
  LOOP
    UPDATE pgcron.cron_job SET
      description = d.description, schedule = d.schedule, timezone = d.timezone, handler = d.handler, args = d.args,
      is_locked = d.is_locked, owner = d.owner, tags = d.tags, queue = d.queue, priority = d.priority,
      is_exclusive = d.is_exclusive, overlap_policy = d.overlap_policy, max_running = d.max_running,
      catchup_policy = d.catchup_policy, starting_deadline_ms = d.starting_deadline_ms, timeout_ms = d.timeout_ms,
      max_attempts = d.max_attempts, backoff_ms = d.backoff_ms, backoff_max_ms = d.backoff_max_ms,
      is_idempotent = d.is_idempotent, jitter_ms = d.jitter_ms, dst_gap = d.dst_gap, dst_fold = d.dst_fold,
      max_consecutive_failures = d.max_consecutive_failures, notify_on_failure = d.notify_on_failure,
      release = p_release, declaration = d.declaration, declared_schedule = d.declaration ->> 'schedule', undeclared_at = NULL
    WHERE name = d.name AND origin = 'code' AND app = p_app;
    IF NOT FOUND THEN
      INSERT INTO pgcron.cron_job (name, description, schedule, timezone, handler, args, is_locked, owner, tags, queue, priority,
        is_exclusive, overlap_policy, max_running, catchup_policy, starting_deadline_ms, timeout_ms, max_attempts, backoff_ms,
        backoff_max_ms, is_idempotent, jitter_ms, dst_gap, dst_fold, max_consecutive_failures, notify_on_failure,
        origin, app, release, declaration, declared_schedule)
      VALUES (d.name, d.description, d.schedule, d.timezone, d.handler, d.args, d.is_locked, d.owner, d.tags, d.queue, d.priority,
        d.is_exclusive, d.overlap_policy, d.max_running, d.catchup_policy, d.starting_deadline_ms, d.timeout_ms, d.max_attempts, d.backoff_ms,
        d.backoff_max_ms, d.is_idempotent, d.jitter_ms, d.dst_gap, d.dst_fold, d.max_consecutive_failures, d.notify_on_failure,
        'code', p_app, p_release, d.declaration, d.declaration ->> 'schedule');
    END IF;
    changed := changed + 1;
  END LOOP;
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
