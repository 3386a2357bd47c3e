-- The occurrences of a job with everything that names them: several timetables, a period, excluded minutes. The twin of
-- pgcron_py/timetable/compound.py.

CREATE FUNCTION pgcron.schedule_excluded_until(excluded text[], name text, instant timestamp) RETURNS timestamp
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  reading timestamp := pgcron.schedule_wall_at(instant);
  wall timestamp := date_trunc('minute', reading);
  ends timestamp;
  t pgcron.timetable;
  text_ text;
  last_pass timestamp;
BEGIN
  FOREACH text_ IN ARRAY excluded LOOP
    t := pgcron.schedule_parse(text_, name);
    IF pgcron.schedule_next_wall(t, wall) = wall THEN
      ends := GREATEST(ends, CASE WHEN t.hours = repeat('1', 24)::bit varying
        THEN date_trunc('day', wall) + interval '1 day' ELSE date_trunc('hour', wall) + interval '1 hour' END);
    END IF;
  END LOOP;
  last_pass := pgcron.schedule_instant_of(ends);
  RETURN GREATEST(coalesce(pgcron.schedule_first_pass(ends, last_pass), last_pass),
    CASE WHEN ends IS NOT NULL THEN instant - (reading - wall) + interval '1 minute' END);
END $$;
COMMENT ON FUNCTION pgcron.schedule_excluded_until(text[], text, timestamp) IS
  'Up to when, at least, the session''s zone excludes everything from an instant (UTC) on; NULL when it is not excluded.';

CREATE FUNCTION pgcron.job_next_runs(p_job pgcron.cron_job, p_after timestamptz DEFAULT clock_timestamp(), p_n integer DEFAULT 5)
RETURNS SETOF timestamptz LANGUAGE plpgsql STABLE ROWS 5 COST 10000
SET search_path = pgcron, pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
  after timestamptz := GREATEST(p_after, date_trunc('second', p_job.start_at - interval '1 microsecond'));
  found_at timestamptz;
  first_found timestamptz;
  ends timestamp;
  hops integer := 0;
  count integer := 0;
BEGIN
  PERFORM pgcron.schedule_use_zone(p_job.timezone);
  -- One schedule is read once, not for each of its occurrences.
  WHILE count < least(p_n, 100000) AND p_job.extra_schedules = '{}' AND p_job.excluded_schedules = '{}' LOOP
    first_found := after;
    FOR found_at IN SELECT r FROM pgcron.next_runs(p_job.schedule, p_job.timezone, after, least(p_n - count, 10000), p_job.anchor_at,
        p_job.name, p_job.dst_gap, p_job.dst_fold) r LOOP
      IF found_at > p_job.end_at THEN
        RETURN;
      END IF;
      RETURN NEXT found_at;
      count := count + 1;
      after := found_at;
    END LOOP;
    IF after = first_found THEN
      RETURN;
    END IF;
  END LOOP;
  WHILE count < least(p_n, 100000) LOOP
    SELECT min(r) INTO found_at FROM unnest(p_job.schedule || p_job.extra_schedules) AS s (text_),
      pgcron.next_runs(s.text_, p_job.timezone, after, 1, p_job.anchor_at, p_job.name, p_job.dst_gap, p_job.dst_fold) r;
    EXIT WHEN found_at IS NULL OR found_at > p_job.end_at;
    first_found := coalesce(first_found, found_at);
    ends := pgcron.schedule_excluded_until(p_job.excluded_schedules, p_job.name, found_at AT TIME ZONE 'UTC');
    IF ends IS NULL THEN
      RETURN NEXT found_at;
      count := count + 1;
      hops := 0;
      first_found := NULL;
      after := found_at;
    ELSE
      EXIT WHEN hops > 500 AND ends AT TIME ZONE 'UTC' > first_found + interval '400 days';  -- excluded for ever
      hops := hops + 1;
      after := ends AT TIME ZONE 'UTC' - interval '1 second';
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.job_next_runs(pgcron.cron_job, timestamptz, integer) IS
  'The first p_n (at most 100,000) occurrences of a job strictly after p_after, by all its schedules, exclusions and its period (not by max_runs, blackouts or jitter). Raises PC002 for a schedule, PC013 for the zone.';
