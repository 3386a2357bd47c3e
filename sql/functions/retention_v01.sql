-- Old rows go in small batches, oldest first, while everybody works on. Tallies move in the deleting transaction, by trigger.

CREATE FUNCTION pgcron.uuid_v7_at(p_at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT (lpad(to_hex(GREATEST((extract(epoch FROM p_at) * 1000)::bigint, 0)), 12, '0') || repeat('0', 20))::uuid
$$;
COMMENT ON FUNCTION pgcron.uuid_v7_at(timestamptz) IS 'The least id that uuid_v7() gives at this time: ids are in time''s order.';

-- One batch of runs with ids after p_after; last: where the next batch goes on (NULL: nothing is left). Of a job whose runs are
-- kept for another time or by number: p_job. Never: a run that goes on, the newest run of a job, a strike that still
-- counts. A job that somebody holds just now is left for the next pass: the lock order is job before run, and nobody waits.
-- SECURITY DEFINER: workers may delete what is old, and nothing else.
CREATE FUNCTION pgcron.purge_runs(p_days integer, p_after uuid, p_limit integer, p_job uuid DEFAULT NULL, OUT deleted integer, OUT last uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  before timestamptz;
  keep bigint;
  runs uuid[];
  jobs uuid[];
BEGIN
  IF p_job IS NULL THEN
    before := clock_timestamp() - p_days * interval '1 day';
    SELECT array_agg(old.id), array_agg(old.job_id), (array_agg(old.id ORDER BY old.id DESC))[1] INTO runs, jobs, last FROM (
      SELECT l.id, l.job_id FROM pgcron.cron_log l
       WHERE l.id > p_after AND l.id < pgcron.uuid_v7_at(before) AND l.completed_at < before ORDER BY l.id LIMIT p_limit) old;
    SELECT array_agg(j.id) INTO jobs FROM pgcron.cron_job j WHERE j.id = ANY (jobs) AND j.retention_days IS NULL;
  ELSE
    SELECT clock_timestamp() - coalesce(j.retention_days, nullif(p_days, 0)) * interval '1 day', j.run_seq - j.retention_count
      INTO before, keep FROM pgcron.cron_job j WHERE j.id = p_job;
    SELECT array_agg(old.id), (array_agg(old.id))[1] INTO runs, last FROM (  -- no cursor: what can go does go
      SELECT l.id FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id
       WHERE l.job_id = p_job AND (l.completed_at < before OR l.seq <= keep) AND l.status <> 'RUNNING' AND l.seq < j.run_seq
         AND NOT (l.is_strike AND l.seq > j.strikes_from_seq) ORDER BY l.seq LIMIT p_limit) old;
    jobs := ARRAY[p_job];
  END IF;
  deleted := 0;
  IF last IS NULL THEN
    RETURN;
  END IF;

  SELECT array_agg(held.id) INTO jobs FROM (
    SELECT j.id FROM pgcron.cron_job j WHERE j.id = ANY (jobs) ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED) held;
  WITH gone AS (
    DELETE FROM pgcron.cron_log l USING pgcron.cron_job j
     WHERE l.id = ANY (runs) AND j.id = l.job_id AND j.id = ANY (jobs) AND l.status <> 'RUNNING' AND l.seq < j.run_seq
       AND NOT (l.is_strike AND l.seq > j.strikes_from_seq)
    RETURNING l.id, l.request_id
  ), answered AS (
    DELETE FROM pgcron.cron_request r USING gone g WHERE r.id = g.request_id AND r.state <> 'PENDING'
  )
  SELECT count(*) INTO deleted FROM gone;
  IF p_job IS NOT NULL AND deleted = 0 THEN
    last := NULL;  -- somebody holds the job
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.purge_runs(integer, uuid, integer, uuid) IS
  'Deletes a batch of runs older than p_days, or of one job by its own retention; how many, and where the next batch begins.';

-- Misses, requests that came to nothing, notifications with their deliveries, alerts that are over, and workers that are long gone. How many of them all.
CREATE FUNCTION pgcron.purge_rest(p_days integer, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  before timestamptz := clock_timestamp() - p_days * interval '1 day';
  first uuid := pgcron.uuid_v7_at(before);
  found_count integer;
  total integer := 0;
BEGIN
  DELETE FROM pgcron.cron_miss m WHERE m.id IN (
    SELECT x.id FROM pgcron.cron_miss x JOIN pgcron.cron_job j ON j.id = x.job_id
     WHERE x.id < first AND x.covers_to < before ORDER BY x.id LIMIT p_limit FOR NO KEY UPDATE OF j SKIP LOCKED);
  GET DIAGNOSTICS found_count = ROW_COUNT;
  total := total + found_count;
  DELETE FROM pgcron.cron_request r WHERE r.id IN (
    SELECT x.id FROM pgcron.cron_request x WHERE x.id < first AND x.state IN ('CANCELLED', 'EXPIRED') AND x.ended_at < before
     ORDER BY x.id LIMIT p_limit);
  GET DIAGNOSTICS found_count = ROW_COUNT;
  total := total + found_count;
  DELETE FROM pgcron.cron_backfill b WHERE b.id IN (
    SELECT x.id FROM pgcron.cron_backfill x WHERE x.id < first AND NOT EXISTS (SELECT FROM pgcron.cron_request r WHERE r.backfill_id = x.id)
     ORDER BY x.id LIMIT p_limit);
  GET DIAGNOSTICS found_count = ROW_COUNT;
  total := total + found_count;
  DELETE FROM pgcron.cron_blackout b WHERE b.ends_at < before;
  GET DIAGNOSTICS found_count = ROW_COUNT;
  total := total + found_count;
  DELETE FROM pgcron.cron_outbox o WHERE o.id IN (
    SELECT x.id FROM pgcron.cron_outbox x WHERE x.id < first ORDER BY x.id LIMIT p_limit);
  GET DIAGNOSTICS found_count = ROW_COUNT;
  total := total + found_count;
  DELETE FROM pgcron.cron_alert a WHERE a.id IN (
    SELECT x.id FROM pgcron.cron_alert x WHERE x.id < first AND x.resolved_at < before ORDER BY x.id LIMIT p_limit);
  GET DIAGNOSTICS found_count = ROW_COUNT;
  total := total + found_count;
  DELETE FROM pgcron.cron_mute m WHERE m.ends_at < before;
  DELETE FROM pgcron.cron_worker w WHERE w.id IN (
    SELECT x.id FROM pgcron.cron_worker x WHERE x.state IN ('GONE', 'DEAD') AND x.ended_at < before ORDER BY x.id LIMIT p_limit);
  GET DIAGNOSTICS found_count = ROW_COUNT;
  RETURN total + found_count;
END $$;
COMMENT ON FUNCTION pgcron.purge_rest(integer, integer) IS
  'Deletes a batch of each: old misses, cancelled requests, backfills and blackouts, notifications, alerts that are over, and workers that left; how many in all.';
