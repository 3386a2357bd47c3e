-- Doors of the REST API: jobs by id, runs now within a limit, requests that count once, bulk actions.

CREATE FUNCTION pgcron.lock_job(p_id uuid) RETURNS pgcron.cron_job LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job pgcron.cron_job;
BEGIN
  SELECT * INTO job FROM pgcron.cron_job WHERE id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Cron job with ID % not found', p_id USING ERRCODE = 'PC007', HINT = 'it may have been deleted';
  END IF;
  RETURN job;
END $$;
COMMENT ON FUNCTION pgcron.lock_job(uuid) IS 'The job with this id, locked until the transaction ends; raises job_not_found (PC007).';

CREATE FUNCTION pgcron.has_worker(p_job pgcron.cron_job) RETURNS boolean LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
    WHERE w.state = 'LIVE' AND e.lease_until > clock_timestamp() AND (w.queues IS NULL OR p_job.queue = ANY (w.queues))
      AND w.handlers @> jsonb_build_array(jsonb_build_object('name', p_job.handler)))
$$;
COMMENT ON FUNCTION pgcron.has_worker(pgcron.cron_job) IS 'Whether a live worker serves the queue of a job and has its handler.';

-- A sliding window: of the last minute's accepted runs, the one that must be a minute old before there is room again.
CREATE FUNCTION pgcron.run_now_wait(p_subject text, p_per_minute integer, p_all_per_minute integer, OUT seconds integer, OUT is_own boolean)
LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT CASE WHEN GREATEST(own.at, of_all.at) > clock_timestamp() - interval '1 minute'
      THEN ceil(extract(epoch FROM GREATEST(own.at, of_all.at) + interval '1 minute' - clock_timestamp()))::integer ELSE 0 END,
    own.at IS NOT NULL AND (of_all.at IS NULL OR own.at >= of_all.at)
    FROM (SELECT 1) AS one
    LEFT JOIN LATERAL (SELECT r.at FROM pgcron.app_run_now r WHERE r.subject = p_subject AND r.at > clock_timestamp() - interval '1 minute'
      ORDER BY r.at DESC OFFSET p_per_minute - 1 LIMIT 1) own ON true
    LEFT JOIN LATERAL (SELECT r.at FROM pgcron.app_run_now r WHERE r.at > clock_timestamp() - interval '1 minute'
      ORDER BY r.at DESC OFFSET p_all_per_minute - 1 LIMIT 1) of_all ON true
$$;
COMMENT ON FUNCTION pgcron.run_now_wait(text, integer, integer) IS
  'Seconds until somebody may ask for another run: 0 = now. is_own: by their own limit, not by that of all.';

CREATE FUNCTION pgcron.refuse_haste(p_subject text, p_per_minute integer, p_all_per_minute integer) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  wait record;
BEGIN
  SELECT * INTO wait FROM pgcron.run_now_wait(p_subject, p_per_minute, p_all_per_minute);
  IF wait.seconds > 0 THEN
    RAISE EXCEPTION '%', CASE WHEN wait.is_own THEN format('you may ask for %s runs in a minute', p_per_minute)
        ELSE format('all users together may ask for %s runs in a minute', p_all_per_minute) END
      USING ERRCODE = 'PC020', DETAIL = 'retry_after: ' || wait.seconds;
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.refuse_haste(text, integer, integer) IS 'Raises too_many_requests (PC020) when somebody has asked for as many runs as they may; DETAIL: how long to wait.';

-- The lock comes before the job's: whoever holds it counts what others committed. A flood is refused by the first look, and waits for nobody.
CREATE FUNCTION pgcron.run_now_limited(p_job uuid, p_subject text, p_per_minute integer, p_all_per_minute integer, p_args jsonb DEFAULT NULL,
  p_overlap text DEFAULT NULL, p_force boolean DEFAULT false) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job pgcron.cron_job;
  request uuid;
BEGIN
  PERFORM pgcron.refuse_haste(p_subject, p_per_minute, p_all_per_minute);
  PERFORM pg_advisory_xact_lock(hashtextextended('pgcron run now', 0));
  PERFORM pgcron.refuse_haste(p_subject, p_per_minute, p_all_per_minute);
  job := pgcron.lock_job(p_job);
  request := pgcron.run_now(job.name, p_args, NULL, p_overlap);
  IF NOT p_force AND NOT pgcron.has_worker(job) THEN
    RAISE EXCEPTION 'no live worker that serves queue % has handler %', quote_literal(job.queue), quote_literal(job.handler)
      USING ERRCODE = 'PC021', HINT = 'force it: the run waits until a worker has it';
  END IF;
  DELETE FROM pgcron.app_run_now WHERE at < clock_timestamp() - interval '1 minute';
  INSERT INTO pgcron.app_run_now (subject) VALUES (p_subject);
  RETURN request;
END $$;
COMMENT ON FUNCTION pgcron.run_now_limited(uuid, text, integer, integer, jsonb, text, boolean) IS
  'run_now() for the web admin: counted in the same transaction against the limits of who asks and of all (PC020); refused when no live worker has the handler (PC021), unless forced.';

-- Whoever sends the same at the same time waits here for the first to commit.
CREATE FUNCTION pgcron.begin_once(p_subject text, p_key text, p_request_hash bytea) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  known pgcron.app_once;
BEGIN
  DELETE FROM pgcron.app_once WHERE (subject, key) IN (
    SELECT subject, key FROM pgcron.app_once WHERE created_at < clock_timestamp() - interval '1 day' ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED);
  INSERT INTO pgcron.app_once (subject, key, request_hash) VALUES (p_subject, p_key, p_request_hash) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    RETURN NULL;
  END IF;
  SELECT * INTO known FROM pgcron.app_once WHERE subject = p_subject AND key = p_key;
  IF known.request_hash <> p_request_hash THEN
    RAISE EXCEPTION 'this Idempotency-Key was used for another request' USING ERRCODE = 'PC022', DETAIL = 'field: Idempotency-Key',
      HINT = 'a key belongs to one request: method, path and body; take a new one';
  END IF;
  RETURN known.answer;
END $$;
COMMENT ON FUNCTION pgcron.begin_once(text, text, bytea) IS
  'Claims an Idempotency-Key for this transaction: NULL when it is new, else what was answered; raises key_reused (PC022) for another request.';

CREATE FUNCTION pgcron.end_once(p_subject text, p_key text, p_answer jsonb) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
  UPDATE pgcron.app_once SET answer = p_answer WHERE subject = p_subject AND key = p_key AND answer IS NULL
$$;
COMMENT ON FUNCTION pgcron.end_once(text, text, jsonb) IS 'Keeps the answer to a request with an Idempotency-Key.';
