-- Backfills: one request for each occurrence of a range, claimed like all others.

CREATE FUNCTION pgcron.backfill(p_name text, p_from timestamptz, p_to timestamptz, p_overlap text DEFAULT 'buffer_all',
  p_per_minute integer DEFAULT NULL, p_reason text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  most CONSTANT integer := 10000;
  job pgcron.cron_job;
  occurrences timestamptz[];
  made uuid;
BEGIN
  SELECT * INTO job FROM pgcron.cron_job WHERE id = pgcron.job_id(p_name) FOR NO KEY UPDATE;
  IF NOT job.is_enabled THEN
    RAISE EXCEPTION 'Cannot execute disabled job %', quote_literal(p_name) USING ERRCODE = 'PC004', HINT = 'enable it first';
  ELSIF p_from > p_to OR p_from IS NULL OR p_to IS NULL THEN
    RAISE EXCEPTION 'the range ends (%) before it begins (%)', p_to, p_from USING ERRCODE = 'PC014', DETAIL = 'field: to', HINT = 'give a later end';
  ELSIF p_to > clock_timestamp() THEN
    RAISE EXCEPTION 'the range ends at %, which is yet to come', p_to
      USING ERRCODE = 'PC014', DETAIL = 'field: to', HINT = 'a backfill is for the past: give an end that has passed';
  ELSIF p_per_minute NOT BETWEEN 1 AND 1000000 THEN
    RAISE EXCEPTION 'per_minute is %', p_per_minute USING ERRCODE = 'PC014', DETAIL = 'field: per_minute', HINT = 'give 1 to 1000000, or none';
  ELSIF p_overlap NOT IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all') THEN
    RAISE EXCEPTION 'overlap is %', quote_literal(p_overlap) USING ERRCODE = 'PC014', DETAIL = 'field: overlap',
      HINT = 'choose skip, buffer_one, buffer_all, cancel_other, terminate_other or allow_all';
  END IF;
  SELECT array_agg(r ORDER BY r) INTO occurrences
    FROM pgcron.job_next_runs(job, date_trunc('second', p_from - interval '1 microsecond'), most + 1) r WHERE r BETWEEN p_from AND p_to;
  IF occurrences IS NULL THEN
    RAISE EXCEPTION 'job % has no occurrence from % to %', quote_literal(p_name), p_from, p_to
      USING ERRCODE = 'PC014', DETAIL = 'field: from', HINT = 'its schedule is ' || job.schedule;
  ELSIF cardinality(occurrences) > most THEN
    RAISE EXCEPTION 'job % has more than % occurrences from % to %', quote_literal(p_name), most, p_from, p_to
      USING ERRCODE = 'PC014', DETAIL = 'field: to', HINT = 'backfill a shorter range, then the next';
  END IF;
  INSERT INTO pgcron.cron_backfill (job_id, from_at, to_at, overlap_policy, per_minute, total, requested_by, reason)
  VALUES (job.id, p_from, p_to, p_overlap, p_per_minute, cardinality(occurrences), left(pgcron.actor(), 200), left(p_reason, 1000))
  RETURNING id INTO made;
  INSERT INTO pgcron.cron_request (job_id, cause, run_after, requested_by, scheduled_for, overlap_policy, backfill_id)
  SELECT job.id, 'backfill', clock_timestamp() + coalesce((o.n - 1) * interval '60 s' / p_per_minute, interval '0'),
         left(pgcron.actor(), 200), o.at, p_overlap, made
    FROM unnest(occurrences) WITH ORDINALITY AS o (at, n) ORDER BY o.n;
  RETURN made;
END $$;
COMMENT ON FUNCTION pgcron.backfill(text, timestamptz, timestamptz, text, integer, text) IS
  'Asks for a run of every occurrence of a job from p_from to p_to, both included, in the past; at most 10,000. p_overlap: what becomes of one whose turn comes while the job runs; p_per_minute: most starts in a minute. Returns the backfill''s id.';

CREATE FUNCTION pgcron.cancel_backfill(p_backfill uuid, p_reason text DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job uuid;
  cancelled integer;
BEGIN
  SELECT job_id INTO job FROM pgcron.cron_backfill WHERE id = p_backfill;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no backfill is %', p_backfill USING ERRCODE = 'PC012', HINT = 'SELECT id FROM pgcron.cron_backfill lists them';
  END IF;
  PERFORM 1 FROM pgcron.cron_job WHERE id = job FOR NO KEY UPDATE;
  UPDATE pgcron.cron_request SET state = 'CANCELLED', ended_at = clock_timestamp(), cancelled_by = left(pgcron.actor(), 200),
      cancel_reason = left(coalesce(p_reason, 'its backfill was cancelled'), 1000)
   WHERE backfill_id = p_backfill AND state = 'PENDING';
  GET DIAGNOSTICS cancelled = ROW_COUNT;
  IF cancelled > 0 THEN
    UPDATE pgcron.cron_backfill SET cancelled_at = clock_timestamp(), cancelled_by = left(pgcron.actor(), 200)
     WHERE id = p_backfill AND cancelled_at IS NULL;
    PERFORM pgcron.show_requests(job);
  END IF;
  RETURN cancelled;
END $$;
COMMENT ON FUNCTION pgcron.cancel_backfill(uuid, text) IS
  'Cancels what of a backfill still waits; how many occurrences that were. A run that goes on is not touched.';

CREATE FUNCTION pgcron.backfill_progress(p_backfill uuid, OUT waiting integer, OUT running integer, OUT succeeded integer, OUT failed integer,
  OUT left_out integer) LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT count(*) FILTER (WHERE r.state = 'PENDING'), count(*) FILTER (WHERE l.status = 'RUNNING'),
         count(*) FILTER (WHERE l.status = 'SUCCESS'), count(*) FILTER (WHERE l.status = 'FAILED'),
         count(*) FILTER (WHERE r.state IN ('CANCELLED', 'EXPIRED'))
    FROM pgcron.cron_request r LEFT JOIN pgcron.cron_log l ON l.id = r.run_id WHERE r.backfill_id = p_backfill
$$;
COMMENT ON FUNCTION pgcron.backfill_progress(uuid) IS
  'How far a backfill is: occurrences that wait, run, succeeded, failed, and were left out (cancelled, or by its overlap policy).';
