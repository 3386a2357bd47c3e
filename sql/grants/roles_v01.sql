-- Who may do what. Functions that change things run as their owner and are the only door for operators and for the web: neither
-- may write a table. pgcron_reader is part of both (pgcron_py.app.database).

-- Doors of pgcron_operator: whether jobs run, not what they are.
GRANT EXECUTE ON FUNCTION pgcron.lock_jobs(text[]), pgcron.enable(text), pgcron.disable(text, text, timestamptz), pgcron.skip_next(text),
  pgcron.run_now(text, jsonb, text, text), pgcron.retry_run(uuid, text), pgcron.cancel_run(uuid, text, boolean),
  pgcron.cancel_request(uuid, text), pgcron.cancel_job(text, text),
  pgcron.bulk(text, text, text, boolean, text, timestamptz), pgcron.jobs_matching(text, text, boolean),
  pgcron.acknowledge(uuid), pgcron.mark_read(uuid[]) TO pgcron_operator, pgcron_web;

-- Doors of pgcron_web, which asks itself which of its users may use them.
GRANT EXECUTE ON FUNCTION pgcron.act_as(text, text, text, text),
  pgcron.create_job(text, jsonb, boolean, text), pgcron.alter_job(text, jsonb, integer),
  pgcron.schedule(text, text, text, jsonb, text, jsonb), pgcron.unschedule(text), pgcron.revert(uuid), pgcron.purge_logs(integer),
  pgcron.backfill(text, timestamptz, timestamptz, text, integer, text), pgcron.cancel_backfill(uuid, text),
  pgcron.set_blackout(text, timestamptz, timestamptz, text, interval, text, text, text, text, text), pgcron.remove_blackout(text),
  pgcron.set_limit(text, text, integer, integer, integer), pgcron.remove_limit(text, text),
  pgcron.pause_all(text), pgcron.resume_all(), pgcron.drain_worker(uuid, text),
  pgcron.add_channel(text, text, text[], text[], text[], text), pgcron.edit_channel(text, jsonb), pgcron.remove_channel(text),
  pgcron.mute(text, text, timestamptz, timestamptz, text), pgcron.unmute(text, text), pgcron.test_channel(text),
  pgcron.retry_deliveries(text), pgcron.support_bundle(uuid) TO pgcron_web;
GRANT SELECT ON pgcron.cron_log TO pgcron_web;  -- with traces, which it shows to those who may read them

-- Workers run, they don't define: of a job's columns they write what runs change, and whether it is enabled.
DO $$
DECLARE
  door regprocedure;
BEGIN
  FOR door IN SELECT DISTINCT p.oid FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
      WHERE p.pronamespace = 'pgcron'::regnamespace AND a.grantee = 'pgcron_web'::regrole AND p.proname NOT IN ('run_now', 'cancel_run', 'support_bundle', 'jobs_matching') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM pgcron_worker', door);
  END LOOP;
  REVOKE ALL ON FUNCTION pgcron.actor_seal(text, text) FROM pgcron_worker;
  REVOKE UPDATE ON pgcron.cron_job FROM pgcron_worker;
  EXECUTE (SELECT format('GRANT UPDATE (%s) ON pgcron.cron_job TO pgcron_worker', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
    FROM pg_attribute a WHERE a.attrelid = 'pgcron.cron_job'::regclass AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname <> ALL (pgcron.definition_columns() || '{id,name,is_locked,origin,app,release,declaration,declared_schedule,undeclared_at,skip_until,created_at}'));
END $$;
REVOKE ALL ON pgcron.cron_actor_key FROM pgcron_worker;  -- it could act as anybody
GRANT EXECUTE ON FUNCTION pgcron.caller(), pgcron.actor(), pgcron.client_address(), pgcron.is_owner(),
  pgcron.backfill_progress(uuid) TO pgcron_reader;
