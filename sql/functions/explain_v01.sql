-- Why a job does not run now, or will at its next time: the claim's own conditions, one after the other, each with its evidence.

-- In growing steps: mostly the window holds none or one, and each occurrence that is asked for costs 50 microseconds.
CREATE FUNCTION pgcron.latest_run(p_schedule text, p_timezone text, p_name text, p_after timestamptz, p_until timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  asked integer := 2;
  runs timestamptz[];
  latest timestamptz;
BEGIN
  FOR step IN 1..12 LOOP
    runs := array(SELECT r FROM pgcron.next_runs(p_schedule, p_timezone, coalesce(latest, p_after), asked, NULL, p_name) r ORDER BY r);
    latest := coalesce((SELECT max(r) FROM unnest(runs) r WHERE r <= p_until), latest);
    EXIT WHEN cardinality(runs) < asked OR runs[asked] > p_until;
    asked := LEAST(asked * 4, 200);
  END LOOP;
  RETURN latest;
END $$;
COMMENT ON FUNCTION pgcron.latest_run(text, text, text, timestamptz, timestamptz) IS
  'The latest time that a schedule names after one instant and up to another, looked for among the first 1,900 of them; NULL for none.';

CREATE FUNCTION pgcron.blackout_until(b pgcron.cron_blackout, p_at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  length interval := b.duration_ms * interval '1 ms';
  begins timestamptz;
  ends timestamptz;
BEGIN
  IF b.schedule IS NULL THEN
    RETURN CASE WHEN b.starts_at <= p_at AND p_at < b.ends_at THEN b.ends_at END;
  END IF;
  begins := pgcron.latest_run(b.schedule, b.timezone, b.name, p_at - length, p_at);
  ends := CASE WHEN p_at < begins + length THEN begins + length END;
  IF ends IS NULL THEN
    RETURN NULL;
  END IF;
  FOR i IN 1..100 LOOP  -- windows that run into one another are one
    begins := pgcron.latest_run(b.schedule, b.timezone, b.name, begins, ends);
    EXIT WHEN begins IS NULL;
    ends := begins + length;
  END LOOP;
  RETURN ends;
END $$;
COMMENT ON FUNCTION pgcron.blackout_until(pgcron.cron_blackout, timestamptz) IS
  'The end of the blackout window that holds an instant; NULL outside of its windows.';

CREATE FUNCTION pgcron.limit_use(m pgcron.cron_limit, OUT running bigint, OUT tokens bigint, OUT is_full boolean) LANGUAGE sql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT u.running, u.tokens, coalesce(u.running >= m.max_running, false) OR coalesce(u.tokens < 1, false) FROM (
    SELECT (SELECT count(*) FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE l.status = 'RUNNING' AND
             CASE m.kind WHEN 'queue' THEN j.queue = m.name WHEN 'handler' THEN j.handler = m.name ELSE m.name = ANY (j.tags) END) AS running,
           CASE WHEN m.per_minute IS NOT NULL THEN
             floor(LEAST(m.burst, extract(epoch FROM clock_timestamp() - m.spent_until) * m.per_minute / 60.0))::bigint END AS tokens) u
$$;
COMMENT ON FUNCTION pgcron.limit_use(pgcron.cron_limit) IS
  'How much of a limit is used: runs that go on, starts that are left in the bucket of per_minute, and whether nothing is left.';

-- When a reading of the schedule that comes next is skipped by the clocks, what happens instead is told, not found out at night.
CREATE FUNCTION pgcron.skipped_reading(job pgcron.cron_job, p_after timestamptz) RETURNS timestamp LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
  t pgcron.timetable := pgcron.schedule_parse(job.schedule, job.name);
  wall timestamp;
BEGIN
  IF t.kind <> 'cron' THEN
    RETURN NULL;
  END IF;
  PERFORM pgcron.schedule_use_zone(job.timezone);
  wall := pgcron.schedule_next_wall(t, date_trunc('second', pgcron.schedule_wall_at(p_after AT TIME ZONE 'UTC')) + interval '1 second');
  RETURN CASE WHEN pgcron.schedule_wall_at(pgcron.schedule_instant_of(wall)) <> wall THEN wall END;
END $$;
COMMENT ON FUNCTION pgcron.skipped_reading(pgcron.cron_job, timestamptz) IS
  'The next wall-clock time of a job''s schedule after an instant, when the clocks skip it; else NULL.';

CREATE FUNCTION pgcron.explain(p_name text) RETURNS TABLE (step integer, topic text, verdict text, message text, evidence jsonb)
LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  job pgcron.cron_job;
  now_ timestamptz := clock_timestamp();
  is_due boolean;
  found_row record;
  ends timestamptz;
  wall timestamp;
  n integer := 0;
  utc CONSTANT text := 'YYYY-MM-DD HH24:MI:SS "UTC"';
BEGIN
  SELECT * INTO job FROM pgcron.cron_job j WHERE j.id = pgcron.job_id(p_name);
  is_due := coalesce(LEAST(job.next_run_at, job.next_request_at) <= now_, false) OR job.requests_waiting;

  -- enabled, readable, planned
  IF job.schedule_error IS NOT NULL THEN
    RETURN QUERY SELECT 1, 'schedule', 'blocks', 'its schedule can''t be read: ' || job.schedule_error, jsonb_build_object('schedule', job.schedule, 'error', job.schedule_error);
  END IF;
  IF NOT job.is_enabled THEN
    RETURN QUERY SELECT 2, 'enabled', 'blocks', 'it is disabled' || coalesce(' by ' || job.disabled_by, '') || coalesce(' since ' || to_char(job.disabled_at AT TIME ZONE 'UTC', utc), '')
      || coalesce(': ' || job.disabled_reason, '') || coalesce('; it will be enabled at ' || to_char(job.disabled_until AT TIME ZONE 'UTC', utc), ''),
      jsonb_build_object('disabled_by', job.disabled_by, 'disabled_at', job.disabled_at, 'disabled_reason', job.disabled_reason,
        'disabled_until', job.disabled_until, 'consecutive_failures', job.consecutive_failures);
  ELSE
    RETURN QUERY SELECT 2, 'enabled', 'ok', 'it is enabled', '{}'::jsonb;
  END IF;
  SELECT m.paused_at, m.paused_by, m.paused_reason INTO found_row FROM pgcron.cron_meta m;
  RETURN QUERY SELECT 3, 'fleet', CASE WHEN found_row.paused_at IS NULL THEN 'ok' ELSE 'blocks' END,
    CASE WHEN found_row.paused_at IS NULL THEN 'the fleet is not paused' ELSE
      'the fleet is paused' || coalesce(' by ' || found_row.paused_by, '') || ' since ' || to_char(found_row.paused_at AT TIME ZONE 'UTC', utc)
      || coalesce(': ' || found_row.paused_reason, '') END,
    jsonb_strip_nulls(jsonb_build_object('paused_at', found_row.paused_at, 'paused_by', found_row.paused_by, 'paused_reason', found_row.paused_reason));
  IF job.needs_plan AND job.is_enabled THEN
    RETURN QUERY SELECT 4, 'plan', 'blocks', 'a worker has to plan it first: its definition changed at ' || to_char(job.replan_at AT TIME ZONE 'UTC', utc),
      jsonb_build_object('replan_at', job.replan_at, 'replan_reason', job.replan_reason);
  ELSIF job.is_enabled AND job.next_run_at IS NULL AND job.next_request_at IS NULL AND NOT job.requests_waiting THEN
    RETURN QUERY SELECT 4, 'plan', 'blocks', CASE
        WHEN job.scheduled_runs >= job.max_runs THEN format('its schedule has started %s of %s runs: it is over', job.scheduled_runs, job.max_runs)
        WHEN job.end_at <= now_ THEN 'its period ended at ' || to_char(job.end_at AT TIME ZONE 'UTC', utc)
        WHEN lower(btrim(job.schedule, E' \t')) = '@reboot' THEN 'it runs once when the fleet starts, and did'
        ELSE 'its schedule has no further occurrence' END,
      jsonb_build_object('schedule', job.schedule, 'end_at', job.end_at, 'max_runs', job.max_runs, 'scheduled_runs', job.scheduled_runs);
  END IF;

  -- a run of its own that goes on
  SELECT l.id, l.seq, l.started_at, l.worker_id, w.host, w.pid, e.lease_until INTO found_row FROM pgcron.cron_log l
    LEFT JOIN pgcron.cron_worker w ON w.id = l.worker_id LEFT JOIN pgcron.cron_lease e ON e.worker_id = l.worker_id
   WHERE job.running_count > 0 AND (l.job_id = job.id) IS TRUE AND l.status = 'RUNNING' ORDER BY l.seq LIMIT 1;
  IF FOUND THEN
    RETURN QUERY SELECT 5, 'running', CASE WHEN job.running_count >= job.max_running THEN 'blocks' ELSE 'note' END,
      format('run %s goes on since %s on worker %s (%s, pid %s)%s; overlap policy: %s', found_row.seq, to_char(found_row.started_at AT TIME ZONE 'UTC', utc),
        found_row.worker_id, found_row.host, found_row.pid, CASE WHEN found_row.lease_until < now_ THEN ', whose lease has lapsed: it is about to be reaped' ELSE '' END,
        job.overlap_policy),
      jsonb_build_object('run_id', found_row.id, 'seq', found_row.seq, 'started_at', found_row.started_at, 'worker_id', found_row.worker_id,
        'host', found_row.host, 'pid', found_row.pid, 'lease_until', found_row.lease_until, 'running_count', job.running_count, 'max_running', job.max_running);
  END IF;

  -- a worker that serves it
  SELECT count(*) AS live, count(*) FILTER (WHERE s.serves_queue) AS serving, count(*) FILTER (WHERE s.serves_queue AND s.has_handler) AS able,
         count(*) FILTER (WHERE s.serves_queue AND s.has_handler AND s.is_new_enough) AS fit,
         count(*) FILTER (WHERE s.serves_queue AND s.has_handler AND s.is_new_enough AND s.running < s.concurrency) AS free
    INTO found_row FROM (
      SELECT w.queues IS NULL OR job.queue = ANY (w.queues) AS serves_queue, w.handlers @> jsonb_build_array(jsonb_build_object('name', job.handler)) AS has_handler,
             job.min_version IS NULL OR coalesce(pgcron.release_numbers(w.release) >= pgcron.release_numbers(job.min_version), false) AS is_new_enough,
             w.concurrency, (SELECT count(*) FROM pgcron.cron_log l WHERE l.worker_id = w.id AND l.status = 'RUNNING') AS running
        FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id WHERE w.state = 'LIVE' AND e.lease_until > now_) s;
  RETURN QUERY SELECT 6, 'worker', CASE WHEN found_row.fit > 0 THEN 'ok' ELSE 'blocks' END, CASE
      WHEN found_row.live = 0 THEN 'no worker is alive'
      WHEN found_row.serving = 0 THEN format('no live worker serves queue %s', job.queue)
      WHEN found_row.able = 0 THEN format('no live worker has handler %s', job.handler)
      WHEN found_row.fit = 0 THEN format('no live worker has release %s or a newer one (min_version)', job.min_version)
      ELSE format('%s of %s live workers can run it', found_row.fit, found_row.live) END,
    jsonb_build_object('live', found_row.live, 'serving_queue', found_row.serving, 'with_handler', found_row.able, 'new_enough', found_row.fit);
  IF found_row.fit > 0 AND found_row.free = 0 THEN
    RETURN QUERY SELECT 7, 'slots', 'blocks', format('all slots of the %s workers that can run it are taken', found_row.fit), jsonb_build_object('workers', found_row.fit);
  END IF;

  -- rules of the fleet
  FOR found_row IN SELECT b.name, b.action, b.reason, pgcron.blackout_until(b, now_) AS now_until,
      CASE WHEN job.next_scheduled_for > now_ THEN pgcron.blackout_until(b, job.next_run_at) END AS next_until
      FROM pgcron.cron_blackout b WHERE b.job_id = job.id OR b.job_id IS NULL AND (b.tag IS NULL OR b.tag = ANY (job.tags)) ORDER BY b.name LOOP
    IF found_row.now_until IS NOT NULL OR found_row.next_until IS NOT NULL THEN
      RETURN QUERY SELECT 8, 'blackout', CASE WHEN found_row.now_until IS NOT NULL OR found_row.action = 'skip' THEN 'blocks' ELSE 'note' END,
        format(CASE WHEN found_row.now_until IS NOT NULL THEN 'blackout %s is on until %s%s: what is due is %s'
                    ELSE 'its next occurrence falls into blackout %s, which ends at %s%s: it will be %s' END,
          found_row.name, to_char(coalesce(found_row.now_until, found_row.next_until) AT TIME ZONE 'UTC', utc), coalesce(' (' || found_row.reason || ')', ''),
          CASE found_row.action WHEN 'skip' THEN 'missed' ELSE 'delayed' END),
        jsonb_build_object('blackout', found_row.name, 'action', found_row.action, 'until', coalesce(found_row.now_until, found_row.next_until), 'reason', found_row.reason);
    END IF;
  END LOOP;
  FOR found_row IN SELECT m.kind, m.name, m.max_running, m.per_minute, u.* FROM pgcron.cron_limit m CROSS JOIN LATERAL pgcron.limit_use(m) u
      WHERE CASE m.kind WHEN 'queue' THEN job.queue = m.name WHEN 'handler' THEN job.handler = m.name ELSE m.name = ANY (job.tags) END ORDER BY m.kind, m.name LOOP
    RETURN QUERY SELECT 9, 'limit', CASE WHEN found_row.is_full THEN 'blocks' ELSE 'ok' END,
      format('limit of %s %s: ', found_row.kind, found_row.name) || concat_ws(', ', CASE WHEN found_row.max_running IS NOT NULL THEN format('%s of %s run', found_row.running, found_row.max_running) END,
        CASE WHEN found_row.per_minute IS NOT NULL THEN format('%s starts left of %s a minute', found_row.tokens, found_row.per_minute) END),
      jsonb_build_object('kind', found_row.kind, 'name', found_row.name, 'running', found_row.running, 'max_running', found_row.max_running,
        'tokens', found_row.tokens, 'per_minute', found_row.per_minute);
  END LOOP;
  SELECT j.name, j.running_count INTO found_row FROM pgcron.cron_job j WHERE j.id = pgcron.alone_gate() AND j.id <> job.id;
  IF FOUND THEN
    RETURN QUERY SELECT 10, 'alone', 'blocks', format('job %s %s', quote_literal(found_row.name), CASE WHEN found_row.running_count > 0 THEN 'runs alone' ELSE 'waits to run alone' END),
      jsonb_build_object('job', found_row.name);
  END IF;
  IF job.runs_alone AND job.running_count = 0 THEN
    SELECT count(*) AS running INTO found_row FROM pgcron.cron_log l WHERE l.status = 'RUNNING';
    IF found_row.running > 0 THEN
      RETURN QUERY SELECT 10, 'alone', CASE WHEN is_due THEN 'blocks' ELSE 'note' END, format('it runs alone, and %s others run', found_row.running), jsonb_build_object('running', found_row.running);
    END IF;
  END IF;

  -- its time
  SELECT r.id, r.cause, r.attempt, r.run_after, r.requested_by INTO found_row FROM pgcron.cron_request r
   WHERE r.job_id = job.id AND r.state = 'PENDING' ORDER BY r.run_after, r.id LIMIT 1;
  IF FOUND THEN
    RETURN QUERY SELECT 11, 'request', CASE WHEN found_row.run_after > now_ AND (job.next_run_at IS NULL OR job.next_run_at > found_row.run_after) THEN 'blocks' ELSE 'note' END,
      CASE found_row.cause WHEN 'retry' THEN format('attempt %s waits for %s', found_row.attempt, to_char(found_row.run_after AT TIME ZONE 'UTC', utc))
        ELSE format('a %s request of %s waits%s', found_row.cause, found_row.requested_by,
          CASE WHEN found_row.run_after > now_ THEN ' for ' || to_char(found_row.run_after AT TIME ZONE 'UTC', utc) ELSE '' END) END,
      jsonb_build_object('request_id', found_row.id, 'cause', found_row.cause, 'attempt', found_row.attempt, 'run_after', found_row.run_after);
  END IF;
  IF job.skip_until >= job.next_scheduled_for THEN
    RETURN QUERY SELECT 12, 'skip', 'blocks', 'its next occurrence, at ' || to_char(job.next_scheduled_for AT TIME ZONE 'UTC', utc) || ', is skipped on request',
      jsonb_build_object('skip_until', job.skip_until);
  END IF;
  IF job.is_enabled AND NOT job.needs_plan AND job.schedule_error IS NULL THEN
    wall := pgcron.skipped_reading(job, now_);
    IF wall IS NOT NULL THEN
      RETURN QUERY SELECT 13, 'clocks', 'note', format('%s does not exist in %s, the clocks skip it: the run is %s', to_char(wall, 'YYYY-MM-DD HH24:MI:SS'), job.timezone,
          CASE WHEN job.next_scheduled_for = ANY (SELECT * FROM pgcron.next_runs(job.schedule, job.timezone, now_, 1, job.anchor_at, job.name, 'run_after', job.dst_fold))
            THEN 'at ' || to_char(job.next_scheduled_for AT TIME ZONE 'UTC', utc) ELSE 'left out' END),
        jsonb_build_object('reading', wall, 'timezone', job.timezone, 'dst_gap', job.dst_gap);
    END IF;
  END IF;
  SELECT m.reason, m.count, m.last_scheduled_for INTO found_row FROM pgcron.cron_miss m WHERE m.job_id = job.id ORDER BY m.covers_to DESC LIMIT 1;
  IF FOUND THEN
    RETURN QUERY SELECT 14, 'missed', 'note', format('last missed: %s, up to %s (%s)', found_row.count, to_char(found_row.last_scheduled_for AT TIME ZONE 'UTC', utc), found_row.reason),
      jsonb_build_object('reason', found_row.reason, 'count', found_row.count, 'last_scheduled_for', found_row.last_scheduled_for);
  END IF;
  RETURN QUERY SELECT 15, 'time', CASE WHEN job.next_run_at IS NULL THEN 'note' ELSE 'ok' END, CASE
      WHEN job.next_run_at IS NULL THEN 'no next run is planned'
      WHEN job.next_run_at <= now_ THEN 'it is due since ' || to_char(job.next_run_at AT TIME ZONE 'UTC', utc)
      ELSE 'its next run is at ' || to_char(job.next_run_at AT TIME ZONE 'UTC', utc)
        || CASE WHEN job.next_run_at > job.next_scheduled_for THEN format(', %s s after its time', extract(epoch FROM job.next_run_at - job.next_scheduled_for)::integer) ELSE '' END END,
    jsonb_build_object('next_run_at', job.next_run_at, 'next_scheduled_for', job.next_scheduled_for);
END $$;
COMMENT ON FUNCTION pgcron.explain(text) IS
  'Why a job does not run: the claim''s conditions in their order, each ok, a note, or what blocks it, in words and with evidence. The first that blocks is the answer; none: it runs at its time.';
