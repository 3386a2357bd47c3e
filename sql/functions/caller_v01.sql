-- Who calls, and on whose behalf. Functions that change things run as their owner (SECURITY DEFINER): in them current_user says nothing.

CREATE FUNCTION pgcron.caller() RETURNS name LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
  SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
$$;
COMMENT ON FUNCTION pgcron.caller() IS
  'The database role that calls: that of SET ROLE, else of the session. A SECURITY DEFINER function can''t change it.';

CREATE FUNCTION pgcron.is_owner() RETURNS boolean LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT pg_has_role(pgcron.caller(), 'pgcron_owner', 'USAGE')
$$;
COMMENT ON FUNCTION pgcron.is_owner() IS 'Whether the calling role is a member of pgcron_owner, or a superuser.';

-- Settings are everybody's to write. The seal binds what act_as() was told to this transaction of this backend, with a key that
-- only the owner reads.
CREATE FUNCTION pgcron.actor_seal(p_actor text, p_address text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT encode(sha256(k.key || sha256(k.key || convert_to(
      jsonb_build_array(pg_backend_pid(), extract(epoch FROM transaction_timestamp()), p_actor, p_address)::text, 'UTF8'))), 'hex')
    FROM pgcron.cron_actor_key k
$$;
COMMENT ON FUNCTION pgcron.actor_seal(text, text) IS 'What only act_as() can write beside an actor and an address, for this transaction only.';

CREATE FUNCTION pgcron.act_as(p_actor text, p_reason text DEFAULT NULL, p_request_id text DEFAULT NULL, p_address text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(length(p_actor), 0) NOT BETWEEN 1 AND 200 THEN
    RAISE EXCEPTION 'an actor has 1 to 200 characters' USING ERRCODE = 'PC014', DETAIL = 'field: actor';
  END IF;
  PERFORM set_config('pgcron.actor', p_actor, true), set_config('pgcron.client_address', coalesce(p_address, ''), true),
    set_config('pgcron.actor_seal', pgcron.actor_seal(p_actor, coalesce(p_address, '')), true),
    set_config('pgcron.reason', coalesce(p_reason, ''), true), set_config('pgcron.request_id', coalesce(p_request_id, ''), true);
END $$;
COMMENT ON FUNCTION pgcron.act_as(text, text, text, text) IS
  'Says for this transaction on whose behalf an application acts, why, by which request of its own and from which address: for the audit. Only pgcron_web may.';

CREATE FUNCTION pgcron.is_sealed() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT coalesce(nullif(current_setting('pgcron.actor_seal', true), '')
      = pgcron.actor_seal(current_setting('pgcron.actor', true), current_setting('pgcron.client_address', true)), false)
$$;
COMMENT ON FUNCTION pgcron.is_sealed() IS 'Whether act_as() said in this transaction who acts.';

-- SECURITY DEFINER: it checks the seal for everybody.
CREATE FUNCTION pgcron.actor() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN nullif(given, '') IS NULL THEN session_user::text
    WHEN pgcron.is_sealed() OR pgcron.is_owner() THEN given
    WHEN given ~ '^(pgcron|app )' AND pg_has_role(pgcron.caller(), 'pgcron_worker', 'USAGE') THEN given
    ELSE session_user::text END
  FROM current_setting('pgcron.actor', true) AS given
$$;
COMMENT ON FUNCTION pgcron.actor() IS
  'Who acts: whom act_as() named; or the transaction''s setting pgcron.actor, from owners (any) and workers (pgcron, app …); else the database role.';

CREATE FUNCTION pgcron.client_address() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT coalesce(CASE WHEN pgcron.is_sealed() THEN left(nullif(current_setting('pgcron.client_address', true), ''), 100) END, host(inet_client_addr()))
$$;
COMMENT ON FUNCTION pgcron.client_address() IS 'Where the change comes from: the address that act_as() named, else that of the database''s client; NULL for a local socket.';

CREATE FUNCTION pgcron.said(p_setting text, p_length integer) RETURNS text LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT left(nullif(current_setting(p_setting, true), ''), p_length)
$$;
COMMENT ON FUNCTION pgcron.said(text, integer) IS 'A setting of the transaction, cut to a length; NULL when it is empty.';

-- Every entry says this, whichever trigger writes it.
ALTER TABLE pgcron.cron_audit
  ALTER actor SET DEFAULT pgcron.actor(),
  ALTER reason SET DEFAULT pgcron.said('pgcron.reason', 1000),
  ALTER request_id SET DEFAULT pgcron.said('pgcron.request_id', 200),
  ALTER application SET DEFAULT pgcron.said('application_name', 200),
  ALTER client_address SET DEFAULT pgcron.client_address();
