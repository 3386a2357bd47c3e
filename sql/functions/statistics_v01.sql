-- Figures of one job over a window that ends now. Days that are over come from cron_daily, whole; the window's first day, which
-- is a part of one, and what was not counted yet come from the log: so the cost is that of at most a day's runs. Where
-- retention has deleted runs of the first day, the window begins with that day.

CREATE TYPE pgcron.window_statistics AS (
  from_at timestamptz, to_at timestamptz, run_count bigint, success_count bigint, failure_count bigint, success_rate double precision,
  uptime double precision, downtime_ms bigint,
  duration_average_ms double precision, duration_p50_ms double precision, duration_p95_ms double precision, duration_max_ms bigint,
  lag_average_ms double precision, lag_p50_ms double precision, lag_p95_ms double precision, lag_max_ms bigint,
  last_success_at timestamptz, last_failure_at timestamptz, success_streak bigint, failure_streak bigint, longest_failure_streak bigint
);

CREATE FUNCTION pgcron.job_statistics(p_job uuid, p_window interval) RETURNS pgcron.window_statistics LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  s pgcron.window_statistics;
  mark record;
  whole_from timestamptz;  -- days from here on are taken from cron_daily
  is_exact boolean;
BEGIN
  SELECT j.created_at, coalesce(m.seq, 0) AS seq, coalesce(m.open_seqs, '{}') AS open_seqs, m.judged_to,
         coalesce(m.success_streak, 0) AS success_streak, coalesce(m.failure_streak, 0) AS failure_streak,
         coalesce(m.longest_failure_streak, 0) AS longest_failure_streak, m.last_success_at, m.last_failure_at, m.purged_to
    INTO mark FROM pgcron.cron_job j LEFT JOIN pgcron.cron_daily_mark m ON m.job_id = j.id WHERE j.id = p_job;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  s.to_at := clock_timestamp();
  s.from_at := s.to_at - p_window;
  -- Also whether it was down when the window began must be known: from the run before it, or because none was counted since.
  is_exact := mark.purged_to IS NULL OR mark.purged_to < s.from_at AND (mark.judged_to <= s.from_at OR EXISTS (
    SELECT FROM pgcron.cron_log l WHERE l.job_id = p_job AND l.started_at < s.from_at AND l.started_at > mark.purged_to));
  whole_from := date_trunc('day', s.from_at, 'UTC') + CASE WHEN is_exact THEN interval '24 hours' ELSE interval '0' END;
  IF NOT is_exact THEN
    s.from_at := whole_from;
  END IF;

  WITH uncounted AS MATERIALIZED (
    SELECT l.status, l.started_at, l.completed_at, l.duration, pgcron.lag_ms(l.cause, l.scheduled_for, l.started_at) AS lag_ms
      FROM pgcron.cron_log l WHERE l.job_id = p_job AND l.seq > mark.seq AND l.status <> 'RUNNING'
    UNION ALL
    SELECT l.status, l.started_at, l.completed_at, l.duration, pgcron.lag_ms(l.cause, l.scheduled_for, l.started_at)
      FROM pgcron.cron_log l WHERE l.job_id = p_job AND l.seq = ANY (mark.open_seqs) AND l.status <> 'RUNNING'
  ), first_day AS MATERIALIZED (
    SELECT l.status, l.started_at, l.completed_at, l.duration, pgcron.lag_ms(l.cause, l.scheduled_for, l.started_at) AS lag_ms
      FROM pgcron.cron_log l
     WHERE is_exact AND l.job_id = p_job AND l.started_at >= s.from_at AND l.started_at < whole_from AND l.status <> 'RUNNING'
  ), tally AS (
    SELECT count(*) AS runs, count(*) FILTER (WHERE r.status = 'SUCCESS') AS successes,
           sum(r.duration) FILTER (WHERE r.status = 'SUCCESS') AS duration_sum, max(r.duration) FILTER (WHERE r.status = 'SUCCESS') AS duration_max,
           pgcron.histogram_of(array_agg(pgcron.bucket_of(r.duration)) FILTER (WHERE r.status = 'SUCCESS' AND r.duration IS NOT NULL)) AS durations,
           count(r.lag_ms) AS lags, sum(r.lag_ms) AS lag_sum, max(r.lag_ms) AS lag_max,
           pgcron.histogram_of(array_agg(pgcron.bucket_of(r.lag_ms)) FILTER (WHERE r.lag_ms IS NOT NULL)) AS lag_histogram
      FROM (SELECT * FROM uncounted u WHERE u.started_at >= whole_from UNION ALL SELECT * FROM first_day) r
  ), days AS (
    SELECT coalesce(sum(d.run_count), 0) AS runs, coalesce(sum(d.success_count), 0) AS successes, sum(d.duration_sum_ms) AS duration_sum,
           max(d.duration_max_ms) AS duration_max, pgcron.histogram_sum(d.duration_histogram) AS durations,
           coalesce(sum(d.lag_count), 0) AS lags, sum(d.lag_sum_ms) AS lag_sum, max(d.lag_max_ms) AS lag_max,
           pgcron.histogram_sum(d.lag_histogram) AS lag_histogram, coalesce(sum(d.downtime_ms), 0) AS downtime
      FROM pgcron.cron_daily d WHERE d.job_id = p_job AND d.day >= pgcron.utc_day(whole_from)
  ), down AS (
    -- Since the last counted end; before it the days know. Then the first day, from the last ends before the window on.
    SELECT e.status, GREATEST(e.completed_at, whole_from) AS from_at, coalesce(lead(e.completed_at) OVER (ORDER BY e.completed_at), s.to_at) AS to_at
      FROM (SELECT u.status, GREATEST(u.completed_at, mark.judged_to) AS completed_at FROM uncounted u
            UNION ALL SELECT 'FAILED', mark.judged_to WHERE mark.failure_streak > 0) e
    UNION ALL
    SELECT e.status, GREATEST(e.completed_at, s.from_at, mark.created_at),
           LEAST(coalesce(lead(e.completed_at) OVER (ORDER BY e.completed_at), s.to_at), whole_from)
      FROM (SELECT f.status, f.completed_at FROM first_day f
            UNION ALL SELECT 'FAILED', mark.judged_to WHERE is_exact AND mark.failure_streak > 0 AND mark.judged_to <= s.from_at
            UNION ALL
            (SELECT l.status, l.completed_at FROM pgcron.cron_log l
              WHERE is_exact AND l.job_id = p_job AND l.started_at < s.from_at AND l.status <> 'RUNNING' ORDER BY l.started_at DESC LIMIT 2)) e
  ), recent AS (
    SELECT max(u.completed_at) FILTER (WHERE u.status = 'SUCCESS') AS success_at, max(u.completed_at) FILTER (WHERE u.status = 'FAILED') AS failure_at
      FROM uncounted u
  ), streak AS (
    SELECT count(*) FILTER (WHERE u.status = 'SUCCESS' AND (r.failure_at IS NULL OR u.completed_at > r.failure_at)) AS successes,
           count(*) FILTER (WHERE u.status = 'FAILED' AND (r.success_at IS NULL OR u.completed_at > r.success_at)) AS failures
      FROM uncounted u CROSS JOIN recent r
  ), island AS (
    SELECT count(*) + CASE WHEN min(i.number) = 1 THEN mark.failure_streak ELSE 0 END AS failures
      FROM (SELECT u.status, row_number() OVER (ORDER BY u.completed_at) AS number,
                   row_number() OVER (ORDER BY u.completed_at) - row_number() OVER (PARTITION BY u.status ORDER BY u.completed_at) AS island
              FROM uncounted u) i
     WHERE i.status = 'FAILED' GROUP BY i.island
  )
  SELECT d.runs + t.runs, d.successes + t.successes,
         (coalesce(d.duration_sum, 0) + coalesce(t.duration_sum, 0)) / nullif(d.successes + t.successes, 0), GREATEST(d.duration_max, t.duration_max),
         pgcron.quantile(h.durations, 0.5), pgcron.quantile(h.durations, 0.95),
         (coalesce(d.lag_sum, 0) + coalesce(t.lag_sum, 0)) / nullif(d.lags + t.lags, 0), GREATEST(d.lag_max, t.lag_max),
         pgcron.quantile(h.lags, 0.5), pgcron.quantile(h.lags, 0.95),
         d.downtime + coalesce((SELECT sum(EXTRACT(epoch FROM w.to_at - w.from_at) * 1000) FROM down w WHERE w.status = 'FAILED' AND w.to_at > w.from_at), 0),
         GREATEST(mark.last_success_at, r.success_at), GREATEST(mark.last_failure_at, r.failure_at),
         k.successes + CASE WHEN r.failure_at IS NULL THEN mark.success_streak ELSE 0 END,
         k.failures + CASE WHEN r.success_at IS NULL THEN mark.failure_streak ELSE 0 END,
         GREATEST(mark.longest_failure_streak, (SELECT max(i.failures) FROM island i))
    INTO s.run_count, s.success_count, s.duration_average_ms, s.duration_max_ms, s.duration_p50_ms, s.duration_p95_ms,
         s.lag_average_ms, s.lag_max_ms, s.lag_p50_ms, s.lag_p95_ms, s.downtime_ms, s.last_success_at, s.last_failure_at,
         s.success_streak, s.failure_streak, s.longest_failure_streak
    FROM tally t, days d, recent r, streak k,
         LATERAL (SELECT pgcron.histogram_plus(d.durations, t.durations) AS durations, pgcron.histogram_plus(d.lag_histogram, t.lag_histogram) AS lags) h;

  s.from_at := GREATEST(s.from_at, LEAST(mark.created_at, s.to_at));
  s.failure_count := s.run_count - s.success_count;
  s.success_rate := s.success_count::double precision / nullif(s.run_count, 0);
  s.duration_p50_ms := LEAST(s.duration_p50_ms, s.duration_max_ms);
  s.duration_p95_ms := LEAST(s.duration_p95_ms, s.duration_max_ms);
  s.lag_p50_ms := LEAST(s.lag_p50_ms, s.lag_max_ms);
  s.lag_p95_ms := LEAST(s.lag_p95_ms, s.lag_max_ms);
  IF s.last_success_at IS NOT NULL OR s.last_failure_at IS NOT NULL THEN
    s.uptime := 1 - LEAST(1, s.downtime_ms / nullif(EXTRACT(epoch FROM s.to_at - s.from_at) * 1000, 0));
  END IF;
  RETURN s;
END $$;
COMMENT ON FUNCTION pgcron.job_statistics(uuid, interval) IS 'Figures of a job, by its id, over a window that ends now.';

CREATE FUNCTION pgcron.statistics_of(p_name text, p_window interval DEFAULT '7 days') RETURNS pgcron.window_statistics LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF p_window <= interval '0' OR p_window > interval '3660 days' THEN
    RAISE EXCEPTION 'a window of % is none', p_window
      USING ERRCODE = 'PC014', DETAIL = 'field: window', HINT = 'more than nothing and at most ten years, such as ''7 days''';
  END IF;
  RETURN pgcron.job_statistics(pgcron.job_id(p_name), p_window);
END $$;
COMMENT ON FUNCTION pgcron.statistics_of(text, interval) IS
  'Figures of a job over a window that ends now: SELECT * FROM pgcron.statistics_of(''nightly'', ''30 days'').';
