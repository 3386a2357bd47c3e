"""One's own sessions and tokens; those who administer users end anybody's."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from pgcron_admin.database import Database
from pgcron_admin.permissions import in_person
from pgcron_admin.principal import Permission, Principal, permissions_of
from pgcron_admin.sessions import end_other_sessions, end_session
from pgcron_admin.settings import AdminSettings
from pgcron_admin.wire import Answer, Body
from pgcron_py.app.users import secret_hash
from pgcron_py.errors import InvalidArguments, NotFound

TOKEN_SECRET_BYTES = 32
SESSIONS: LiteralString = """
SELECT id, created_at, last_seen_at, expires_at, ip, user_agent FROM pgcron.app_session
WHERE user_id = %(user)s AND revoked_at IS NULL AND expires_at > clock_timestamp() AND last_seen_at > clock_timestamp() - make_interval(secs => %(idle)s)
ORDER BY last_seen_at DESC LIMIT 200
"""
TOKENS: LiteralString = """
SELECT id, name, scopes, created_at, expires_at, last_used_at, last_used_ip FROM pgcron.api_token
WHERE user_id = %(user)s AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 200
"""
MAKE_TOKEN: LiteralString = """
INSERT INTO pgcron.api_token (id, user_id, name, secret_hash, scopes, expires_at)
VALUES (%(id)s, %(user)s, %(name)s, %(hash)s, %(scopes)s, clock_timestamp() + make_interval(days => %(days)s))
RETURNING id, name, scopes, created_at, expires_at, last_used_at, last_used_ip
"""
REVOKE_TOKEN: LiteralString = """
UPDATE pgcron.api_token SET revoked_at = clock_timestamp() WHERE id = %(id)s AND revoked_at IS NULL
  AND (%(user)s::uuid IS NULL OR user_id = %(user)s) RETURNING id
"""


class SessionAnswer(Answer):
    """is_current: the one that asks."""

    id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    is_current: bool


class TokenAnswer(Answer):
    """A token without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    last_used_ip: str | None


class NewToken(TokenAnswer):
    """token: shown now, and never again."""

    token: str


class TokenBody(Body):
    """scopes: what the token may at most. days: how long it is good."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
    scopes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=20)]
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 90


class Ended(Answer):
    """How many sessions ended."""

    ended: int


@get("/sessions", guards=[in_person])
async def list_sessions(
    principal: NamedDependency[Principal], database: NamedDependency[Database], settings: NamedDependency[AdminSettings]
) -> list[SessionAnswer]:
    """Where one is signed in."""
    async with database.read() as connection:
        found = await (
            await connection.execute(SESSIONS, {"user": principal.user_id, "idle": settings.session_idle})
        ).fetchall()
    return [SessionAnswer(**row, is_current=row["id"] == principal.session_id) for row in found]


@delete("/sessions", status_code=200, guards=[in_person])
async def end_others(principal: NamedDependency[Principal], database: NamedDependency[Database]) -> Ended:
    """End all of one's sessions but this one."""
    async with database.transaction(principal) as connection:
        return Ended(ended=await end_other_sessions(connection, principal))


@delete("/sessions/{session_id:uuid}", guards=[in_person])
async def end_one(
    session_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> None:
    """End one of one's own sessions; with cron.user.admin, anybody's."""
    async with database.transaction(principal) as connection:
        if not await end_session(connection, session_id, of=_whose(principal)):
            raise NotFound(f"there is no session {session_id} that goes on")


@get("/tokens", guards=[in_person])
async def list_tokens(principal: NamedDependency[Principal], database: NamedDependency[Database]) -> list[TokenAnswer]:
    """One's own tokens, without their secrets."""
    async with database.read() as connection:
        found = await (await connection.execute(TOKENS, {"user": principal.user_id})).fetchall()
    return [TokenAnswer(**row) for row in found]


@post("/tokens", status_code=201, guards=[in_person])
async def make_token(
    data: JSONBody[TokenBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> NewToken:
    """Make a bearer token for a program. Its secret is in this answer, and nowhere else."""
    _check_scopes(data.scopes, principal)
    id_, secret = secrets.token_hex(8), secrets.token_urlsafe(TOKEN_SECRET_BYTES)
    params: dict[str, Any] = {
        "id": id_, "user": principal.user_id, "name": data.name.strip(), "hash": secret_hash(secret),
        "scopes": sorted(set(data.scopes)), "days": data.days,
    }  # fmt: skip
    async with database.transaction(principal) as connection:
        row = await (await connection.execute(MAKE_TOKEN, params)).fetchone()
    assert row is not None
    return NewToken(**row, token=f"pgc_{id_}_{secret}")


@delete("/tokens/{token_id:str}", guards=[in_person])
async def revoke_token(
    token_id: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> None:
    """End one of one's own tokens; with cron.user.admin, anybody's."""
    async with database.transaction(principal) as connection:
        params = {"id": token_id, "user": _whose(principal)}
        if await (await connection.execute(REVOKE_TOKEN, params)).fetchone() is None:
            raise NotFound(f"there is no token {token_id[:100]} that is good")


def _whose(principal: Principal) -> UUID | None:
    """None: anybody's."""
    return None if principal.may(Permission.USER_ADMIN) else principal.user_id


def _check_scopes(scopes: list[str], principal: Principal) -> None:
    """Raises InvalidArguments: a token never may more than who makes it."""
    for scope in scopes:
        if not permissions_of([scope]) or not permissions_of([scope]) <= principal.permissions:
            allowed = ", ".join(sorted(principal.permissions))
            raise InvalidArguments(
                f"scopes: {scope[:100]!r} is nothing that you may pass on", hint=f"you have {allowed}", field="scopes"
            )
