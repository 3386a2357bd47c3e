-- From the log to cron_daily, each run exactly once, however often anybody is killed or two come at the same time.
--
-- What decides is no clock but a number under a lock: a run was counted if its seq is at most the mark's and not among the
-- mark's open_seqs (those were still running when the mark passed them). The mark and the days move in one transaction, under
-- the job's lock, which every finish takes too. A run that is deleted before it was counted is counted by the deleting statement.

-- A claim that meets a held job comes back later: so whoever works on old rows leaves alone what is about to be claimed.
CREATE FUNCTION pgcron.is_about_to_run(p_claim_at timestamptz) RETURNS boolean LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT coalesce(p_claim_at BETWEEN clock_timestamp() - interval '500 ms' AND clock_timestamp() + interval '100 ms', false)
$$;
COMMENT ON FUNCTION pgcron.is_about_to_run(timestamptz) IS 'Whether a job with this claim_at is claimed just now, or within 100 ms.';

CREATE FUNCTION pgcron.lag_ms(p_cause text, p_scheduled_for timestamptz, p_started_at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p_cause = 'schedule' THEN GREATEST(0, (EXTRACT(epoch FROM p_started_at - p_scheduled_for) * 1000)::bigint) END
$$;
COMMENT ON FUNCTION pgcron.lag_ms(text, timestamptz, timestamptz) IS
  'How long after its occurrence a scheduled run started, milliseconds, jitter included; NULL for what people and retries asked for.';

CREATE FUNCTION pgcron.utc_day(p_at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT (p_at AT TIME ZONE 'UTC')::date
$$;
COMMENT ON FUNCTION pgcron.utc_day(timestamptz) IS 'The UTC day of an instant.';

CREATE FUNCTION pgcron.add_to_daily(p_parts pgcron.daily_part[]) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  INSERT INTO pgcron.cron_daily AS d (job_id, day, run_count, success_count, failure_count, duration_sum_ms, duration_max_ms,
    duration_histogram, lag_count, lag_sum_ms, lag_max_ms, lag_histogram, downtime_ms, first_run_at, last_run_at)
  SELECT p.job_id, p.day, count(p.is_success), count(*) FILTER (WHERE p.is_success), count(*) FILTER (WHERE NOT p.is_success),
         coalesce(sum(p.duration_ms) FILTER (WHERE p.is_success), 0), max(p.duration_ms) FILTER (WHERE p.is_success),
         pgcron.histogram_of(array_agg(pgcron.bucket_of(p.duration_ms)) FILTER (WHERE p.is_success AND p.duration_ms IS NOT NULL)),
         count(p.lag_ms), coalesce(sum(p.lag_ms), 0), max(p.lag_ms),
         pgcron.histogram_of(array_agg(pgcron.bucket_of(p.lag_ms)) FILTER (WHERE p.lag_ms IS NOT NULL)),
         LEAST(coalesce(sum(p.downtime_ms), 0), 86400000), min(p.started_at), max(p.started_at)
    FROM unnest(p_parts) p GROUP BY p.job_id, p.day ORDER BY p.job_id, p.day
  ON CONFLICT (job_id, day) DO UPDATE SET
    run_count = d.run_count + excluded.run_count, success_count = d.success_count + excluded.success_count,
    failure_count = d.failure_count + excluded.failure_count, duration_sum_ms = d.duration_sum_ms + excluded.duration_sum_ms,
    duration_max_ms = GREATEST(d.duration_max_ms, excluded.duration_max_ms),
    duration_histogram = pgcron.histogram_plus(d.duration_histogram, excluded.duration_histogram),
    lag_count = d.lag_count + excluded.lag_count, lag_sum_ms = d.lag_sum_ms + excluded.lag_sum_ms,
    lag_max_ms = GREATEST(d.lag_max_ms, excluded.lag_max_ms),
    lag_histogram = pgcron.histogram_plus(d.lag_histogram, excluded.lag_histogram),
    downtime_ms = LEAST(d.downtime_ms + excluded.downtime_ms, 86400000),
    first_run_at = LEAST(d.first_run_at, excluded.first_run_at), last_run_at = GREATEST(d.last_run_at, excluded.last_run_at);
$$;
COMMENT ON FUNCTION pgcron.add_to_daily(pgcron.daily_part[]) IS 'Adds runs and downtime to cron_daily; who calls it has locked the jobs.';

-- Of each job the next p_limit runs. A job is down from the end of a FAILED run to the end of the next SUCCESS: so each end
-- opens a stretch that the next one closes, and a failure's stretch is downtime, split where days begin.
CREATE FUNCTION pgcron.count_runs(p_jobs uuid[], p_limit bigint) RETURNS integer LANGUAGE plpgsql
SET search_path = pgcron, pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  parts pgcron.daily_part[];
  counted integer;
BEGIN
  WITH mark AS MATERIALIZED (
    SELECT j.id AS job_id, coalesce(m.seq, 0) AS seq, LEAST(j.run_seq, coalesce(m.seq, 0) + p_limit) AS to_seq,
           coalesce(m.open_seqs, '{}') AS open_seqs, m.judged_to, coalesce(m.success_streak, 0) AS success_streak,
           coalesce(m.failure_streak, 0) AS failure_streak, coalesce(m.longest_failure_streak, 0) AS longest_failure_streak
      FROM pgcron.cron_job j LEFT JOIN pgcron.cron_daily_mark m ON m.job_id = j.id WHERE j.id = ANY (p_jobs)
  ), pending AS MATERIALIZED (
    SELECT m.job_id, l.seq, l.status, l.started_at, l.completed_at, l.duration, pgcron.lag_ms(l.cause, l.scheduled_for, l.started_at) AS lag_ms
      FROM mark m CROSS JOIN LATERAL (
        SELECT * FROM pgcron.cron_log n WHERE n.job_id = m.job_id AND n.seq > m.seq AND n.seq <= m.to_seq
        UNION ALL SELECT * FROM pgcron.cron_log o WHERE o.job_id = m.job_id AND o.seq = ANY (m.open_seqs)) l
  ), judged AS MATERIALIZED (
    SELECT p.*, p.status = 'SUCCESS' AS is_success, m.judged_to, m.failure_streak > 0 AS was_down,
           row_number() OVER ends = 1 AS is_first, GREATEST(p.completed_at, m.judged_to) AS from_at,
           GREATEST(lead(p.completed_at) OVER ends, m.judged_to) AS to_at, row_number() OVER ends AS number,
           row_number() OVER ends - row_number() OVER (PARTITION BY p.job_id, p.status ORDER BY p.completed_at, p.seq) AS island
      FROM pending p JOIN mark m ON m.job_id = p.job_id WHERE p.status <> 'RUNNING'
    WINDOW ends AS (PARTITION BY p.job_id ORDER BY p.completed_at, p.seq)
  ), down AS (
    SELECT j.job_id, j.from_at, j.to_at FROM judged j WHERE NOT j.is_success AND j.to_at > j.from_at
    UNION ALL SELECT j.job_id, j.judged_to, j.from_at FROM judged j WHERE j.is_first AND j.was_down AND j.from_at > j.judged_to
  ), part AS (
    SELECT ROW(j.job_id, pgcron.utc_day(j.started_at), j.is_success, j.started_at, j.duration, j.lag_ms, NULL)::pgcron.daily_part AS part FROM judged j
    UNION ALL
    SELECT ROW(d.job_id, day.begins::date, NULL, NULL, NULL, NULL,
             EXTRACT(epoch FROM LEAST(d.to_at, (day.begins + interval '1 day') AT TIME ZONE 'UTC') - GREATEST(d.from_at, day.begins AT TIME ZONE 'UTC')) * 1000)::pgcron.daily_part
      FROM down d CROSS JOIN LATERAL generate_series(date_trunc('day', d.from_at AT TIME ZONE 'UTC'), d.to_at AT TIME ZONE 'UTC', interval '1 day') AS day (begins)
  ), streak AS (
    SELECT j.job_id, j.is_success, max(j.number) AS ends, count(*) + CASE WHEN min(j.number) = 1 THEN
             CASE WHEN j.is_success THEN min(m.success_streak) ELSE min(m.failure_streak) END ELSE 0 END AS length
      FROM judged j JOIN mark m ON m.job_id = j.job_id GROUP BY j.job_id, j.is_success, j.island
  ), state AS (
    SELECT s.job_id, coalesce((array_agg(s.length ORDER BY s.ends DESC) FILTER (WHERE s.is_success))[1], 0) AS success_streak,
           coalesce((array_agg(s.length ORDER BY s.ends DESC) FILTER (WHERE NOT s.is_success))[1], 0) AS failure_streak,
           coalesce(max(s.length) FILTER (WHERE NOT s.is_success), 0) AS longest_failure_streak,
           (array_agg(s.is_success ORDER BY s.ends DESC))[1] AS is_up
      FROM streak s GROUP BY s.job_id
  ), last AS (
    SELECT p.job_id, max(p.completed_at) AS judged_to, max(p.completed_at) FILTER (WHERE p.status = 'SUCCESS') AS last_success_at,
           max(p.completed_at) FILTER (WHERE p.status = 'FAILED') AS last_failure_at, count(p.completed_at) AS ended,
           coalesce(array_agg(p.seq ORDER BY p.seq) FILTER (WHERE p.status = 'RUNNING'), '{}') AS open_seqs
      FROM pending p GROUP BY p.job_id
  ), marked AS (
    INSERT INTO pgcron.cron_daily_mark AS o (job_id, seq, open_seqs, judged_to, success_streak, failure_streak, longest_failure_streak,
      last_success_at, last_failure_at)
    SELECT m.job_id, m.to_seq, coalesce(l.open_seqs, '{}'), l.judged_to,
           CASE WHEN s.is_up THEN s.success_streak WHEN s.job_id IS NULL THEN m.success_streak ELSE 0 END,
           CASE WHEN NOT s.is_up THEN s.failure_streak WHEN s.job_id IS NULL THEN m.failure_streak ELSE 0 END,
           GREATEST(m.longest_failure_streak, s.longest_failure_streak), l.last_success_at, l.last_failure_at
      FROM mark m LEFT JOIN last l ON l.job_id = m.job_id LEFT JOIN state s ON s.job_id = m.job_id
     ORDER BY m.job_id
    ON CONFLICT (job_id) DO UPDATE SET seq = excluded.seq, open_seqs = excluded.open_seqs, judged_to = GREATEST(o.judged_to, excluded.judged_to),
      success_streak = excluded.success_streak, failure_streak = excluded.failure_streak,
      longest_failure_streak = excluded.longest_failure_streak, last_success_at = GREATEST(o.last_success_at, excluded.last_success_at),
      last_failure_at = GREATEST(o.last_failure_at, excluded.last_failure_at), updated_at = clock_timestamp()
  )
  SELECT (SELECT array_agg(p.part) FROM part p), (SELECT coalesce(sum(l.ended), 0) FROM last l) INTO parts, counted;
  IF parts IS NOT NULL THEN
    PERFORM pgcron.add_to_daily(parts);
  END IF;
  RETURN counted;
END $$;
COMMENT ON FUNCTION pgcron.count_runs(uuid[], bigint) IS
  'Adds the next ended runs of jobs to cron_daily; how many. Who calls it has locked the jobs.';

-- One batch of the round that workers make now and then: about p_limit runs of jobs after p_after; last: where the next batch
-- goes on (NULL: nothing is left). A job that somebody holds just now is left out; held says that it was the last of the batch
-- and had more than a batch of its own: the caller tries again, or goes on after it. SECURITY DEFINER: nobody but this and
-- retention writes statistics.
CREATE FUNCTION pgcron.count_some_runs(p_after uuid, p_limit integer, OUT counted integer, OUT last uuid, OUT held uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  jobs uuid[];
  latest uuid;
BEGIN
  -- The batch ends with the job that fills it; one with more than a batch of its own is met again.
  SELECT array_agg(w.id), (array_agg(w.id ORDER BY w.id DESC))[1], (array_agg(CASE WHEN w.waiting > p_limit THEN w.before ELSE w.id END ORDER BY w.id DESC))[1]
    INTO jobs, latest, last FROM (
    SELECT x.*, coalesce(lag(x.id) OVER by_id, p_after) AS before, sum(LEAST(x.waiting, p_limit)) OVER by_id - LEAST(x.waiting, p_limit) AS earlier FROM (
      SELECT j.id, j.run_seq - coalesce(m.seq, 0) AS waiting FROM pgcron.cron_job j LEFT JOIN pgcron.cron_daily_mark m ON m.job_id = j.id
       WHERE j.id > p_after AND (j.run_seq > coalesce(m.seq, 0) OR m.open_seqs <> '{}') ORDER BY j.id LIMIT p_limit) x
    WINDOW by_id AS (ORDER BY x.id)) w
   WHERE w.earlier < p_limit;
  counted := 0;
  IF jobs IS NULL THEN
    RETURN;
  END IF;
  SELECT array_agg(h.id) INTO jobs FROM (
    SELECT j.id FROM pgcron.cron_job j WHERE j.id = ANY (jobs) AND NOT pgcron.is_about_to_run(j.claim_at) ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED) h;
  IF last <> latest AND latest = ANY (jobs) IS NOT TRUE THEN
    held := latest;
  END IF;
  counted := pgcron.count_runs(jobs, p_limit);
END $$;
COMMENT ON FUNCTION pgcron.count_some_runs(uuid, integer) IS
  'Adds a batch of ended runs to cron_daily; how many, and after which job the next batch begins.';
