"""Signing in and out: sessions are rows, and the browser has a random key to its own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from litestar.datastructures import Cookie

from pgcron_admin.authentication import cookie_name
from pgcron_admin.database import Connection
from pgcron_admin.principal import Principal
from pgcron_admin.settings import AdminSettings
from pgcron_py.app.users import secret_hash

SECRET_BYTES = 32
AGENT_LENGTH = 300

OPEN: LiteralString = """
INSERT INTO pgcron.app_session (id_hash, user_id, expires_at, ip, user_agent)
VALUES (%(hash)s, %(user)s, clock_timestamp() + make_interval(secs => %(lifetime)s), %(ip)s, %(agent)s) RETURNING id, expires_at
"""
END_ONE: LiteralString = """
UPDATE pgcron.app_session SET revoked_at = clock_timestamp() WHERE id = %(id)s AND revoked_at IS NULL AND expires_at > clock_timestamp()
  AND (%(user)s::uuid IS NULL OR user_id = %(user)s) RETURNING id
"""
END_OTHERS: LiteralString = """
UPDATE pgcron.app_session SET revoked_at = clock_timestamp() WHERE user_id = %(user)s AND id <> %(kept)s AND revoked_at IS NULL
  AND expires_at > clock_timestamp() RETURNING id
"""
# Ended a month ago: the audit has them for longer. A few at a time, by whoever signs in.
FORGET_OLD: LiteralString = """
DELETE FROM pgcron.app_session WHERE id IN (SELECT id FROM pgcron.app_session WHERE expires_at < clock_timestamp() - interval '30 days'
  ORDER BY expires_at LIMIT 50 FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """secret: for the cookie; it is nowhere else."""

    id: UUID
    secret: str
    expires_at: datetime


async def open_session(
    connection: Connection, settings: AdminSettings, user: UUID, ip: str | None, agent: str
) -> Opened:
    """A session under a key that was never used before, whatever cookie the browser came with."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    params = {
        "hash": secret_hash(secret), "user": user, "lifetime": settings.session_lifetime, "ip": ip,
        "agent": "".join(char for char in agent[:AGENT_LENGTH] if char.isprintable()),
    }  # fmt: skip
    row = await (await connection.execute(OPEN, params)).fetchone()
    assert row is not None
    await connection.execute(FORGET_OLD)
    return Opened(row["id"], secret, row["expires_at"])


async def end_session(connection: Connection, session: UUID, *, of: UUID | None = None) -> bool:
    """of: only when it is this user's. False when there is no such session that goes on."""
    return await (await connection.execute(END_ONE, {"id": session, "user": of})).fetchone() is not None


async def end_other_sessions(connection: Connection, principal: Principal) -> int:
    """All of this user but the one they use; how many."""
    cursor = await connection.execute(END_OTHERS, {"user": principal.user_id, "kept": principal.session_id})
    return len(await cursor.fetchall())


def session_cookie(settings: AdminSettings, opened: Opened) -> Cookie:
    return _cookie(settings, opened.secret, settings.session_lifetime)


def no_cookie(settings: AdminSettings) -> Cookie:
    """What takes the cookie away."""
    return _cookie(settings, "", 0)


def _cookie(settings: AdminSettings, value: str, max_age: int) -> Cookie:
    return Cookie(
        key=cookie_name(settings), value=value, max_age=max_age, path="/", secure=not settings.dev, httponly=True, samesite="lax"
    )  # fmt: skip
