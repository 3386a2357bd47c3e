-- What no run's end tells: runs that don't come, that take too long, that have nobody to perform them. Somebody has to look; any worker
-- does, every 15 s for the whole fleet, and mostly there is nothing to see: so the beat glances first. pgcron.health asks the same of a
-- fleet that is dead.

CREATE INDEX cron_job_watched_idx ON pgcron.cron_job (id)
  WHERE late_after_ms IS NOT NULL OR slow_after_ms IS NOT NULL OR slow_factor IS NOT NULL OR must_succeed_every_ms IS NOT NULL;

-- The longest of the runs that go on, that ended since p_since, and of the last success; and what it should not exceed: slow_after, and
-- slow_factor times what 95 of the 100 successes before it took at most. Ten are too few to say what is usual, nine say nothing.
CREATE FUNCTION pgcron.slowest_run(p_job uuid, p_since timestamptz, OUT run_id uuid, OUT started_at timestamptz, OUT duration_ms bigint,
  OUT p95_ms bigint, OUT limit_ms bigint) LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job record;
  before_seq bigint;
  kept bigint;
BEGIN
  SELECT j.slow_after_ms, j.slow_factor INTO job FROM pgcron.cron_job j WHERE j.id = p_job;
  SELECT l.id, l.seq, l.started_at, l.ms INTO run_id, before_seq, started_at, duration_ms FROM (
    SELECT r.id, r.seq, r.status, r.started_at, r.completed_at, row_number() OVER (PARTITION BY r.status ORDER BY r.seq DESC) AS nth,
           coalesce(r.duration, (extract(epoch FROM coalesce(r.completed_at, clock_timestamp()) - r.started_at) * 1000)::bigint) AS ms
      FROM (SELECT * FROM pgcron.cron_log x WHERE x.job_id = p_job ORDER BY x.seq DESC LIMIT 50) r WHERE r.status <> 'FAILED') l
   WHERE l.status = 'RUNNING' OR l.completed_at > p_since OR l.nth = 1 ORDER BY l.ms DESC, l.seq DESC LIMIT 1;
  IF job.slow_factor IS NOT NULL AND run_id IS NOT NULL THEN
    SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY s.duration), count(*) INTO p95_ms, kept FROM (
      SELECT x.duration FROM pgcron.cron_log x WHERE x.job_id = p_job AND x.seq < before_seq AND x.status = 'SUCCESS' AND x.duration IS NOT NULL
       ORDER BY x.seq DESC LIMIT 100) s;
    IF kept < 10 THEN
      p95_ms := NULL;
    END IF;
  END IF;
  limit_ms := LEAST(job.slow_after_ms, ceil(job.slow_factor * p95_ms)::bigint);
END $$;
COMMENT ON FUNCTION pgcron.slowest_run(uuid, timestamptz) IS 'The longest of a job''s present and last runs, with the limit that its slow_after and slow_factor set.';

-- Routes are few however many jobs there are: a loose index scan finds them, as in look().
CREATE FUNCTION pgcron.jobs_without_worker() RETURNS TABLE (job_id uuid, job_name text, queue text, handler text)
LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  WITH RECURSIVE route AS (
    (SELECT j.queue, j.handler FROM pgcron.cron_job j WHERE j.is_enabled AND NOT j.needs_plan AND j.claim_at IS NOT NULL
      ORDER BY j.queue, j.handler LIMIT 1)
    UNION ALL
    SELECT n.queue, n.handler FROM route r CROSS JOIN LATERAL
     (SELECT j.queue, j.handler FROM pgcron.cron_job j WHERE j.is_enabled AND NOT j.needs_plan AND j.claim_at IS NOT NULL
       AND (j.queue, j.handler) > (r.queue, r.handler) ORDER BY j.queue, j.handler LIMIT 1) n
  ), served AS (
    SELECT w.queues, h.value ->> 'name' AS handler FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
     CROSS JOIN LATERAL jsonb_array_elements(w.handlers) h WHERE w.state = 'LIVE' AND e.lease_until > clock_timestamp()
  )
  SELECT j.id, j.name, j.queue, j.handler FROM route r
    JOIN pgcron.cron_job j ON j.queue = r.queue AND j.handler = r.handler AND j.is_enabled AND NOT j.needs_plan AND j.claim_at IS NOT NULL
   WHERE EXISTS (SELECT FROM served) AND NOT EXISTS (SELECT FROM served s WHERE s.handler = r.handler AND (s.queues IS NULL OR r.queue = ANY (s.queues)))
   LIMIT 500
$$;
COMMENT ON FUNCTION pgcron.jobs_without_worker() IS
  'Enabled jobs whose handler no live worker has, at most 500. None while there is no live worker at all: then the fleet is silent.';

CREATE FUNCTION pgcron.alert_conditions(p_since timestamptz DEFAULT clock_timestamp() - interval '1 min')
RETURNS TABLE (kind text, job_id uuid, job_name text, source_id uuid, detail jsonb) LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  -- a pause is somebody's decision: nothing is late then
  SELECT 'late', j.id, j.name, NULL::uuid, jsonb_build_object('due_at', j.next_run_at, 'limit_ms', j.late_after_ms)
    FROM pgcron.cron_job j
   WHERE j.late_after_ms IS NOT NULL AND j.is_enabled AND NOT j.needs_plan AND j.next_run_at < clock_timestamp() - j.late_after_ms * interval '1 ms'
     AND NOT EXISTS (SELECT FROM pgcron.cron_meta m WHERE m.paused_at IS NOT NULL)
  UNION ALL
  SELECT 'late', j.id, j.name, l.id, jsonb_build_object('due_at', l.scheduled_for, 'limit_ms', j.late_after_ms, 'run', j.name || '#' || l.seq)
    FROM pgcron.cron_job j CROSS JOIN LATERAL (
      SELECT r.id, r.seq, r.scheduled_for FROM pgcron.cron_log r WHERE r.job_id = j.id AND r.started_at > p_since AND r.cause = 'schedule'
         AND r.started_at > r.scheduled_for + (j.late_after_ms + j.jitter_ms) * interval '1 ms' ORDER BY r.started_at LIMIT 1) l
   WHERE j.late_after_ms IS NOT NULL AND j.next_run_at >= clock_timestamp() - j.late_after_ms * interval '1 ms'
  UNION ALL
  SELECT 'slow', j.id, j.name, s.run_id, jsonb_build_object('duration_ms', s.duration_ms, 'limit_ms', s.limit_ms, 'p95_ms', s.p95_ms, 'since', s.started_at)
    FROM pgcron.cron_job j CROSS JOIN LATERAL pgcron.slowest_run(j.id, p_since) s
   WHERE (j.slow_after_ms IS NOT NULL OR j.slow_factor IS NOT NULL) AND s.duration_ms > s.limit_ms
     -- only where something went on since the last look: a thousand jobs' last hundred runs each are too much to read each time
     AND (j.running_count > 0 OR j.last_completed_at > p_since OR EXISTS (
       SELECT FROM pgcron.cron_alert a WHERE a.job_id = j.id AND a.kind = 'slow' AND a.resolved_at IS NULL))
  UNION ALL
  SELECT 'unsuccessful', j.id, j.name, NULL, jsonb_build_object('last_success_at', s.at, 'limit_ms', j.must_succeed_every_ms)
    FROM pgcron.cron_job j CROSS JOIN LATERAL (SELECT coalesce(
        -- the row that strikes count from is the last success, unless somebody enabled the job since
        (SELECT l.completed_at FROM pgcron.cron_log l WHERE l.job_id = j.id AND l.seq = j.strikes_from_seq AND l.status = 'SUCCESS'),
        (SELECT l.completed_at FROM pgcron.cron_log l WHERE l.job_id = j.id AND l.status = 'SUCCESS' ORDER BY l.seq DESC LIMIT 1))) s (at)
   WHERE j.must_succeed_every_ms IS NOT NULL AND (j.is_enabled OR j.disabled_by = 'pgcron')
     AND coalesce(s.at, j.created_at) < clock_timestamp() - j.must_succeed_every_ms * interval '1 ms'
  UNION ALL
  SELECT 'no_worker', w.job_id, w.job_name, NULL, jsonb_build_object('handler', w.handler, 'queue', w.queue) FROM pgcron.jobs_without_worker() w
$$;
COMMENT ON FUNCTION pgcron.alert_conditions(timestamptz) IS
  'What is wrong with jobs right now, or was since p_since, beside failures: late, slow, unsuccessful, no_worker. Reads only; needs no worker.';

-- First what is new is opened; then, if anything is open, a second statement looks again: a success that committed while the first waited
-- for its lock must not be told as an alert. It tells what is still so, and resolves the rest.
CREATE FUNCTION pgcron.check_alerts() RETURNS boolean LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  watch record;
  now_ timestamptz;
  since timestamptz;
BEGIN
  SELECT * INTO watch FROM pgcron.cron_watch
   WHERE id = 1 AND (looked_at IS NULL OR looked_at <= clock_timestamp() - every_ms * interval '0.75 ms') FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  now_ := clock_timestamp();
  since := coalesce(watch.looked_at, now_ - interval '1 min');
  IF watch.looked_at < now_ - watch.silent_after_ms * interval '1 ms' THEN
    PERFORM pgcron.tell_silence(watch.looked_at, now_);
  END IF;

  INSERT INTO pgcron.cron_alert (kind, job_id, job_name, source_id, detail, opened_at)
  SELECT DISTINCT ON (f.job_id, f.kind) f.kind, f.job_id, f.job_name, f.source_id, f.detail, now_ FROM (
      SELECT * FROM pgcron.alert_conditions(since)
      UNION ALL
      -- a minute more than since: a miss that was written before the last look may have been committed after it
      SELECT 'missed', m.job_id, j.name, m.id, jsonb_build_object('reason', m.reason, 'misses', m.count, 'scheduled_for', m.first_scheduled_for)
        FROM pgcron.cron_miss m JOIN pgcron.cron_job j ON j.id = m.job_id
       WHERE m.id > pgcron.uuid_v7_at(since - interval '1 min') AND m.reason IN ('too_late', 'buffer_overflow', 'no_worker')
         AND NOT EXISTS (SELECT FROM pgcron.cron_alert a WHERE a.job_id = m.job_id AND a.kind = 'missed' AND (a.resolved_at > m.created_at OR a.resolved_at IS NULL))
    ) f
    -- a run that was told as slow or late is not told again
   WHERE NOT EXISTS (SELECT FROM pgcron.cron_alert a WHERE a.job_id = f.job_id AND a.kind = f.kind AND a.source_id = f.source_id)
   ORDER BY f.job_id, f.kind
  ON CONFLICT (job_id, kind) WHERE resolved_at IS NULL DO NOTHING;

  IF FOUND OR EXISTS (SELECT FROM pgcron.cron_alert a WHERE a.resolved_at IS NULL AND a.kind IN ('late', 'slow', 'unsuccessful', 'no_worker')) THEN
    WITH found AS MATERIALIZED (
      SELECT c.kind, c.job_id FROM pgcron.alert_conditions(since) c
    ), ripe AS (
      UPDATE pgcron.cron_alert a SET told_at = now_
       WHERE a.resolved_at IS NULL AND a.told_at IS NULL AND (a.kind = 'missed' OR EXISTS (SELECT FROM found f WHERE f.job_id = a.job_id AND f.kind = a.kind))
         AND (a.kind <> 'no_worker' OR a.opened_at <= now_ - watch.no_worker_after_ms * interval '1 ms')
      RETURNING a.id, a.kind AS event, a.job_id, a.job_name, CASE WHEN a.kind IN ('late', 'slow') THEN a.source_id END AS run_id,
        CASE a.kind WHEN 'no_worker' THEN jsonb_build_object('since', a.opened_at) ELSE '{}' END || a.detail AS payload
    ), over AS (
      UPDATE pgcron.cron_alert a SET resolved_at = now_
       WHERE a.resolved_at IS NULL AND a.kind IN ('late', 'slow', 'unsuccessful', 'no_worker')
         AND NOT EXISTS (SELECT FROM found f WHERE f.job_id = a.job_id AND f.kind = a.kind)
      RETURNING a.id, 'recovered' AS event, a.job_id, a.job_name, NULL::uuid AS run_id, jsonb_build_object('kind', a.kind, 'since', a.opened_at) AS payload, a.told_at
    )
    INSERT INTO pgcron.cron_outbox (event, job_id, job_name, run_id, alert_id, payload)
    SELECT t.event, t.job_id, t.job_name, t.run_id, t.id, t.payload FROM (
      SELECT * FROM ripe UNION ALL SELECT id, event, job_id, job_name, run_id, payload FROM over WHERE told_at IS NOT NULL) t
      JOIN pgcron.cron_job j ON j.id = t.job_id AND j.notify_on_failure ORDER BY t.id;
  END IF;

  UPDATE pgcron.cron_watch SET looked_at = now_ WHERE id = 1;
  RETURN true;
END $$;
COMMENT ON FUNCTION pgcron.check_alerts() IS
  'Opens, tells and resolves alerts that no run''s end tells; true if it looked, false if somebody did so just before.';

-- A dead fleet can't tell that it is dead: who comes back tells it. (pgcron doctor tells it meanwhile.)
CREATE FUNCTION pgcron.tell_silence(p_from timestamptz, p_to timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  alert uuid;
  facts jsonb;
BEGIN
  IF NOT EXISTS (SELECT FROM pgcron.cron_job WHERE is_enabled) THEN
    RETURN;
  END IF;
  facts := jsonb_build_object('since', p_from, 'until', p_to, 'overdue', (SELECT count(*) FROM (
    SELECT FROM pgcron.cron_job j WHERE j.is_enabled AND j.claim_at < p_to LIMIT 1000) x));
  INSERT INTO pgcron.cron_alert (kind, detail, opened_at, told_at, resolved_at) VALUES ('fleet_silent', facts, p_from, p_to, p_to) RETURNING id INTO alert;
  INSERT INTO pgcron.cron_outbox (event, alert_id, payload) VALUES ('fleet_silent', alert, facts);
END $$;
COMMENT ON FUNCTION pgcron.tell_silence(timestamptz, timestamptz) IS 'Tells that no worker was alive from when until when, if any job is enabled.';

-- With each beat. When a look is due it asks whether one could find anything, in terms that cost next to nothing; if not, that was the look.
-- Whatever check_alerts or seal_audit would act on must make look_due true here. 0.75: the next beat may be too late.
-- Audit entries whose transaction was a long one may lie below the newest hundred: notifiers look every five minutes whatever this says.
CREATE FUNCTION pgcron.glance(OUT look_due boolean, OUT delivery_in double precision, OUT pings bigint)
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp SET enable_bitmapscan = off SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
  watch record;
BEGIN
  SELECT bit_xor(hashtextextended(j.id::text || j.ping_url, 0)) INTO pings FROM pgcron.cron_job j WHERE j.ping_url IS NOT NULL;
  delivery_in := pgcron.delivery_in();
  SELECT * INTO watch FROM pgcron.cron_watch
   WHERE id = 1 AND (looked_at IS NULL OR looked_at <= clock_timestamp() - every_ms * interval '0.75 ms') FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    look_due := false;
    RETURN;
  END IF;
  look_due := watch.looked_at IS NULL OR watch.looked_at < clock_timestamp() - watch.silent_after_ms * interval '1 ms';
  IF NOT look_due THEN
    look_due := EXISTS (SELECT FROM pgcron.cron_job j WHERE j.late_after_ms IS NOT NULL OR j.slow_after_ms IS NOT NULL
        OR j.slow_factor IS NOT NULL OR j.must_succeed_every_ms IS NOT NULL)
      OR EXISTS (SELECT FROM pgcron.cron_alert a WHERE a.resolved_at IS NULL AND a.kind IN ('late', 'slow', 'unsuccessful', 'no_worker'))
      OR EXISTS (SELECT FROM pgcron.cron_miss m WHERE m.id > pgcron.uuid_v7_at(watch.looked_at - interval '1 min')
        AND m.reason IN ('too_late', 'buffer_overflow', 'no_worker'))
      OR EXISTS (SELECT FROM (SELECT a.id FROM pgcron.cron_audit a ORDER BY a.at DESC LIMIT 100) n
        WHERE NOT EXISTS (SELECT FROM pgcron.cron_audit_seal s WHERE s.audit_id = n.id))
      OR EXISTS (SELECT FROM pgcron.jobs_without_worker());
  END IF;
  IF NOT look_due THEN
    UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() WHERE id = 1;
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.glance() IS
  'What a beat tells of notifications: whether somebody must look around, in how many seconds a delivery is due (NULL: none waits), and what the jobs'' ping URLs come to (NULL: none has one).';
