-- Whom the web admin and its REST API know: users, their roles, sessions, tokens and links, and who guesses passwords.

CREATE FUNCTION pgcron.app_permissions() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT ARRAY['system.cron.manage', 'cron.view', 'cron.trigger', 'cron.enable', 'cron.schedule.edit', 'cron.trace.read', 'cron.sql.edit',
    'cron.audit.read', 'cron.user.admin']
$$;
COMMENT ON FUNCTION pgcron.app_permissions() IS
  'What users of the web admin may be allowed. system.cron.manage covers all the others but cron.user.admin and cron.sql.edit.';

CREATE TABLE pgcron.app_role (
  name text PRIMARY KEY,
  description text NOT NULL,
  CONSTRAINT app_role_form CHECK (name ~ '^[a-z][a-z_]{0,49}$' AND length(description) BETWEEN 1 AND 1000)
);
COMMENT ON TABLE pgcron.app_role IS 'Roles of users of the web admin. Not database roles.';
COMMENT ON COLUMN pgcron.app_role.name IS 'Its name.';
COMMENT ON COLUMN pgcron.app_role.description IS 'Whom it is for.';

CREATE TABLE pgcron.app_role_permission (
  role text NOT NULL REFERENCES pgcron.app_role ON UPDATE CASCADE ON DELETE CASCADE,
  permission text NOT NULL,
  PRIMARY KEY (role, permission),
  CONSTRAINT app_role_permission_known CHECK (permission = ANY (pgcron.app_permissions()))
);
COMMENT ON TABLE pgcron.app_role_permission IS 'What a role allows.';
COMMENT ON COLUMN pgcron.app_role_permission.role IS 'The role.';
COMMENT ON COLUMN pgcron.app_role_permission.permission IS 'One of app_permissions().';

CREATE TABLE pgcron.app_user (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  name text NOT NULL UNIQUE,
  password_hash text,
  role text NOT NULL REFERENCES pgcron.app_role ON UPDATE CASCADE,
  extra_permissions text[] NOT NULL DEFAULT '{}',
  is_enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  password_changed_at timestamptz,
  last_sign_in_at timestamptz,
  CONSTRAINT app_user_name_form CHECK (name ~ '^[a-z0-9][a-z0-9._@+-]{0,99}$'),
  CONSTRAINT app_user_password_argon2id CHECK (password_hash LIKE '$argon2id$%' AND length(password_hash) <= 500),
  CONSTRAINT app_user_permissions_known CHECK (extra_permissions <@ pgcron.app_permissions() AND cardinality(extra_permissions) <= 20),
  CONSTRAINT app_user_finite_times CHECK (GREATEST(created_at, updated_at, password_changed_at, last_sign_in_at) < '9000-01-01 00:00:00+00')
);
COMMENT ON TABLE pgcron.app_user IS 'Users of the web admin. They are disabled, not deleted: the audit names them.';
COMMENT ON COLUMN pgcron.app_user.id IS 'Identity.';
COMMENT ON COLUMN pgcron.app_user.name IS 'What they sign in with: lower case, a word or an e-mail address.';
COMMENT ON COLUMN pgcron.app_user.password_hash IS 'Argon2id; NULL: no password, a link lets them in.';
COMMENT ON COLUMN pgcron.app_user.role IS 'Their role.';
COMMENT ON COLUMN pgcron.app_user.extra_permissions IS 'What they may beyond their role, such as cron.sql.edit.';
COMMENT ON COLUMN pgcron.app_user.is_enabled IS 'Whether they may sign in, and their tokens are good.';
COMMENT ON COLUMN pgcron.app_user.created_at IS 'When they were added.';
COMMENT ON COLUMN pgcron.app_user.updated_at IS 'When they were changed last.';
COMMENT ON COLUMN pgcron.app_user.password_changed_at IS 'When their password was set last.';
COMMENT ON COLUMN pgcron.app_user.last_sign_in_at IS 'When they signed in last.';

CREATE TABLE pgcron.app_session (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  id_hash bytea NOT NULL UNIQUE,
  user_id uuid NOT NULL REFERENCES pgcron.app_user ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  ip text,
  user_agent text,
  revoked_at timestamptz,
  CONSTRAINT app_session_sizes CHECK (octet_length(id_hash) = 32 AND length(ip) <= 100 AND length(user_agent) <= 500),
  CONSTRAINT app_session_finite_times CHECK (GREATEST(created_at, last_seen_at, expires_at, revoked_at) < '9000-01-01 00:00:00+00')
) WITH (fillfactor = 80);
CREATE INDEX app_session_user_idx ON pgcron.app_session (user_id, expires_at);
CREATE INDEX app_session_expires_idx ON pgcron.app_session (expires_at);
COMMENT ON TABLE pgcron.app_session IS 'Who is signed in, with which browser. The cookie holds 256 random bits; here is their hash only.';
COMMENT ON COLUMN pgcron.app_session.id IS 'Identity; no secret.';
COMMENT ON COLUMN pgcron.app_session.id_hash IS 'SHA-256 of the cookie.';
COMMENT ON COLUMN pgcron.app_session.user_id IS 'The user.';
COMMENT ON COLUMN pgcron.app_session.created_at IS 'When they signed in.';
COMMENT ON COLUMN pgcron.app_session.last_seen_at IS 'When it was used last, within a minute.';
COMMENT ON COLUMN pgcron.app_session.expires_at IS 'When it ends in any case.';
COMMENT ON COLUMN pgcron.app_session.ip IS 'The address they signed in from.';
COMMENT ON COLUMN pgcron.app_session.user_agent IS 'The browser, as it calls itself.';
COMMENT ON COLUMN pgcron.app_session.revoked_at IS 'When it was ended: by signing out, by somebody else, or by a change of password, role or enablement.';

CREATE TABLE pgcron.api_token (
  id text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES pgcron.app_user ON DELETE CASCADE,
  name text NOT NULL,
  secret_hash bytea NOT NULL,
  scopes text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  last_used_at timestamptz,
  last_used_ip text,
  revoked_at timestamptz,
  CONSTRAINT api_token_form CHECK (id ~ '^[0-9a-f]{16}$' AND length(name) BETWEEN 1 AND 100 AND name !~ '[[:cntrl:]]' AND octet_length(secret_hash) = 32
    AND length(last_used_ip) <= 100),
  CONSTRAINT api_token_scopes_known CHECK (scopes <@ pgcron.app_permissions() AND cardinality(scopes) BETWEEN 1 AND 20),
  CONSTRAINT api_token_finite_times CHECK (GREATEST(created_at, expires_at, last_used_at, revoked_at) < '9000-01-01 00:00:00+00')
);
CREATE INDEX api_token_user_idx ON pgcron.api_token (user_id);
COMMENT ON TABLE pgcron.api_token IS 'Bearer tokens for programs: pgc_<id>_<secret>. They may what their scopes and their user''s permissions both allow.';
COMMENT ON COLUMN pgcron.api_token.id IS 'Identity, the first part of the token; no secret.';
COMMENT ON COLUMN pgcron.api_token.user_id IS 'Whose it is.';
COMMENT ON COLUMN pgcron.api_token.name IS 'What it is for.';
COMMENT ON COLUMN pgcron.api_token.secret_hash IS 'SHA-256 of the secret, which was shown once.';
COMMENT ON COLUMN pgcron.api_token.scopes IS 'What it may at most: of app_permissions().';
COMMENT ON COLUMN pgcron.api_token.created_at IS 'When it was made.';
COMMENT ON COLUMN pgcron.api_token.expires_at IS 'When it ends.';
COMMENT ON COLUMN pgcron.api_token.last_used_at IS 'When it was used last, within a minute.';
COMMENT ON COLUMN pgcron.api_token.last_used_ip IS 'From where it was.';
COMMENT ON COLUMN pgcron.api_token.revoked_at IS 'When it was ended before.';

CREATE TABLE pgcron.app_link (
  token_hash bytea PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES pgcron.app_user ON DELETE CASCADE,
  created_by text NOT NULL DEFAULT left(pgcron.actor(), 200),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  CONSTRAINT app_link_sizes CHECK (octet_length(token_hash) = 32 AND length(created_by) <= 200),
  CONSTRAINT app_link_finite_times CHECK (GREATEST(created_at, expires_at, used_at) < '9000-01-01 00:00:00+00')
);
CREATE INDEX app_link_user_idx ON pgcron.app_link (user_id);
COMMENT ON TABLE pgcron.app_link IS 'Links that sign a user in once, from pgcron users link.';
COMMENT ON COLUMN pgcron.app_link.token_hash IS 'SHA-256 of what the link holds.';
COMMENT ON COLUMN pgcron.app_link.user_id IS 'Whom it signs in.';
COMMENT ON COLUMN pgcron.app_link.created_by IS 'Who made it.';
COMMENT ON COLUMN pgcron.app_link.created_at IS 'When it was made.';
COMMENT ON COLUMN pgcron.app_link.expires_at IS 'Until when it is good.';
COMMENT ON COLUMN pgcron.app_link.used_at IS 'When it was used; NULL: not yet.';

-- Unlogged: a crash of the server forgets who guessed, which costs a guesser's delay and nobody's data.
CREATE UNLOGGED TABLE pgcron.app_sign_in_throttle (
  key bytea PRIMARY KEY,
  attempts integer NOT NULL DEFAULT 1,
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  blocked_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT app_sign_in_throttle_range CHECK (octet_length(key) = 32 AND attempts >= 0),
  CONSTRAINT app_sign_in_throttle_finite_times CHECK (GREATEST(last_at, blocked_until) < '9000-01-01 00:00:00+00')
) WITH (fillfactor = 70);
CREATE INDEX app_sign_in_throttle_last_idx ON pgcron.app_sign_in_throttle (last_at);
COMMENT ON TABLE pgcron.app_sign_in_throttle IS 'Who tries to sign in how often: a row for each account name and each address that failed lately.';
COMMENT ON COLUMN pgcron.app_sign_in_throttle.key IS 'Keyed hash of the account''s name or of the address: people type passwords into the wrong field.';
COMMENT ON COLUMN pgcron.app_sign_in_throttle.attempts IS 'Attempts without a success. An hour without any forgets them.';
COMMENT ON COLUMN pgcron.app_sign_in_throttle.last_at IS 'When the last one was let through.';
COMMENT ON COLUMN pgcron.app_sign_in_throttle.blocked_until IS 'No attempt is let through before.';
