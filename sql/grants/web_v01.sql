-- Hashes are for the web admin alone. It can't delete users, nor change what a role allows.
DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace AND proname IN ('app_permissions', 'app_granted', 'seed_app_roles', 'sign_in_delay',
      'sign_in_attempt', 'begin_sign_in', 'end_sign_in', 'write_app_audit', 'record_refusal', 'app_user_before', 'app_user_after', 'app_session_after',
      'api_token_after', 'app_link_after') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
  END LOOP;
END $$;
GRANT USAGE ON SCHEMA pgcron TO pgcron_web;
GRANT EXECUTE ON FUNCTION pgcron.app_permissions(), pgcron.app_granted(pgcron.app_user), pgcron.sign_in_delay(integer, integer), pgcron.sign_in_attempt(bytea, integer),
  pgcron.begin_sign_in(bytea, bytea), pgcron.end_sign_in(bytea, bytea), pgcron.record_refusal(text, jsonb), pgcron.actor(), pgcron.uuid_v7(),
  pgcron.uuid_v7_at(timestamptz) TO pgcron_web;
GRANT SELECT ON pgcron.app_role, pgcron.app_role_permission TO pgcron_web, pgcron_reader;
GRANT SELECT, INSERT, UPDATE ON pgcron.app_user, pgcron.api_token TO pgcron_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgcron.app_session, pgcron.app_link, pgcron.app_sign_in_throttle TO pgcron_web;
