-- A try that was refused leaves nothing behind but its audit entry: the application writes it in a transaction of its own.

CREATE FUNCTION pgcron.record_denial(p_action text, p_job text DEFAULT NULL, p_details jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(p_action, '') !~ '^[a-z][a-z0-9_.]{0,99}$' THEN
    RAISE EXCEPTION 'the action is %', coalesce(quote_literal(p_action), 'NULL') USING ERRCODE = 'PC014', DETAIL = 'field: action',
      HINT = 'give a word such as job_changed';
  ELSIF jsonb_typeof(p_details) <> 'object' OR length(p_details::text) > 4000 THEN
    RAISE EXCEPTION 'the details are no JSON object of at most 4,000 characters' USING ERRCODE = 'PC014', DETAIL = 'field: details';
  END IF;
  INSERT INTO pgcron.cron_audit (action, job_id, job_name, new_values, actor, reason, request_id, application, client_address)
  VALUES ('denied', (SELECT j.id FROM pgcron.cron_job j WHERE j.name = p_job), left(p_job, 200), p_details || jsonb_build_object('tried', p_action), pgcron.actor(),
    nullif(current_setting('pgcron.reason', true), ''), nullif(current_setting('pgcron.request_id', true), ''),
    nullif(current_setting('application_name', true), ''), host(inet_client_addr()));
END $$;
COMMENT ON FUNCTION pgcron.record_denial(text, text, jsonb) IS
  'Writes into the audit that somebody tried what they may not: the action, the job if it was about one, and details such as the permission that was missing.';
