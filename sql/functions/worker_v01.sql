-- A worker's life: it registers, beats, is reaped or leaves.

-- What this worker could take: the (queue, handler) routes with something planned, and the earliest instant among them.
-- A loose index scan: one probe for each route that exists, whatever the number of jobs.
CREATE FUNCTION pgcron.look(p_handlers text[], p_queues text[], OUT route_queues text[], OUT route_handlers text[],
  OUT next_claim_at timestamptz, OUT plan_pending boolean, OUT has_rules boolean)
LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp
SET enable_bitmapscan = off SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
  WITH RECURSIVE route AS (
    (SELECT j.queue, j.handler, j.claim_at FROM pgcron.cron_job j
      WHERE j.is_enabled AND NOT j.needs_plan AND j.claim_at IS NOT NULL
      ORDER BY j.queue, j.handler, j.claim_at LIMIT 1)
    UNION ALL
    SELECT n.queue, n.handler, n.claim_at FROM route r CROSS JOIN LATERAL
     (SELECT j.queue, j.handler, j.claim_at FROM pgcron.cron_job j
       WHERE j.is_enabled AND NOT j.needs_plan AND j.claim_at IS NOT NULL AND (j.queue, j.handler) > (r.queue, r.handler)
       ORDER BY j.queue, j.handler, j.claim_at LIMIT 1) n
  )
  SELECT coalesce(array_agg(r.queue), '{}'), coalesce(array_agg(r.handler), '{}'), min(r.claim_at)
    INTO route_queues, route_handlers, next_claim_at
    FROM route r WHERE r.handler = ANY (p_handlers) AND (p_queues IS NULL OR r.queue = ANY (p_queues));
  plan_pending := EXISTS (SELECT FROM pgcron.cron_job j WHERE j.needs_plan)
    OR EXISTS (SELECT FROM pgcron.cron_job j WHERE NOT j.is_enabled AND j.disabled_until <= (SELECT clock_timestamp()));
  has_rules := pgcron.has_rules();
  next_claim_at := LEAST(next_claim_at, (SELECT j.disabled_until FROM pgcron.cron_job j
    WHERE NOT j.is_enabled AND j.disabled_until IS NOT NULL ORDER BY j.disabled_until LIMIT 1));
END $$;
COMMENT ON FUNCTION pgcron.look(text[], text[]) IS
  'The routes, the next instant and the plans that wait for a worker with these handlers and queues.';

CREATE FUNCTION pgcron.register_worker(p_worker json, p_ttl_ms integer) RETURNS timestamptz LANGUAGE plpgsql
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  now_ timestamptz;
  generation_ bigint;
BEGIN
  PERFORM 1 FROM pgcron.cron_reaper WHERE id = 1 FOR UPDATE;  -- one worker at a time decides whether it is the first
  now_ := clock_timestamp();
  INSERT INTO pgcron.cron_worker (id, host, pid, version, app, release, queues, handlers, concurrency)
  SELECT w.id, w.host, w.pid, w.version, w.app, w.release, w.queues, coalesce((SELECT jsonb_agg(h - 'parameters' - 'description') FROM jsonb_array_elements(w.handlers) h), '[]'), w.concurrency
    FROM json_to_record(p_worker) AS w (id uuid, host text, pid integer, version text, app text, release text,
      queues text[], handlers jsonb, concurrency integer);
  PERFORM pgcron.publish_handlers(p_worker ->> 'app', p_worker ->> 'release', (p_worker -> 'handlers')::jsonb);
  IF NOT EXISTS (SELECT FROM pgcron.cron_lease WHERE lease_until > now_) THEN
    INSERT INTO pgcron.cron_generation (generation, started_at, worker_id)
    SELECT coalesce(max(generation), 0) + 1, now_, (p_worker ->> 'id')::uuid FROM pgcron.cron_generation;
    UPDATE pgcron.cron_job SET next_scheduled_for = now_, next_run_at = now_
     WHERE is_enabled AND lower(btrim(schedule, E' \t')) = '@reboot' AND covers_from < now_;
  END IF;
  INSERT INTO pgcron.cron_lease (worker_id, lease_until, ttl_ms) VALUES
    ((p_worker ->> 'id')::uuid, now_ + p_ttl_ms * interval '1 ms', p_ttl_ms);
  RETURN now_;
END $$;
COMMENT ON FUNCTION pgcron.register_worker(json, integer) IS
  'Enters a worker with a lease; the first one while no other holds a lease opens a generation, for which @reboot jobs fire.';

-- One statement each beat: it renews the lease, ticks for the reaper and answers everything an idle worker asks.
-- A gap in the ticks means that nobody could beat (an outage): leases that were valid at the last tick are renewed once,
-- so that an outage takes nobody's runs; a worker that stays silent after it is reaped a ttl later.
CREATE FUNCTION pgcron.beat(p_worker uuid, p_handlers text[], p_queues text[], OUT at timestamptz, OUT state text,
  OUT lease_until timestamptz, OUT running uuid[], OUT route_queues text[], OUT route_handlers text[],
  OUT next_claim_at timestamptz, OUT plan_pending boolean, OUT reap_pending boolean, OUT paused boolean,
  OUT cancels json, OUT requests_waiting integer, OUT has_rules boolean, OUT look_due boolean, OUT delivery_in double precision,
  OUT pings bigint)
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  tick timestamptz;
  now_ timestamptz;
BEGIN
  SELECT last_tick INTO tick FROM pgcron.cron_reaper WHERE id = 1 FOR UPDATE SKIP LOCKED;
  now_ := clock_timestamp();
  IF tick IS NOT NULL THEN
    UPDATE pgcron.cron_lease l SET lease_until = GREATEST(l.lease_until, now_ + l.ttl_ms * interval '1 ms'), was_renewed = true
     WHERE now_ - tick > l.ttl_ms * interval '0.5 ms' AND l.lease_until >= tick AND NOT l.was_renewed AND l.worker_id <> p_worker;
    UPDATE pgcron.cron_reaper SET last_tick = now_ WHERE id = 1;
  END IF;
  UPDATE pgcron.cron_lease l SET lease_until = now_ + l.ttl_ms * interval '1 ms', beat_at = now_, was_renewed = false
   WHERE l.worker_id = p_worker RETURNING l.lease_until INTO beat.lease_until;
  beat.at := now_;
  SELECT w.state INTO beat.state FROM pgcron.cron_worker w WHERE w.id = p_worker;
  SELECT coalesce(array_agg(l.id), '{}'), json_agg(json_build_array(l.id, l.cancel_requested_by, l.cancel_reason, l.cancel_is_forced))
      FILTER (WHERE l.cancel_requested_at IS NOT NULL)
    INTO beat.running, beat.cancels FROM pgcron.cron_log l
   WHERE l.worker_id = p_worker AND l.status = 'RUNNING';
  SELECT k.route_queues, k.route_handlers, k.next_claim_at, k.plan_pending, k.has_rules
    INTO beat.route_queues, beat.route_handlers, beat.next_claim_at, beat.plan_pending, beat.has_rules
    FROM pgcron.look(p_handlers, p_queues) k;
  beat.reap_pending := EXISTS (SELECT FROM pgcron.cron_lease l WHERE l.lease_until < now_);
  SELECT count(*) INTO beat.requests_waiting FROM (
    SELECT FROM pgcron.cron_request r WHERE r.state = 'PENDING' AND r.run_after <= now_ LIMIT 1000) w;  -- for a gauge: more is many
  SELECT m.paused_at IS NOT NULL INTO beat.paused FROM pgcron.cron_meta m;
  SELECT g.look_due, g.delivery_in, g.pings INTO beat.look_due, beat.delivery_in, beat.pings FROM pgcron.glance() g;
END $$;
COMMENT ON FUNCTION pgcron.beat(uuid, text[], text[]) IS
  'Renews a worker''s lease and answers in one statement what it must know: its state, its runs, whom to cancel, its routes, who is to be reaped, what there is to notify.';

CREATE FUNCTION pgcron.leave(p_worker uuid) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  UPDATE pgcron.cron_worker SET state = 'GONE', ended_at = clock_timestamp() WHERE id = p_worker AND state IN ('LIVE', 'DRAINING');
  DELETE FROM pgcron.cron_lease WHERE worker_id = p_worker;
$$;
COMMENT ON FUNCTION pgcron.leave(uuid) IS 'A worker''s last statement: it is GONE, and its lease with it.';
