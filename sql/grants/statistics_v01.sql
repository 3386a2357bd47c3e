-- Functions are everybody's when they are made. Workers count by count_some_runs() and purge_runs() only.
DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace
      AND (proname LIKE 'histogram\_%' OR proname IN ('bucket_of', 'bucket_ms', 'quantile', 'lag_ms', 'utc_day', 'uuid_v7_at', 'job_statistics', 'statistics_of')) LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgcron_worker, pgcron_reader', made);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION pgcron.is_about_to_run(timestamptz), pgcron.add_to_daily(pgcron.daily_part[]), pgcron.count_runs(uuid[], bigint), pgcron.count_some_runs(uuid, integer),
  pgcron.cron_log_count() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.count_some_runs(uuid, integer) TO pgcron_worker;
REVOKE ALL ON TYPE pgcron.daily_part, pgcron.window_statistics FROM PUBLIC;
GRANT USAGE ON TYPE pgcron.window_statistics TO pgcron_worker, pgcron_reader;
GRANT SELECT ON pgcron.cron_daily, pgcron.cron_daily_mark TO pgcron_worker, pgcron_reader;
