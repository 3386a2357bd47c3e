-- What claims ask of the rules, and how people set them.

CREATE FUNCTION pgcron.release_numbers(p_release text) RETURNS integer[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog AS $$
  SELECT string_to_array(regexp_replace(substring(btrim(p_release) FROM '^[vV]?([0-9]{1,9}(?:\.[0-9]{1,9})*)'), '(\.0+)+$', ''), '.')::integer[]
$$;
COMMENT ON FUNCTION pgcron.release_numbers(text) IS 'The leading dotted numbers of a release, to compare by: v1.10.0-rc1 is {1,10}; NULL for a text without.';

-- The job that holds all others back: it runs alone now, or it is due and waits for that.
CREATE FUNCTION pgcron.alone_gate() RETURNS uuid LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT coalesce(
    (SELECT j.id FROM pgcron.cron_job j WHERE j.runs_alone AND j.running_count > 0 LIMIT 1),
    (SELECT a.job_id FROM pgcron.cron_alone a JOIN pgcron.cron_job j ON j.id = a.job_id JOIN pgcron.cron_lease e ON e.worker_id = a.worker_id
      WHERE j.runs_alone AND j.run_seq = a.run_seq AND j.is_enabled AND NOT j.needs_plan AND j.claim_at <= (SELECT clock_timestamp())
        AND e.lease_until > (SELECT clock_timestamp())))
$$;
COMMENT ON FUNCTION pgcron.alone_gate() IS 'The job that keeps all others from starting, because it runs alone or waits to; NULL when there is none.';

CREATE FUNCTION pgcron.has_rules() RETURNS boolean LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pgcron.cron_blackout) OR EXISTS (SELECT FROM pgcron.cron_limit)
    OR EXISTS (SELECT FROM pgcron.cron_job j WHERE j.runs_alone AND (j.is_enabled OR j.running_count > 0))
$$;
COMMENT ON FUNCTION pgcron.has_rules() IS 'Whether there is a blackout, a limit or a job that runs alone; without them a claim asks for none.';

CREATE FUNCTION pgcron.close_gate(p_job uuid, p_worker uuid) RETURNS boolean LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO pgcron.cron_alone AS a (job_id, worker_id, run_seq)
  SELECT j.id, p_worker, j.run_seq FROM pgcron.cron_job j WHERE j.id = p_job AND j.runs_alone
  ON CONFLICT (id) DO UPDATE SET job_id = excluded.job_id, worker_id = excluded.worker_id, run_seq = excluded.run_seq, closed_at = clock_timestamp()
    WHERE pgcron.alone_gate() IS NULL;
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION pgcron.close_gate(uuid, uuid) IS
  'A worker says that a due job waits to run alone; false while another one does.';

CREATE FUNCTION pgcron.set_blackout(p_name text, p_starts_at timestamptz DEFAULT NULL, p_ends_at timestamptz DEFAULT NULL,
  p_schedule text DEFAULT NULL, p_duration interval DEFAULT NULL, p_timezone text DEFAULT 'UTC', p_job text DEFAULT NULL,
  p_tag text DEFAULT NULL, p_action text DEFAULT 'skip', p_reason text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  found_id uuid;
BEGIN
  INSERT INTO pgcron.cron_blackout AS b (name, starts_at, ends_at, schedule, duration_ms, timezone, job_id, tag, action, reason, created_by)
  VALUES (p_name, p_starts_at, p_ends_at, p_schedule, extract(epoch FROM p_duration) * 1000, p_timezone,
          CASE WHEN p_job IS NOT NULL THEN pgcron.job_id(p_job) END, p_tag, p_action, p_reason, left(pgcron.actor(), 200))
  ON CONFLICT (name) DO UPDATE SET (starts_at, ends_at, schedule, duration_ms, timezone, job_id, tag, action, reason, created_by) =
    (excluded.starts_at, excluded.ends_at, excluded.schedule, excluded.duration_ms, excluded.timezone, excluded.job_id, excluded.tag,
     excluded.action, excluded.reason, excluded.created_by)
  RETURNING id INTO found_id;
  RETURN found_id;
END $$;
COMMENT ON FUNCTION pgcron.set_blackout(text, timestamptz, timestamptz, text, interval, text, text, text, text, text) IS
  'Makes or changes a blackout window: once (p_starts_at, p_ends_at) or whenever p_schedule fires, for p_duration; for a job, a tag or all; skip or delay. Returns its id.';

CREATE FUNCTION pgcron.remove_blackout(p_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM pgcron.cron_blackout WHERE name = p_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no blackout is named %', quote_literal(p_name) USING ERRCODE = 'PC012', HINT = 'SELECT name FROM pgcron.cron_blackout lists them';
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.remove_blackout(text) IS 'Removes a blackout window; jobs that it delayed start at the time that was set.';

CREATE FUNCTION pgcron.set_limit(p_kind text, p_name text, p_max_running integer DEFAULT NULL, p_per_minute integer DEFAULT NULL,
  p_burst integer DEFAULT 1) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO pgcron.cron_limit AS l (kind, name, max_running, per_minute, burst, created_by)
  VALUES (p_kind, p_name, p_max_running, p_per_minute, p_burst, left(pgcron.actor(), 200))
  ON CONFLICT (kind, name) DO UPDATE SET (max_running, per_minute, burst, created_by) =
    (excluded.max_running, excluded.per_minute, excluded.burst, excluded.created_by);
END $$;
COMMENT ON FUNCTION pgcron.set_limit(text, text, integer, integer, integer) IS
  'Limits a queue, tag or handler in the whole fleet: so many runs at a time, or so many starts in a minute, with a burst of so many at once.';

CREATE FUNCTION pgcron.remove_limit(p_kind text, p_name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM pgcron.cron_limit WHERE kind = p_kind AND name = p_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION '% % has no limit', p_kind, quote_literal(p_name) USING ERRCODE = 'PC012', HINT = 'SELECT kind, name FROM pgcron.cron_limit lists them';
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.remove_limit(text, text) IS 'Removes a limit.';
