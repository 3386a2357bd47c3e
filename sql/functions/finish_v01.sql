-- The finish: the only way from RUNNING to SUCCESS or FAILED, for one run or for a batch of them.
--
-- What every run has comes in parallel arrays, which are read in a third of the time that JSON takes: ids, jobs, statuses, durations (ms),
-- finish tokens. What only some have is in p_more, a JSON array of objects with the id of their run: reason, is_strike, error, stack_trace,
-- metadata, result, progress, skip_reason, and for a retry retry_after_ms with retry_attempt (the attempt number of the new row).
-- Each row of the result says what became of a run that was not recorded: already (a finish with the same token is on record: the
-- reply to its COMMIT was lost); or lost (somebody else ended it: the caller's lease is gone, nothing was written).
--
-- Locks: jobs by id, then runs; the other order deadlocks with the reaper. Planner settings: a generic plan made while the
-- tables were small must not scan them when they are large.
CREATE FUNCTION pgcron.finish_batch(p_worker uuid, p_ids uuid[], p_jobs uuid[], p_statuses text[], p_durations bigint[], p_tokens uuid[], p_more json)
RETURNS TABLE (run_id uuid, outcome text)
LANGUAGE plpgsql
SET search_path = pgcron, pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  recorded uuid[];
  retried uuid[];
  failed uuid[];
  struck uuid[];
  succeeded uuid[];
  pinged uuid[];
BEGIN
  SELECT e.recorded, e.retried, e.failed, e.struck, e.succeeded, e.pinged INTO recorded, retried, failed, struck, succeeded, pinged
    FROM pgcron.end_runs(p_worker, p_ids, p_jobs, p_statuses, p_durations, p_tokens, p_more) e;

  IF retried IS NOT NULL THEN
    PERFORM pgcron.ask_for_retries(retried, p_more);
  END IF;

  IF failed IS NOT NULL THEN
    PERFORM pgcron.tell_failures(failed);
    PERFORM pgcron.disable_struck_jobs(struck);
  END IF;
  IF EXISTS (SELECT FROM pgcron.cron_alert a WHERE a.job_id = ANY (succeeded) AND a.resolved_at IS NULL) THEN
    PERFORM pgcron.tell_recoveries(succeeded);
  END IF;
  IF pinged IS NOT NULL THEN
    PERFORM pgcron.ping_ends(recorded, coalesce(retried, '{}'), pinged);
  END IF;

  IF cardinality(recorded) = cardinality(p_ids) THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT i.id, CASE WHEN l.finish_token = i.finish_token THEN 'already' ELSE 'lost' END
      FROM unnest(p_ids, p_tokens) AS i (id, finish_token) LEFT JOIN pgcron.cron_log l ON l.id = i.id
     WHERE (i.id = ANY (recorded)) IS NOT TRUE;
END $$;
COMMENT ON FUNCTION pgcron.finish_batch(uuid, uuid[], uuid[], text[], bigint[], uuid[], json) IS
  'Ends runs of one worker: guarded, with counters, strikes, retries and notifications in one transaction; tells of those that were not recorded.';

CREATE FUNCTION pgcron.finish_runs(p_worker uuid, p_runs json) RETURNS TABLE (run_id uuid, outcome text)
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    WITH run AS MATERIALIZED (
      SELECT * FROM json_to_recordset(p_runs) AS x (id uuid, job_id uuid, status text, duration bigint, finish_token uuid)
    ), batch AS MATERIALIZED (
      SELECT b.* FROM (SELECT coalesce(array_agg(r.id), '{}') AS ids, array_agg(r.job_id) AS jobs, array_agg(r.status) AS statuses,
          array_agg(r.duration) AS durations, array_agg(r.finish_token) AS tokens FROM run r) a
        CROSS JOIN LATERAL pgcron.finish_batch(p_worker, a.ids, a.jobs, a.statuses, a.durations, a.tokens, p_runs) b
    )
    SELECT r.id, coalesce(b.outcome, 'recorded') FROM run r LEFT JOIN batch b ON b.run_id = r.id;
END $$;
COMMENT ON FUNCTION pgcron.finish_runs(uuid, json) IS
  'finish_batch for runs as a JSON array of objects; what became of each.';

-- The statement that every run pays for. Rows are found by arrays of their ids and hashed with what came, and a nested
-- loop is forbidden: planned while the tables were empty, it would read all of a table for each run, and still do so when it has a million
-- rows.
CREATE FUNCTION pgcron.end_runs(p_worker uuid, p_ids uuid[], p_jobs uuid[], p_statuses text[], p_durations bigint[], p_tokens uuid[], p_more json,
  OUT recorded uuid[], OUT retried uuid[], OUT failed uuid[], OUT struck uuid[], OUT succeeded uuid[], OUT pinged uuid[])
LANGUAGE plpgsql
SET search_path = pgcron, pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = on SET enable_nestloop = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  jobs uuid[];
BEGIN
  SELECT array_agg(DISTINCT i.id) INTO jobs FROM unnest(p_jobs) AS i (id);
  PERFORM 1 FROM pgcron.cron_job j WHERE j.id = ANY (jobs) ORDER BY j.id FOR NO KEY UPDATE;

  WITH done AS (
    UPDATE pgcron.cron_log l SET
      status = i.status, reason = m.reason, is_strike = coalesce(m.is_strike, false), duration = i.duration,
      completed_at = GREATEST(l.started_at, clock_timestamp()), error = m.error, stack_trace = m.stack_trace,
      metadata = coalesce(m.metadata, l.metadata), result = m.result, finish_token = i.finish_token, skip_reason = m.skip_reason,
      progress = coalesce(m.progress || jsonb_build_object('at', clock_timestamp()), l.progress)
    FROM unnest(p_ids, p_jobs, p_statuses, p_durations, p_tokens) AS i (id, job_id, status, duration, finish_token)
    LEFT JOIN json_to_recordset(p_more) AS m (id uuid, reason text, is_strike boolean, error text, stack_trace text, metadata jsonb,
      result jsonb, skip_reason text, progress jsonb, retry_after_ms bigint) ON m.id = i.id
    -- IS TRUE keeps these out of index conditions: by worker_id or job_id each row would visit all that run (measured:
    -- 800 ms for 450 runs); by id it is one probe.
    WHERE l.id = i.id AND l.id = ANY (p_ids) AND (l.job_id = i.job_id) IS TRUE AND (l.worker_id = p_worker) IS TRUE AND (l.status = 'RUNNING') IS TRUE
    RETURNING l.id, l.job_id, l.seq, l.status, l.is_strike, l.duration, l.completed_at, m.retry_after_ms
  ), tally AS (
    SELECT d.job_id, count(*) AS ended, max(d.completed_at) AS ended_at, count(*) FILTER (WHERE d.status = 'SUCCESS') AS successes,
           coalesce(sum(d.duration) FILTER (WHERE d.status = 'SUCCESS'), 0) AS duration_ms,
           max(d.seq) FILTER (WHERE d.status = 'SUCCESS') AS last_success,
           array_agg(d.seq) FILTER (WHERE d.is_strike) AS strikes
      FROM done d GROUP BY d.job_id
  ), moved AS (
    -- A strike is a failure later, by seq, than the last success; concurrent runs may end in any order.
    UPDATE pgcron.cron_job j SET
      running_count = j.running_count - t.ended,
      last_completed_at = GREATEST(j.last_completed_at, t.ended_at),
      success_count = j.success_count + t.successes,
      failure_count = j.failure_count + t.ended - t.successes,
      duration_sum_ms = j.duration_sum_ms + t.duration_ms,
      strikes_from_seq = GREATEST(j.strikes_from_seq, t.last_success),
      consecutive_failures = CASE
        WHEN t.last_success > j.strikes_from_seq THEN
          (SELECT count(*) FROM unnest(t.strikes) AS s (seq) WHERE s.seq > t.last_success)
          + CASE WHEN j.run_seq > t.last_success THEN (SELECT count(*) FROM pgcron.cron_log o
                WHERE o.job_id = j.id AND o.seq > t.last_success AND o.is_strike) ELSE 0 END
        ELSE j.consecutive_failures + (SELECT count(*) FROM unnest(t.strikes) AS s (seq) WHERE s.seq > j.strikes_from_seq)
      END,
      requests_waiting = false,
      next_request_at = CASE WHEN j.requests_waiting AND j.is_enabled THEN
        (SELECT min(r.run_after) FROM pgcron.cron_request r WHERE r.job_id = j.id AND r.state = 'PENDING')
        ELSE j.next_request_at END
    FROM tally t WHERE j.id = t.job_id AND j.id = ANY (jobs) RETURNING j.id, j.ping_url
  )
  SELECT array_agg(d.id), array_agg(d.id) FILTER (WHERE d.retry_after_ms IS NOT NULL),
         array_agg(d.id) FILTER (WHERE d.is_strike), array_agg(DISTINCT d.job_id) FILTER (WHERE d.is_strike),
         array_agg(DISTINCT d.job_id) FILTER (WHERE d.status = 'SUCCESS'), (SELECT array_agg(m.id) FROM moved m WHERE m.ping_url IS NOT NULL)
    INTO recorded, retried, failed, struck, succeeded, pinged FROM done d;
END $$;
COMMENT ON FUNCTION pgcron.end_runs(uuid, uuid[], uuid[], text[], bigint[], uuid[], json) IS
  'Of finish_batch, the part for every run: guarded ends and counters. Which runs were recorded, and what is left to do for whom.';

-- A retry beyond the fleet's budget is not given up, only postponed: a dependency that fails everybody meets at most
-- `per_second` retries a second once the burst is spent. An attempt that never began costs nothing.
CREATE FUNCTION pgcron.ask_for_retries(p_retried uuid[], p_runs json) RETURNS void LANGUAGE plpgsql
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  share interval;
  granted timestamptz;
BEGIN
  WITH cost AS (
    SELECT count(*) AS retries FROM pgcron.cron_log l WHERE l.id = ANY (p_retried) AND l.reason <> 'orphaned_claim')
  UPDATE pgcron.cron_retry_budget b SET spent_until =
      GREATEST(b.spent_until, clock_timestamp() - b.burst / b.per_second * interval '1 s') + c.retries / b.per_second * interval '1 s'
    FROM cost c WHERE b.id = 1 AND c.retries > 0
  RETURNING interval '1 s' / b.per_second, b.spent_until - c.retries / b.per_second * interval '1 s' INTO share, granted;

  INSERT INTO pgcron.cron_request (job_id, cause, run_after, requested_by, args, scheduled_for, attempt)
  SELECT l.job_id, 'retry', CASE WHEN l.reason = 'orphaned_claim' THEN clock_timestamp() ELSE
           GREATEST(clock_timestamp() + i.retry_after_ms * interval '1 ms',
                    granted + share * row_number() OVER (PARTITION BY l.reason = 'orphaned_claim' ORDER BY l.job_id, l.seq)) END,
         coalesce(l.requested_by, 'pgcron'), l.args, l.scheduled_for, coalesce(i.retry_attempt, l.attempt + 1)
    FROM json_to_recordset(p_runs) AS i (id uuid, retry_after_ms bigint, retry_attempt integer)
    JOIN pgcron.cron_log l ON l.id = i.id
    JOIN pgcron.cron_job j ON j.id = l.job_id
   WHERE i.id = ANY (p_retried) AND j.is_enabled
   ORDER BY l.job_id, l.seq;
END $$;
COMMENT ON FUNCTION pgcron.ask_for_retries(uuid[], json) IS
  'Asks for the next attempts of runs that just failed, within the fleet''s retry budget (cron_retry_budget).';

CREATE FUNCTION pgcron.disable_struck_jobs(p_jobs uuid[]) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  WITH struck AS (
    UPDATE pgcron.cron_job j SET is_enabled = false, disabled_by = 'pgcron',
      disabled_reason = j.consecutive_failures || ' consecutive failures, the last: ' || left(coalesce(last.error, last.reason), 500)
    FROM (SELECT DISTINCT ON (l.job_id) l.job_id, l.error, l.reason FROM pgcron.cron_log l
           WHERE l.job_id = ANY (p_jobs) AND l.status = 'FAILED' ORDER BY l.job_id, l.seq DESC) last
    WHERE j.id = last.job_id AND j.is_enabled AND j.consecutive_failures >= j.max_consecutive_failures
    RETURNING j.id, j.name, j.consecutive_failures, j.disabled_reason, j.notify_on_failure
  )
  INSERT INTO pgcron.cron_outbox (event, job_id, job_name, alert_id, payload)
  SELECT 'auto_disabled', s.id, s.name, a.id, jsonb_build_object('consecutive_failures', s.consecutive_failures, 'reason', s.disabled_reason)
    FROM struck s LEFT JOIN pgcron.cron_alert a ON a.job_id = s.id AND a.kind = 'failing' AND a.resolved_at IS NULL
   WHERE s.notify_on_failure;
END $$;
COMMENT ON FUNCTION pgcron.disable_struck_jobs(uuid[]) IS 'Disables those of the given jobs that reached their number of strikes.';

-- For a transactional handler, inside its own transaction: the COMMIT that carries its effects carries its record too,
-- or, when the lease is gone, neither.
CREATE FUNCTION pgcron.finish_run(p_worker uuid, p_run json) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pgcron.finish_runs(p_worker, json_build_array(p_run)) f WHERE f.outcome = 'recorded') THEN
    RAISE EXCEPTION 'lease_lost: run % is no longer this worker''s to finish', p_run ->> 'id' USING ERRCODE = 'PC001';
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.finish_run(uuid, json) IS
  'Ends one run inside the caller''s transaction; raises lease_lost (PC001) unless exactly this run changed.';
