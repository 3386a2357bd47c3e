-- Users of the web admin: their roles, the throttle of sign-ins, and the audit of all that changes who may do what.

CREATE FUNCTION pgcron.seed_app_roles() RETURNS integer LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  WITH roles AS (
    INSERT INTO pgcron.app_role (name, description) VALUES
      ('viewer', 'Sees jobs, runs and workers.'),
      ('operator', 'Sees all that viewers see; runs, enables and disables jobs.'),
      ('super_admin', 'Manages jobs, users and everything else; commands of pgcron.sql need cron.sql.edit besides.')
    ON CONFLICT DO NOTHING RETURNING 1),
  permissions AS (
    INSERT INTO pgcron.app_role_permission (role, permission) VALUES
      ('viewer', 'cron.view'),
      ('operator', 'cron.view'), ('operator', 'cron.trigger'), ('operator', 'cron.enable'),
      ('super_admin', 'system.cron.manage'), ('super_admin', 'cron.view'), ('super_admin', 'cron.trigger'), ('super_admin', 'cron.enable'),
      ('super_admin', 'cron.schedule.edit'), ('super_admin', 'cron.trace.read'), ('super_admin', 'cron.audit.read'), ('super_admin', 'cron.user.admin')
    ON CONFLICT DO NOTHING RETURNING 1)
  SELECT ((SELECT count(*) FROM roles) + (SELECT count(*) FROM permissions))::integer
$$;
COMMENT ON FUNCTION pgcron.seed_app_roles() IS 'Adds the roles viewer, operator and super_admin, or what is missing of them; how many rows.';
SELECT pgcron.seed_app_roles();

CREATE FUNCTION pgcron.app_granted(p_user pgcron.app_user) RETURNS text[] LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT p_user.extra_permissions || ARRAY(SELECT p.permission FROM pgcron.app_role_permission p WHERE p.role = p_user.role)
$$;
COMMENT ON FUNCTION pgcron.app_granted(pgcron.app_user) IS 'What a user is granted, by role and besides; not what that covers.';

-- The delay after so many attempts: five are free (an address, which may be an office, has twenty), then 1, 2, 4, … s, never more than a
-- minute. So nobody is locked out by what somebody else does.
CREATE FUNCTION pgcron.sign_in_delay(p_attempts integer, p_free integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT CASE WHEN p_attempts <= p_free THEN interval '0' ELSE make_interval(secs => LEAST(60, 2 ^ LEAST(p_attempts - p_free - 1, 10))) END
$$;
COMMENT ON FUNCTION pgcron.sign_in_delay(integer, integer) IS 'How long the next attempt to sign in waits after so many without a success.';

-- One statement counts and decides, under the row's lock: a hundred attempts at once are a hundred, not one.
CREATE FUNCTION pgcron.sign_in_attempt(p_key bytea, p_free integer) RETURNS interval LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  until timestamptz;
BEGIN
  INSERT INTO pgcron.app_sign_in_throttle AS t (key) VALUES (p_key)
  ON CONFLICT (key) DO UPDATE SET
      attempts = CASE WHEN t.last_at < clock_timestamp() - interval '1 hour' THEN 1 ELSE t.attempts + 1 END,
      blocked_until = clock_timestamp() + CASE WHEN t.last_at < clock_timestamp() - interval '1 hour' THEN interval '0'
        ELSE pgcron.sign_in_delay(t.attempts + 1, p_free) END,
      last_at = clock_timestamp()
    WHERE t.blocked_until <= clock_timestamp();
  IF FOUND THEN
    RETURN interval '0';
  END IF;
  SELECT t.blocked_until INTO until FROM pgcron.app_sign_in_throttle t WHERE t.key = p_key;
  RETURN GREATEST(coalesce(until, clock_timestamp()) - clock_timestamp(), interval '1 ms');
END $$;
COMMENT ON FUNCTION pgcron.sign_in_attempt(bytea, integer) IS 'Counts an attempt to sign in, or says how long it has to wait (and doesn''t count it).';

-- The address first: whoever is slowed down there can't slow down an account.
CREATE FUNCTION pgcron.begin_sign_in(p_address bytea, p_account bytea) RETURNS integer LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  wait interval;
BEGIN
  DELETE FROM pgcron.app_sign_in_throttle WHERE key IN (
    SELECT key FROM pgcron.app_sign_in_throttle WHERE last_at < clock_timestamp() - interval '1 day' ORDER BY last_at LIMIT 10 FOR UPDATE SKIP LOCKED);
  wait := pgcron.sign_in_attempt(p_address, 20);
  IF wait = interval '0' THEN
    wait := pgcron.sign_in_attempt(p_account, 5);
  END IF;
  RETURN ceil(extract(epoch FROM wait));
END $$;
COMMENT ON FUNCTION pgcron.begin_sign_in(bytea, bytea) IS
  'Asks whether an attempt to sign in may go on: 0, or the seconds to wait. Called, and committed, before the password is looked at.';

CREATE FUNCTION pgcron.end_sign_in(p_address bytea, p_account bytea) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  UPDATE pgcron.app_sign_in_throttle SET attempts = GREATEST(attempts - 1, 0), blocked_until = clock_timestamp() WHERE key = p_address;
  DELETE FROM pgcron.app_sign_in_throttle WHERE key = p_account;
$$;
COMMENT ON FUNCTION pgcron.end_sign_in(bytea, bytea) IS 'The attempt was good: the account''s attempts are forgotten, and this one of the address.';

CREATE FUNCTION pgcron.write_app_audit(p_action text, p_old jsonb, p_new jsonb) RETURNS void LANGUAGE sql SET search_path = pgcron, pg_catalog, pg_temp AS $$
  INSERT INTO pgcron.cron_audit (action, old_values, new_values)
  VALUES (p_action, p_old, p_new)
$$;
COMMENT ON FUNCTION pgcron.write_app_audit(text, jsonb, jsonb) IS 'An entry of the audit that is about no job. For triggers.';

-- SECURITY DEFINER: whoever was refused is in the audit, and nobody can write anything else there.
CREATE FUNCTION pgcron.record_refusal(p_action text, p_detail jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF p_action NOT IN ('sign_in_refused', 'request_refused') OR jsonb_typeof(p_detail) <> 'object' OR length(p_detail::text) > 4000 THEN
    RAISE EXCEPTION 'that is no refusal' USING ERRCODE = 'PC014', DETAIL = 'field: action';
  END IF;
  PERFORM pgcron.write_app_audit(p_action, NULL, p_detail);
END $$;
COMMENT ON FUNCTION pgcron.record_refusal(text, jsonb) IS 'Writes a denied try into the audit: sign_in_refused or request_refused.';

CREATE FUNCTION pgcron.app_user_before() RETURNS trigger LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.password_changed_at := CASE WHEN NEW.password_hash IS NOT NULL THEN clock_timestamp() END;
  ELSIF NEW.password_hash IS DISTINCT FROM OLD.password_hash AND current_setting('pgcron.rehash', true) IS DISTINCT FROM 'on' THEN
    NEW.password_changed_at := clock_timestamp();
  END IF;
  IF TG_OP = 'UPDATE' AND (NEW.name, NEW.password_hash, NEW.role, NEW.extra_permissions, NEW.is_enabled) IS DISTINCT FROM
      (OLD.name, OLD.password_hash, OLD.role, OLD.extra_permissions, OLD.is_enabled) THEN
    NEW.updated_at := clock_timestamp();
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER app_user_before BEFORE INSERT OR UPDATE ON pgcron.app_user FOR EACH ROW EXECUTE FUNCTION pgcron.app_user_before();

-- What somebody may do has changed, or who knows their password: every browser signs in anew, with a new session.
CREATE FUNCTION pgcron.app_user_after() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  hidden text[] := '{id,password_hash,created_at,updated_at,password_changed_at,last_sign_in_at}';
  old_values jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden || jsonb_build_object('has_password', OLD.password_hash IS NOT NULL) END;
  new_values jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden || jsonb_build_object('has_password', NEW.password_hash IS NOT NULL) END;
  has_new_password boolean := TG_OP = 'UPDATE' AND OLD.password_changed_at IS DISTINCT FROM NEW.password_changed_at;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF has_new_password OR (OLD.role, OLD.extra_permissions, OLD.is_enabled) IS DISTINCT FROM (NEW.role, NEW.extra_permissions, NEW.is_enabled) THEN
      UPDATE pgcron.app_session SET revoked_at = clock_timestamp() WHERE user_id = NEW.id AND revoked_at IS NULL;
      DELETE FROM pgcron.app_link WHERE user_id = NEW.id AND used_at IS NULL;
    END IF;
    IF NOT has_new_password AND old_values = new_values THEN
      RETURN NULL;
    END IF;
    new_values := new_values || CASE WHEN has_new_password THEN '{"password": "changed"}'::jsonb ELSE '{}' END;
  END IF;
  PERFORM pgcron.write_app_audit(CASE TG_OP WHEN 'INSERT' THEN 'user_created' WHEN 'UPDATE' THEN 'user_changed' ELSE 'user_deleted' END, old_values, new_values);
  RETURN NULL;
END $$;
CREATE TRIGGER app_user_after AFTER INSERT OR UPDATE OR DELETE ON pgcron.app_user FOR EACH ROW EXECUTE FUNCTION pgcron.app_user_after();

CREATE FUNCTION pgcron.app_session_after() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  about jsonb := jsonb_build_object('user', (SELECT u.name FROM pgcron.app_user u WHERE u.id = NEW.user_id), 'session', NEW.id);
BEGIN
  PERFORM pgcron.write_app_audit(CASE TG_OP WHEN 'INSERT' THEN 'signed_in' ELSE 'session_ended' END, NULL, about);
  RETURN NULL;
END $$;
CREATE TRIGGER app_session_began AFTER INSERT ON pgcron.app_session FOR EACH ROW EXECUTE FUNCTION pgcron.app_session_after();
CREATE TRIGGER app_session_ended AFTER UPDATE OF revoked_at ON pgcron.app_session FOR EACH ROW
  WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION pgcron.app_session_after();

CREATE FUNCTION pgcron.api_token_after() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  about jsonb := jsonb_build_object('user', (SELECT u.name FROM pgcron.app_user u WHERE u.id = NEW.user_id), 'token', NEW.id, 'name', NEW.name,
    'scopes', NEW.scopes, 'expires_at', NEW.expires_at);
BEGIN
  PERFORM pgcron.write_app_audit(CASE TG_OP WHEN 'INSERT' THEN 'token_created' ELSE 'token_revoked' END, NULL, about);
  RETURN NULL;
END $$;
CREATE TRIGGER api_token_created AFTER INSERT ON pgcron.api_token FOR EACH ROW EXECUTE FUNCTION pgcron.api_token_after();
CREATE TRIGGER api_token_revoked AFTER UPDATE OF revoked_at ON pgcron.api_token FOR EACH ROW
  WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION pgcron.api_token_after();

CREATE FUNCTION pgcron.app_link_after() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  about jsonb := jsonb_build_object('user', (SELECT u.name FROM pgcron.app_user u WHERE u.id = NEW.user_id), 'expires_at', NEW.expires_at);
BEGIN
  PERFORM pgcron.write_app_audit(CASE TG_OP WHEN 'INSERT' THEN 'link_created' ELSE 'link_used' END, NULL, about);
  RETURN NULL;
END $$;
CREATE TRIGGER app_link_created AFTER INSERT ON pgcron.app_link FOR EACH ROW EXECUTE FUNCTION pgcron.app_link_after();
CREATE TRIGGER app_link_used AFTER UPDATE OF used_at ON pgcron.app_link FOR EACH ROW
  WHEN (OLD.used_at IS NULL AND NEW.used_at IS NOT NULL) EXECUTE FUNCTION pgcron.app_link_after();
