"""Statements about users of the web admin, for the CLI and for the admin itself."""

from __future__ import annotations

from typing import LiteralString

NAME_FORM = r"[a-z0-9][a-z0-9._@+-]{0,99}"

_USER: LiteralString = """
SELECT u.id, u.name, u.role, u.extra_permissions, u.is_enabled, u.password_hash IS NOT NULL AS has_password, u.created_at, u.last_sign_in_at,
  (SELECT count(*) FROM pgcron.app_session s WHERE s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()) AS sessions
FROM pgcron.app_user u
"""
USERS: LiteralString = f"{_USER} ORDER BY u.name LIMIT 1000"
USER: LiteralString = f"{_USER} WHERE u.name = %(name)s"
USER_BY_ID: LiteralString = f"{_USER} WHERE u.id = %(id)s"
LOCK_USER: LiteralString = "SELECT FROM pgcron.app_user WHERE id = %(id)s FOR NO KEY UPDATE"
ROLES: LiteralString = """
SELECT r.name, r.description, ARRAY(SELECT p.permission FROM pgcron.app_role_permission p WHERE p.role = r.name ORDER BY p.permission) AS permissions
FROM pgcron.app_role r ORDER BY r.name
"""
CREATE_USER: LiteralString = """
INSERT INTO pgcron.app_user (name, role, extra_permissions, password_hash)
VALUES (%(name)s, %(role)s, %(extra_permissions)s, %(password_hash)s) ON CONFLICT (name) DO NOTHING RETURNING id
"""
# A NULL leaves a column as it is.
CHANGE_USER: LiteralString = """
UPDATE pgcron.app_user SET role = coalesce(%(role)s, role), extra_permissions = coalesce(%(extra_permissions)s::text[], extra_permissions),
  is_enabled = coalesce(%(is_enabled)s, is_enabled), password_hash = coalesce(%(password_hash)s, password_hash)
WHERE id = %(id)s RETURNING id
"""
ROLE_EXISTS: LiteralString = "SELECT EXISTS (SELECT FROM pgcron.app_role WHERE name = %(role)s) AS found"
PERMISSIONS: LiteralString = "SELECT pgcron.app_permissions() AS known"
MAKE_LINK: LiteralString = """
INSERT INTO pgcron.app_link (token_hash, user_id, expires_at) VALUES (%(hash)s, %(user)s, clock_timestamp() + make_interval(secs => %(seconds)s))
RETURNING expires_at
"""
SEED_ROLES: LiteralString = "SELECT pgcron.seed_app_roles()"
