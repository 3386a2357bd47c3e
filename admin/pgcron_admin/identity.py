"""Sessions and tokens as the database knows them: whose they are, and what they may at this moment.

Nothing is kept in the process: who is disabled, demoted or signed out is so with their very next request.
"""

from __future__ import annotations

import hmac
import re
import time
from typing import Any, LiteralString

from pgcron_admin.database import Database
from pgcron_admin.front import Facts
from pgcron_admin.preferences import preferences_of
from pgcron_admin.principal import Permission, Principal, permissions_of
from pgcron_py.app.users import secret_hash
from pgcron_py.errors import NotSignedIn, PgCronError

TOKEN = re.compile(r"pgc_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
SEEN_AFTER_S = 60  # last_seen_at is this exact, which saves a write for nearly every request

GOOD_SESSION: LiteralString = """
SELECT s.id, s.user_id, u.name, u.role, pgcron.app_granted(u) AS granted, p.theme, p.times, p.timezone, p.density, p.has_keys,
  s.last_seen_at < clock_timestamp() - make_interval(secs => %(seen_after)s) AS is_stale
FROM pgcron.app_session s JOIN pgcron.app_user u ON u.id = s.user_id LEFT JOIN pgcron.app_preferences p ON p.user_id = u.id
WHERE s.revoked_at IS NULL AND s.expires_at > clock_timestamp() AND u.is_enabled
  AND s.last_seen_at > clock_timestamp() - make_interval(secs => %(idle)s)
"""
SESSION: LiteralString = f"{GOOD_SESSION} AND s.id_hash = %(hash)s"
SESSION_BY_ID: LiteralString = f"{GOOD_SESSION} AND s.id = %(id)s"
SESSION_SEEN: LiteralString = (
    "UPDATE pgcron.app_session SET last_seen_at = clock_timestamp() WHERE id = %(id)s AND revoked_at IS NULL"
)
BEARER: LiteralString = """
SELECT t.id, t.user_id, t.secret_hash, t.scopes, u.name, u.role, pgcron.app_granted(u) AS granted,
  t.revoked_at IS NOT NULL AS is_revoked, t.expires_at <= clock_timestamp() AS is_expired, u.is_enabled,
  coalesce(t.last_used_at < clock_timestamp() - make_interval(secs => %(seen_after)s), true) AS is_stale
FROM pgcron.api_token t JOIN pgcron.app_user u ON u.id = t.user_id WHERE t.id = %(id)s
"""
BEARER_SEEN: LiteralString = (
    "UPDATE pgcron.api_token SET last_used_at = clock_timestamp(), last_used_ip = %(address)s WHERE id = %(id)s"
)


class InvalidToken(NotSignedIn):
    """The bearer token is not valid. principal: whose it was, when it is known but no longer good."""

    hint = "send a token that has not expired: Authorization: Bearer pgc_…"

    def __init__(self, message: str, principal: Principal | None = None) -> None:
        super().__init__(message)
        self.principal = principal


class Identity:
    """idle: seconds after which an unused session ends."""

    def __init__(self, database: Database, idle: int) -> None:
        self._database = database
        self._idle = idle

    async def of_session(self, cookie: str, facts: Facts) -> Principal | None:
        """Whose session a cookie is; None for none, an ended or an unknown one."""
        if not COOKIE.fullmatch(cookie):
            return None
        seen_after = min(SEEN_AFTER_S, self._idle // 10)
        row = await self._row(SESSION, {"hash": secret_hash(cookie), "idle": self._idle, "seen_after": seen_after})
        if row is None:
            return None
        principal = Principal(
            kind="session", name=row["name"], permissions=permissions_of(row["granted"]), address=facts.address,
            request_id=facts.request_id, user_id=row["user_id"], role=row["role"], session_id=row["id"],
            preferences=preferences_of(row),
        )  # fmt: skip
        if row["is_stale"]:
            await self._seen(SESSION_SEEN, principal, row["id"])
        return principal

    async def of_token(self, token: str, facts: Facts) -> Principal:
        """Raises InvalidToken."""
        match = TOKEN.fullmatch(token)
        row = await self._row(BEARER, {"id": match["id"], "seen_after": SEEN_AFTER_S}) if match else None
        if match is None or row is None or not hmac.compare_digest(row["secret_hash"], secret_hash(match["secret"])):
            raise InvalidToken("the bearer token is not known")
        principal = Principal(
            kind="token", name=row["name"], permissions=permissions_of(row["scopes"]) & permissions_of(row["granted"]),
            address=facts.address, request_id=facts.request_id, user_id=row["user_id"], role=row["role"], token_id=row["id"],
        )  # fmt: skip
        if row["is_revoked"] or row["is_expired"] or not row["is_enabled"]:
            raise InvalidToken("the bearer token has expired or was revoked", principal)
        if row["is_stale"]:
            await self._seen(BEARER_SEEN, principal, row["id"])
        return principal

    async def still(self, principal: Principal) -> frozenset[Permission] | None:
        """What who opened a stream may by now; None when their session or token has ended. This does not count as using it."""
        if principal.session_id is not None:
            params = {"id": principal.session_id, "idle": self._idle, "seen_after": SEEN_AFTER_S}
            row = await self._row(SESSION_BY_ID, params)
            return None if row is None else permissions_of(row["granted"])
        if principal.token_id is not None:
            row = await self._row(BEARER, {"id": principal.token_id, "seen_after": SEEN_AFTER_S})
            if row is None or row["is_revoked"] or row["is_expired"] or not row["is_enabled"]:
                return None
            return permissions_of(row["scopes"]) & permissions_of(row["granted"])
        return (
            None if principal.good_until is not None and principal.good_until <= time.time() else principal.permissions
        )

    async def _row(self, query: LiteralString, params: dict[str, object]) -> dict[str, Any] | None:
        async with self._database.read() as connection:
            return await (await connection.execute(query, params)).fetchone()

    async def _seen(self, statement: LiteralString, principal: Principal, id_: object) -> None:
        """Not worth a refusal: a lock that somebody holds, or a database that only reads just now."""
        try:
            async with self._database.transaction(principal) as connection:
                await connection.execute(statement, {"id": id_, "address": principal.address})
        except PgCronError:
            return
