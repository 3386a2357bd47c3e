-- Jobs as a DBA writes them: one function each for making, changing and deleting, with what is wrong told by field.

-- A policy of overlap says by itself whether the job is exclusive.
CREATE FUNCTION pgcron.checked_changes(p_changes jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  stranger text;
BEGIN
  IF jsonb_typeof(p_changes) <> 'object' THEN
    RAISE EXCEPTION 'the changes are no JSON object' USING ERRCODE = 'PC014', DETAIL = 'field: changes', HINT = 'give something like {"schedule": "@daily", "tags": ["shop"]}';
  END IF;
  SELECT k INTO stranger FROM jsonb_object_keys(p_changes) k WHERE k <> ALL (pgcron.definition_columns()) LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'a job has no field %', quote_literal(stranger) USING ERRCODE = 'PC014', DETAIL = 'field: ' || stranger,
      HINT = 'its fields are ' || array_to_string(pgcron.definition_columns(), ', ');
  END IF;
  IF p_changes ? 'overlap_policy' THEN
    p_changes := jsonb_build_object('is_exclusive', p_changes ->> 'overlap_policy' <> 'allow_all')
      || CASE WHEN p_changes ->> 'overlap_policy' <> 'allow_all' THEN '{"max_running": 1}'::jsonb ELSE '{}' END || p_changes;
  END IF;
  RETURN p_changes;
END $$;
COMMENT ON FUNCTION pgcron.checked_changes(jsonb) IS 'Changes of a definition with what follows from them; raises invalid_arguments (PC014) for a field that jobs don''t have.';

CREATE FUNCTION pgcron.refuse_stale(p_job pgcron.cron_job, p_version integer) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  change pgcron.cron_audit;
BEGIN
  SELECT * INTO change FROM pgcron.cron_audit a WHERE a.job_id = p_job.id ORDER BY a.job_version DESC LIMIT 1;
  RAISE EXCEPTION 'job % was changed by % at %: it has version %, not %', quote_literal(p_job.name), coalesce(change.actor, 'somebody'),
      to_char(change.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC'), p_job.version, p_version
    USING ERRCODE = 'PC016', DETAIL = 'field: version', HINT = 'read it again, then decide what to change';
END $$;
COMMENT ON FUNCTION pgcron.refuse_stale(pgcron.cron_job, integer) IS 'Raises stale_version (PC016) with who changed a job meanwhile, and when.';

CREATE FUNCTION pgcron.alter_job(p_name text, p_changes jsonb, p_version integer DEFAULT NULL) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  changes jsonb := pgcron.checked_changes(p_changes);
  columns text;
  job pgcron.cron_job;
  version_ integer;
BEGIN
  SELECT string_agg(quote_ident(k), ', ') INTO columns FROM jsonb_object_keys(changes) k;
  SELECT * INTO job FROM pgcron.cron_job WHERE id = pgcron.job_id(p_name) FOR NO KEY UPDATE;
  IF job.version <> p_version THEN
    PERFORM pgcron.refuse_stale(job, p_version);
  ELSIF columns IS NULL THEN
    RETURN job.version;
  END IF;
  PERFORM pgcron.check_lock(job, jsonb_populate_record(job, changes), pgcron.caller());
  EXECUTE format('UPDATE pgcron.cron_job j SET (%1$s) = (SELECT %1$s FROM jsonb_populate_record($1, $2)) WHERE j.id = $3 RETURNING j.version', columns)
    INTO version_ USING job, changes, job.id;
  RETURN version_;
EXCEPTION WHEN invalid_text_representation OR datetime_field_overflow OR invalid_datetime_format OR numeric_value_out_of_range THEN
  RAISE EXCEPTION '%', SQLERRM USING ERRCODE = 'PC014', DETAIL = 'field: changes', HINT = 'give each field a value of its type';
END $$;
COMMENT ON FUNCTION pgcron.alter_job(text, jsonb, integer) IS
  'Changes fields of a job, such as {"schedule": "0 4 * * *", "timeout_ms": 60000}; null sets a field to nothing. With a version: refused (PC016) when the job is at another. Returns the job''s version.';

CREATE FUNCTION pgcron.create_job(p_name text, p_definition jsonb, p_is_enabled boolean DEFAULT true, p_origin text DEFAULT 'sql') RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  definition jsonb := pgcron.checked_changes(p_definition);
  columns text;
  job uuid;
BEGIN
  IF NOT definition ?& '{schedule,handler}' THEN
    RAISE EXCEPTION 'a job needs a schedule and a handler' USING ERRCODE = 'PC014', DETAIL = 'field: schedule', HINT = 'give {"schedule": "@daily", "handler": "shop:report"}';
  END IF;
  SELECT string_agg(quote_ident(k), ', ') INTO columns FROM jsonb_object_keys(definition) k;
  EXECUTE format('INSERT INTO pgcron.cron_job (name, origin, is_enabled, disabled_reason, %1$s)
      SELECT $1, $3, $4, $5, %1$s FROM jsonb_populate_record(NULL::pgcron.cron_job, $2) RETURNING id', columns)
    INTO job USING p_name, definition, p_origin, p_is_enabled, CASE WHEN NOT p_is_enabled THEN nullif(current_setting('pgcron.reason', true), '') END;
  RETURN job;
EXCEPTION WHEN invalid_text_representation OR datetime_field_overflow OR invalid_datetime_format OR numeric_value_out_of_range THEN
  RAISE EXCEPTION '%', SQLERRM USING ERRCODE = 'PC014', DETAIL = 'field: definition', HINT = 'give each field a value of its type';
END $$;
COMMENT ON FUNCTION pgcron.create_job(text, jsonb, boolean, text) IS
  'Makes a job from its fields, such as {"schedule": "@daily", "handler": "shop:report", "timeout_ms": 60000}. Returns its id.';

CREATE FUNCTION pgcron.schedule(p_name text, p_schedule text, p_handler text, p_args jsonb DEFAULT '{}', p_timezone text DEFAULT 'UTC',
  p_options jsonb DEFAULT '{}') RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  definition jsonb := p_options || jsonb_build_object('schedule', p_schedule, 'handler', p_handler, 'args', p_args, 'timezone', p_timezone);
  job uuid;
BEGIN
  SELECT id INTO job FROM pgcron.cron_job WHERE name = p_name;
  IF NOT FOUND THEN
    RETURN pgcron.create_job(p_name, definition);
  END IF;
  PERFORM pgcron.alter_job(p_name, definition);
  RETURN job;
END $$;
COMMENT ON FUNCTION pgcron.schedule(text, text, text, jsonb, text, jsonb) IS
  'Makes a job, or changes the one of this name: schedule, handler, arguments, zone, and further fields as options, such as {"timeout_ms": 60000}. Returns its id.';

CREATE FUNCTION pgcron.unschedule(p_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job pgcron.cron_job;
BEGIN
  SELECT * INTO job FROM pgcron.cron_job WHERE id = pgcron.job_id(p_name) FOR UPDATE;
  PERFORM pgcron.check_lock(job, NULL, pgcron.caller());
  DELETE FROM pgcron.cron_job WHERE id = job.id;
END $$;
COMMENT ON FUNCTION pgcron.unschedule(text) IS 'Deletes a job with all its runs; refused while it runs (PC008), while code declares it (PC009) and while it is locked (PC003).';

CREATE FUNCTION pgcron.plan(p_name text, p_schedule text, p_timezone text DEFAULT NULL, p_n integer DEFAULT 10)
RETURNS TABLE (at timestamptz, by_now boolean, by_new boolean, effect text) LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job pgcron.cron_job;
  changed pgcron.cron_job;
  olds timestamptz[];
  news timestamptz[];
  horizon timestamptz;
BEGIN
  SELECT * INTO job FROM pgcron.cron_job j WHERE j.id = pgcron.job_id(p_name);
  changed := job;
  changed.schedule := p_schedule;
  changed.timezone := coalesce(p_timezone, job.timezone);
  PERFORM pgcron.check_schedules(changed);
  olds := ARRAY(SELECT r FROM pgcron.job_next_runs(job, clock_timestamp(), p_n) r);
  news := ARRAY(SELECT r FROM pgcron.job_next_runs(changed, clock_timestamp(), p_n) r);
  -- up to where both are known
  horizon := LEAST(CASE WHEN cardinality(olds) = p_n THEN olds[p_n] END, CASE WHEN cardinality(news) = p_n THEN news[p_n] END);
  RETURN QUERY SELECT i.instant, i.instant = ANY (olds), i.instant = ANY (news),
      CASE WHEN i.instant = ANY (olds) AND i.instant = ANY (news) THEN 'stays' WHEN i.instant = ANY (olds) THEN 'would not run' ELSE 'would run in addition' END
    FROM (SELECT DISTINCT u.instant FROM unnest(olds || news) AS u (instant)) i WHERE horizon IS NULL OR i.instant <= horizon ORDER BY 1;
END $$;
COMMENT ON FUNCTION pgcron.plan(text, text, text, integer) IS
  'What another schedule would change: the next occurrences by the present one and by the new one, side by side. Changes nothing.';

CREATE FUNCTION pgcron.describe(p_name text) RETURNS TABLE (field text, value text) LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT e.field, e.value FROM pgcron.cron_job j CROSS JOIN LATERAL (
    SELECT 0 AS part, 'state' AS field, pgcron.state_of(j) AS value, 0::bigint AS n
    UNION ALL SELECT 1, 'blocked by', pgcron.why_blocked(j), 0
    UNION ALL SELECT 2, d.key, CASE jsonb_typeof(d.value) WHEN 'string' THEN d.value #>> '{}' ELSE d.value::text END, row_number() OVER (ORDER BY d.key)
      FROM jsonb_each(pgcron.job_definition(j)) d WHERE d.value NOT IN ('null', '[]', '{}')
    UNION ALL SELECT 3, 'next run', to_char(r AT TIME ZONE j.timezone, 'Dy YYYY-MM-DD HH24:MI:SS'), n FROM
      (SELECT r, row_number() OVER () AS n FROM pgcron.job_next_runs(j, clock_timestamp(), 5) r) x
    UNION ALL SELECT 4, 'runs', format('%s succeeded, %s failed', j.success_count, j.failure_count), 0) e
   WHERE j.id = pgcron.job_id(p_name) AND e.value IS NOT NULL ORDER BY e.part, e.n
$$;
COMMENT ON FUNCTION pgcron.describe(text) IS 'A job in lines: its state, what blocks it, its definition, its next runs in its own zone, its counts.';

CREATE FUNCTION pgcron.purge_logs(p_days integer) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  batch record;
  last uuid := '00000000-0000-0000-0000-000000000000';
  total bigint := 0;
BEGIN
  IF p_days IS NULL OR p_days < 1 THEN
    RAISE EXCEPTION 'days is %', coalesce(p_days::text, 'NULL') USING ERRCODE = 'PC014', DETAIL = 'field: days', HINT = 'give 1 or more: older runs are deleted';
  END IF;
  LOOP
    SELECT b.deleted, b.last INTO batch FROM pgcron.purge_runs(p_days, last, 1000) b;
    total := total + batch.deleted;
    EXIT WHEN batch.last IS NULL;
    last := batch.last;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION pgcron.purge_logs(integer) IS
  'Deletes runs older than so many days now, as retention does, in one transaction; how many. Jobs that run, and those with a retention of their own, are left.';

CREATE FUNCTION pgcron.support_bundle(p_run uuid) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  run pgcron.cron_log;
  job pgcron.cron_job;
BEGIN
  SELECT * INTO run FROM pgcron.cron_log l WHERE l.id = p_run;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no run is %', p_run USING ERRCODE = 'PC012', HINT = 'old runs may be gone';
  END IF;
  SELECT * INTO job FROM pgcron.cron_job j WHERE j.id = run.job_id;
  RETURN jsonb_build_object(
    'made_at', clock_timestamp(),
    'server', version(), 'schema_version', (SELECT m.schema_version FROM pgcron.cron_meta m),
    'run', to_jsonb(run),
    'job', to_jsonb(job) - 'ping_url',
    'explanation', (SELECT jsonb_agg(to_jsonb(e) ORDER BY e.step) FROM pgcron.explain(job.name) e),
    'output', (SELECT jsonb_agg(to_jsonb(o)) FROM (SELECT * FROM pgcron.cron_log_line o WHERE o.run_id = run.id ORDER BY o.line_no DESC LIMIT 500) o),
    'runs_before', (SELECT jsonb_agg(jsonb_build_object('seq', l.seq, 'status', l.status, 'reason', l.reason, 'error', l.error, 'started_at', l.started_at,
        'duration', l.duration) ORDER BY l.seq DESC) FROM (SELECT * FROM pgcron.cron_log x WHERE x.job_id = job.id AND x.seq < run.seq ORDER BY x.seq DESC LIMIT 20) l),
    'misses', (SELECT jsonb_agg(to_jsonb(m)) FROM (SELECT * FROM pgcron.cron_miss x WHERE x.job_id = job.id ORDER BY x.covers_to DESC LIMIT 20) m),
    'changes', (SELECT jsonb_agg(to_jsonb(a) #- '{new_values,ping_url}' #- '{old_values,ping_url}') FROM (SELECT * FROM pgcron.cron_audit x WHERE x.job_id = job.id ORDER BY x.job_version DESC NULLS LAST LIMIT 20) a),
    'worker', (SELECT to_jsonb(w) FROM pgcron.cron_worker w WHERE w.id = run.worker_id),
    'workers', (SELECT jsonb_agg(jsonb_build_object('id', w.id, 'state', w.state, 'host', w.host, 'version', w.version, 'release', w.release))
                  FROM pgcron.cron_worker w WHERE w.state IN ('LIVE', 'DRAINING')),
    'broken_invariants', (SELECT jsonb_agg(to_jsonb(i)) FROM pgcron.check_invariants() i WHERE i.job = job.name));
END $$;
COMMENT ON FUNCTION pgcron.support_bundle(uuid) IS
  'Everything about a run that helps to tell what happened, as JSON: the run, its output, its job and changes, what blocks it, runs and misses before it, workers.';
