-- The last word of a claim that was written before its jobs are due: it waits, holding their locks, for the instant itself, and is
-- committed then. What people did meanwhile wins. An edit of one of its jobs waits for its locks, and so is seen; a pause of
-- the fleet and a new rule wait for nothing, and are looked for. Any of them ends this claim, and the jobs are claimed again the usual way.
-- A sleep wakes within a millisecond, so the last one is waited for on the clock.
CREATE FUNCTION pgcron.claim_stands(p_at timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  early double precision := extract(epoch FROM p_at - clock_timestamp());
BEGIN
  IF early > 0.0015 THEN
    PERFORM pg_sleep(early - 0.001);
  END IF;
  IF pgcron.has_rules() OR EXISTS (SELECT FROM pgcron.cron_meta m WHERE m.paused_at IS NOT NULL)
      OR EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'transactionid' AND NOT l.granted AND l.transactionid = pg_current_xact_id()::xid) THEN
    RAISE EXCEPTION 'a claim that was written ahead of its time gives way to what was done meanwhile' USING ERRCODE = '40001';
  END IF;
  WHILE clock_timestamp() < p_at LOOP
    NULL;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.claim_stands(timestamptz) IS
  'Waits for the instant for which this transaction has claimed jobs ahead of time; raises 40001 when somebody waits for one of them, paused the fleet or set a rule.';

-- The claim of a run that somebody asked for just now, of jobs that a notification named: one statement, because the one who asked
-- waits for it. It decides only what needs no deciding: the job's one request, for a run by hand, while there is room for it and its
-- schedule is not due. All else is left to the claim. p_runs: ids for the runs, one for each job. job: as it was before.
CREATE FUNCTION pgcron.claim_asked(p_worker uuid, p_jobs uuid[], p_runs uuid[], p_handlers text[], p_queues text[], p_release text)
RETURNS TABLE (run_id uuid, job pgcron.cron_job, request pgcron.cron_request)
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('pgcron claims', 0));
  PERFORM 1 FROM pgcron.cron_worker w JOIN pgcron.cron_lease l ON l.worker_id = w.id
    WHERE w.id = p_worker AND w.state = 'LIVE' AND l.lease_until > clock_timestamp()
      AND (SELECT m.paused_at FROM pgcron.cron_meta m) IS NULL AND NOT pgcron.has_rules() FOR SHARE OF w;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  FOR job IN
    SELECT c.* FROM pgcron.cron_job c
     WHERE c.id = ANY (p_jobs) AND c.is_enabled AND NOT c.needs_plan AND NOT c.runs_alone AND c.next_request_at <= clock_timestamp()
       AND (c.next_run_at IS NULL OR c.next_run_at > clock_timestamp()) AND c.running_count < CASE WHEN c.is_exclusive THEN 1 ELSE c.max_running END
       AND c.handler = ANY (p_handlers) AND (p_queues IS NULL OR c.queue = ANY (p_queues))
       AND (c.min_version IS NULL OR pgcron.release_numbers(p_release) >= pgcron.release_numbers(c.min_version))
     FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    SELECT r.* INTO request FROM pgcron.cron_request r WHERE r.job_id = job.id AND r.state = 'PENDING' ORDER BY r.run_after, r.id LIMIT 1;
    CONTINUE WHEN NOT FOUND OR request.cause <> 'manual' OR request.run_after > clock_timestamp()
      OR EXISTS (SELECT FROM pgcron.cron_request r WHERE r.job_id = job.id AND r.state = 'PENDING' AND r.id <> request.id);
    run_id := p_runs[array_position(p_jobs, job.id)];
    INSERT INTO pgcron.cron_log (id, job_id, seq, is_exclusive, cause, attempt, worker_id, request_id, requested_by, args, handler, job_version, schedule)
    VALUES (run_id, job.id, job.run_seq + 1, job.is_exclusive, 'manual', request.attempt, p_worker, request.id, request.requested_by,
            coalesce(request.args, job.args), job.handler, job.version, job.schedule);
    UPDATE pgcron.cron_request r SET state = 'CLAIMED', run_id = claim_asked.run_id, ended_at = clock_timestamp() WHERE r.id = request.id;
    UPDATE pgcron.cron_job c SET run_seq = c.run_seq + 1, running_count = c.running_count + 1, last_run_at = clock_timestamp(), next_request_at = NULL
     WHERE c.id = job.id;
    RETURN NEXT;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.claim_asked(uuid, uuid[], uuid[], text[], text[], text) IS
  'Claims what was just asked for by hand, of the given jobs, where that needs no further decision; its runs, with job and request as they were.';

-- What a claim writes: runs of jobs that it has locked, the requests that they answer, and where the jobs go on. Runs come in parallel
-- arrays, which are read in a third of the time that JSON takes. Rows are found by arrays of their ids and hashed with what came; a
-- nested loop would look at each pair.
CREATE FUNCTION pgcron.write_claim(p_worker uuid, p_ids uuid[], p_job_ids uuid[], p_seqs bigint[], p_causes text[], p_attempts integer[],
  p_scheduled_for timestamptz[], p_covers_from timestamptz[], p_covers_to timestamptz[], p_requests uuid[], p_jobs json, p_ahead timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = on SET enable_nestloop = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  WITH run AS MATERIALIZED (
    SELECT * FROM unnest(p_ids, p_job_ids, p_seqs, p_causes, p_attempts, p_scheduled_for, p_covers_from, p_covers_to, p_requests)
      AS x (id, job_id, seq, cause, attempt, scheduled_for, covers_from, covers_to, request_id)
  ), advance AS MATERIALIZED (
    SELECT * FROM json_to_recordset(p_jobs) AS x (id uuid, moves boolean, next_scheduled_for timestamptz, next_run_at timestamptz,
      covers_from timestamptz, runs integer, scheduled integer, is_waiting boolean)
  ), claimed AS (
    -- IS TRUE: by the index of what waits, each of these would visit all of it
    UPDATE pgcron.cron_request q SET state = 'CLAIMED', run_id = r.id, ended_at = clock_timestamp()
      FROM run r WHERE q.id = r.request_id AND q.id = ANY (p_requests) AND (q.state = 'PENDING') IS TRUE
    RETURNING q.id, q.requested_by, q.args
  ), inserted AS (
    INSERT INTO pgcron.cron_log (id, job_id, seq, is_exclusive, cause, scheduled_for, covers_from, covers_to, attempt, worker_id,
      request_id, requested_by, args, handler, job_version, schedule, started_at)
    SELECT r.id, r.job_id, r.seq, j.is_exclusive, r.cause, r.scheduled_for, r.covers_from, r.covers_to, r.attempt, p_worker,
      r.request_id, q.requested_by, coalesce(q.args, j.args), j.handler, j.version, j.schedule, GREATEST(clock_timestamp(), p_ahead)
      FROM run r JOIN pgcron.cron_job j ON j.id = r.job_id AND j.id = ANY (ARRAY(SELECT DISTINCT i.job_id FROM run i))
      LEFT JOIN claimed q ON q.id = r.request_id
  )
  UPDATE pgcron.cron_job j SET
    next_scheduled_for = CASE WHEN a.moves THEN a.next_scheduled_for ELSE j.next_scheduled_for END,
    next_run_at = CASE WHEN a.moves THEN a.next_run_at ELSE j.next_run_at END,
    covers_from = coalesce(a.covers_from, j.covers_from),
    run_seq = j.run_seq + a.runs, scheduled_runs = j.scheduled_runs + a.scheduled, running_count = j.running_count + a.runs,
    last_run_at = CASE WHEN a.runs > 0 THEN GREATEST(clock_timestamp(), p_ahead) ELSE j.last_run_at END,
    requests_waiting = j.requests_waiting OR a.is_waiting,
    next_request_at = CASE WHEN j.next_request_at IS NULL OR a.is_waiting THEN NULL ELSE
      (SELECT p.run_after FROM pgcron.cron_request p WHERE p.job_id = j.id AND p.state = 'PENDING'
         AND p.id NOT IN (SELECT r.request_id FROM run r WHERE r.request_id IS NOT NULL) ORDER BY p.run_after LIMIT 1) END
  FROM advance a WHERE j.id = a.id AND j.id = ANY (ARRAY(SELECT i.id FROM advance i));
END $$;
COMMENT ON FUNCTION pgcron.write_claim(uuid, uuid[], uuid[], bigint[], text[], integer[], timestamptz[], timestamptz[], timestamptz[], uuid[], json,
  timestamptz) IS
  'Writes what a claim decided of the jobs that it holds: runs, answered requests, advances; p_ahead: the instant to come at which the runs start.';
