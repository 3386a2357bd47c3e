-- What is left of runs when retention has deleted them: per job and day, and how far the log was added to it.

CREATE TABLE pgcron.cron_daily (
  job_id uuid NOT NULL REFERENCES pgcron.cron_job ON DELETE CASCADE,
  day date NOT NULL,
  run_count bigint NOT NULL DEFAULT 0,
  success_count bigint NOT NULL DEFAULT 0,
  failure_count bigint NOT NULL DEFAULT 0,
  duration_sum_ms bigint NOT NULL DEFAULT 0,
  duration_max_ms bigint,
  duration_histogram integer[],
  lag_count bigint NOT NULL DEFAULT 0,
  lag_sum_ms bigint NOT NULL DEFAULT 0,
  lag_max_ms bigint,
  lag_histogram integer[],
  downtime_ms bigint NOT NULL DEFAULT 0,
  first_run_at timestamptz,
  last_run_at timestamptz,
  PRIMARY KEY (job_id, day),
  CONSTRAINT cron_daily_counts CHECK (run_count = success_count + failure_count AND success_count >= 0 AND failure_count >= 0
    AND lag_count BETWEEN 0 AND run_count AND downtime_ms BETWEEN 0 AND 86400000)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- Apart from cron_job: the claim and the finish never read it, and an hour's work on it must not bloat theirs.
CREATE TABLE pgcron.cron_daily_mark (
  job_id uuid PRIMARY KEY REFERENCES pgcron.cron_job ON DELETE CASCADE,
  seq bigint NOT NULL DEFAULT 0,
  open_seqs bigint[] NOT NULL DEFAULT '{}',
  judged_to timestamptz,
  success_streak bigint NOT NULL DEFAULT 0,
  failure_streak bigint NOT NULL DEFAULT 0,
  longest_failure_streak bigint NOT NULL DEFAULT 0,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  purged_to timestamptz,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_daily_mark_streaks CHECK (success_streak >= 0 AND failure_streak BETWEEN 0 AND longest_failure_streak
    AND LEAST(success_streak, failure_streak) = 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- A run on its way into cron_daily; or, with is_success NULL, nothing but downtime of that day.
CREATE TYPE pgcron.daily_part AS (job_id uuid, day date, is_success boolean, started_at timestamptz, duration_ms bigint, lag_ms bigint,
  downtime_ms bigint);
COMMENT ON TYPE pgcron.daily_part IS 'What a run adds to cron_daily; without is_success only downtime.';
