DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace AND proname IN ('checked_changes', 'alter_job', 'create_job',
      'schedule', 'unschedule', 'plan', 'describe', 'purge_logs', 'support_bundle', 'bulk', 'jobs_matching') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION pgcron.bulk(text, text, text, boolean, text, timestamptz), pgcron.jobs_matching(text, text, boolean), pgcron.alter_job(text, jsonb, integer), pgcron.checked_changes(jsonb) TO pgcron_worker;
GRANT EXECUTE ON FUNCTION pgcron.plan(text, text, text, integer), pgcron.describe(text) TO pgcron_worker, pgcron_reader;
GRANT EXECUTE ON FUNCTION pgcron.support_bundle(uuid) TO pgcron_worker;  -- it holds stack traces
