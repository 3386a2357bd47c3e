DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace AND proname IN ('lock_job', 'has_worker', 'run_now_wait', 'refuse_haste',
      'run_now_limited', 'begin_once', 'end_once', 'begin_bulk', 'take_bulk', 'bulk_deed', 'bulk_step', 'cancel_bulk') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION pgcron.lock_job(uuid), pgcron.run_now_limited(uuid, text, integer, integer, jsonb, text, boolean),
  pgcron.begin_once(text, text, bytea), pgcron.end_once(text, text, jsonb),
  pgcron.begin_bulk(text, jsonb, jsonb, uuid[], text, uuid, text), pgcron.take_bulk(), pgcron.bulk_step(uuid, integer, integer, integer),
  pgcron.cancel_bulk(uuid, text) TO pgcron_web;
GRANT EXECUTE ON FUNCTION pgcron.has_worker(pgcron.cron_job) TO pgcron_reader, pgcron_worker, pgcron_web;
GRANT SELECT ON pgcron.cron_bulk, pgcron.cron_bulk_item TO pgcron_reader;
-- plan() asks this on behalf of whoever reads.
GRANT EXECUTE ON FUNCTION pgcron.check_schedules(pgcron.cron_job), pgcron.check_schedule_text(text, text) TO pgcron_reader;
