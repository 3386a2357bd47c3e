-- Functions are everybody's when they are made.
DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace AND proname IN ('slowest_run',
      'jobs_without_worker', 'alert_conditions', 'check_alerts', 'glance', 'tell_silence', 'names_of', 'health_checks') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgcron_worker', made);
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION pgcron.slowest_run(uuid, timestamptz), pgcron.jobs_without_worker(),
  pgcron.alert_conditions(timestamptz), pgcron.names_of(text[]), pgcron.health_checks(), pgcron.uuid_v7_at(timestamptz) TO pgcron_reader;
GRANT SELECT ON pgcron.health TO pgcron_worker, pgcron_reader;
GRANT SELECT ON pgcron.alembic_version TO pgcron_worker, pgcron_reader;  -- `pgcron doctor` compares it
