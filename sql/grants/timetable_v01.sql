-- Functions are everybody's when they are made. These read no table and write none.
DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace
      AND (proname LIKE 'schedule\_%' OR proname IN ('next_runs', 'job_next_runs', 'validate_schedule', 'jittered_start')) LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgcron_worker, pgcron_reader', made);
  END LOOP;
END $$;
REVOKE ALL ON TYPE pgcron.schedule_spec, pgcron.schedule_item, pgcron.schedule_field, pgcron.timetable FROM PUBLIC;
GRANT USAGE ON TYPE pgcron.schedule_spec, pgcron.schedule_item, pgcron.schedule_field, pgcron.timetable TO pgcron_worker, pgcron_reader;
