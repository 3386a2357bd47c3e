-- As v01; jobs that are about to run are left alone, and what was not counted yet is counted before it goes, in the same transaction.
--
-- One batch of runs with ids after p_after; last: where the next batch goes on (NULL: nothing is left). Of a job whose runs are
-- kept for another time or by number: p_job. Never: a run that goes on, the newest run of a job, a strike that still
-- counts. A job that somebody holds just now is left for the next pass: the lock order is job before run, and nobody waits.
-- SECURITY DEFINER: workers may delete what is old, and nothing else.
CREATE OR REPLACE FUNCTION pgcron.purge_runs(p_days integer, p_after uuid, p_limit integer, p_job uuid DEFAULT NULL, OUT deleted integer, OUT last uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  before timestamptz;
  keep bigint;
  runs uuid[];
  jobs uuid[];
  uncounted uuid[];
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
    SELECT j.id FROM pgcron.cron_job j WHERE j.id = ANY (jobs) AND NOT pgcron.is_about_to_run(j.claim_at) ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED) held;
  SELECT array_agg(DISTINCT l.job_id), max(l.seq - coalesce(m.seq, 0)) INTO uncounted, keep
    FROM pgcron.cron_log l LEFT JOIN pgcron.cron_daily_mark m ON m.job_id = l.job_id
   WHERE l.id = ANY (runs) AND l.job_id = ANY (jobs) AND (m.job_id IS NULL OR l.seq > m.seq OR l.seq = ANY (m.open_seqs));
  IF uncounted IS NOT NULL THEN
    PERFORM pgcron.count_runs(uncounted, LEAST(GREATEST(keep, 0), p_limit + 1000));
  END IF;
  WITH gone AS (
    DELETE FROM pgcron.cron_log l USING pgcron.cron_job j
     WHERE l.id = ANY (runs) AND j.id = l.job_id AND j.id = ANY (jobs) AND l.status <> 'RUNNING' AND l.seq < j.run_seq
       AND NOT (l.is_strike AND l.seq > j.strikes_from_seq)
       AND EXISTS (SELECT FROM pgcron.cron_daily_mark m WHERE m.job_id = l.job_id AND m.seq >= l.seq)
    RETURNING l.id, l.request_id
  ), answered AS (
    DELETE FROM pgcron.cron_request r USING gone g WHERE r.id = g.request_id AND r.state <> 'PENDING'
  )
  SELECT count(*) INTO deleted FROM gone;
  IF p_job IS NOT NULL AND deleted = 0 THEN
    last := NULL;  -- somebody holds the job
  END IF;
END $$;
