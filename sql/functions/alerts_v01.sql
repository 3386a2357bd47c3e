-- Alerts that a finish opens and resolves: in its transaction, under its job's lock.

-- The first strike of a streak opens an alert and tells it; the others are counted. Enabling a job again forgets its strikes, so what
-- fails after that is another streak.
CREATE FUNCTION pgcron.tell_failures(p_runs uuid[]) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pgcron.cron_alert a SET resolved_at = clock_timestamp() FROM pgcron.cron_job j, pgcron.cron_log l
   WHERE l.id = ANY (p_runs) AND j.id = l.job_id AND a.job_id = j.id AND a.kind = 'failing' AND a.resolved_at IS NULL
     AND a.last_seq <= j.strikes_from_seq;
  WITH told AS (
    INSERT INTO pgcron.cron_alert AS a (kind, job_id, job_name, source_id, last_seq, count, detail, told_at)
    SELECT 'failing', j.id, j.name, last.run_id, last.seq, last.strikes, jsonb_build_object('reason', last.reason, 'error', left(last.error, 1000),
             'attempt', last.attempt, 'scheduled_for', last.scheduled_for, 'run', j.name || '#' || last.seq), clock_timestamp()
      FROM (SELECT DISTINCT ON (l.job_id) l.job_id, l.id AS run_id, l.seq, l.reason, l.error, l.attempt, l.scheduled_for,
                   count(*) OVER (PARTITION BY l.job_id) AS strikes
              FROM pgcron.cron_log l WHERE l.id = ANY (p_runs) ORDER BY l.job_id, l.seq DESC) last
      JOIN pgcron.cron_job j ON j.id = last.job_id ORDER BY j.id
    ON CONFLICT (job_id, kind) WHERE resolved_at IS NULL DO UPDATE SET count = a.count + EXCLUDED.count,
      source_id = EXCLUDED.source_id, last_seq = GREATEST(a.last_seq, EXCLUDED.last_seq), detail = EXCLUDED.detail
    RETURNING a.id, a.job_id, a.job_name, a.source_id, a.detail, (xmax = 0) AS is_new
  )
  INSERT INTO pgcron.cron_outbox (event, job_id, job_name, run_id, alert_id, payload)
  SELECT 'failed', t.job_id, j.name, t.source_id, t.id, t.detail || jsonb_build_object('consecutive_failures', j.consecutive_failures,
           'max_consecutive_failures', j.max_consecutive_failures)
    FROM told t JOIN pgcron.cron_job j ON j.id = t.job_id WHERE t.is_new AND j.notify_on_failure;
END $$;
COMMENT ON FUNCTION pgcron.tell_failures(uuid[]) IS 'Opens an alert for each job whose streak of failures these runs begin, and tells it; counts those that go on.';

-- A success ends a streak unless a later run failed. What was missed is made up for by it too.
CREATE FUNCTION pgcron.tell_recoveries(p_jobs uuid[]) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  WITH over AS (
    UPDATE pgcron.cron_alert a SET resolved_at = clock_timestamp() FROM pgcron.cron_job j
     WHERE j.id = ANY (p_jobs) AND j.consecutive_failures = 0 AND a.job_id = j.id AND a.resolved_at IS NULL
       AND a.kind IN ('failing', 'missed', 'unsuccessful')
    RETURNING a.id, a.kind, a.job_id, j.name, a.opened_at, a.count, a.told_at, j.notify_on_failure
  )
  INSERT INTO pgcron.cron_outbox (event, job_id, job_name, alert_id, payload)
  SELECT 'recovered', o.job_id, o.name, o.id, jsonb_build_object('kind', o.kind, 'since', o.opened_at, 'count', o.count)
    FROM over o WHERE o.notify_on_failure AND o.told_at IS NOT NULL ORDER BY o.id;
END $$;
COMMENT ON FUNCTION pgcron.tell_recoveries(uuid[]) IS 'Resolves the alerts that a success of these jobs ends, and tells it.';

-- A run that is tried again has not failed yet.
CREATE FUNCTION pgcron.ping_ends(p_runs uuid[], p_retried uuid[], p_jobs uuid[]) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  INSERT INTO pgcron.cron_delivery (kind, job_id, run_id, ping)
  SELECT 'ping', l.job_id, l.id, CASE l.status WHEN 'SUCCESS' THEN 'success' ELSE 'fail' END
    FROM pgcron.cron_log l WHERE l.id = ANY (p_runs) AND l.job_id = ANY (p_jobs) AND NOT l.id = ANY (p_retried) ORDER BY l.job_id, l.seq
$$;
COMMENT ON FUNCTION pgcron.ping_ends(uuid[], uuid[], uuid[]) IS 'Has the ends of runs of these jobs told to their ping_url.';

CREATE FUNCTION pgcron.acknowledge(p_alert uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pgcron.cron_alert SET acknowledged_at = clock_timestamp(), acknowledged_by = left(pgcron.actor(), 200)
   WHERE id = p_alert AND acknowledged_at IS NULL;
  IF FOUND THEN
    RETURN true;
  ELSIF NOT EXISTS (SELECT FROM pgcron.cron_alert WHERE id = p_alert) THEN
    RAISE EXCEPTION 'no alert is %', p_alert USING ERRCODE = 'PC012', HINT = 'SELECT id, kind, job_name FROM pgcron.cron_alert WHERE resolved_at IS NULL lists them';
  END IF;
  RETURN false;
END $$;
COMMENT ON FUNCTION pgcron.acknowledge(uuid) IS 'Says that somebody cares for an alert: pgcron.health counts it no more. False when somebody said so before.';

CREATE FUNCTION pgcron.mark_read(p_messages uuid[] DEFAULT NULL) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  read_count integer;
BEGIN
  UPDATE pgcron.cron_outbox SET read_at = clock_timestamp(), read_by = left(pgcron.actor(), 200)
   WHERE read_at IS NULL AND (p_messages IS NULL OR id = ANY (p_messages));
  GET DIAGNOSTICS read_count = ROW_COUNT;
  RETURN read_count;
END $$;
COMMENT ON FUNCTION pgcron.mark_read(uuid[]) IS 'Marks messages of the inbox read, all when none is named; how many were unread.';
