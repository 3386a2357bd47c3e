"""Signing in and out, one's own password, and links that sign in once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from pgcron_admin.csrf import csrf_token
from pgcron_admin.database import Connection, Database
from pgcron_admin.denials import Denials
from pgcron_admin.front import facts_of
from pgcron_admin.guessing import Passwords, Throttle
from pgcron_admin.metrics import Metrics
from pgcron_admin.permissions import in_person, open_to_all, signed_in
from pgcron_admin.principal import Principal, permissions_of
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.sessions import end_session, no_cookie, open_session, session_cookie
from pgcron_admin.settings import AdminSettings
from pgcron_admin.wire import Answer, Body
from pgcron_py.app.passwords import LENGTH_MOST, check_password, is_outdated
from pgcron_py.app.users import secret_hash
from pgcron_py.errors import NotFound, NotSignedIn

TEXT_LENGTH = 200
USER_OF_NAME: LiteralString = "SELECT id, password_hash, is_enabled FROM pgcron.app_user WHERE name = %(name)s"
# Again, and locked: while the password was looked at, somebody may have changed it or disabled the user.
SIGNED_IN: LiteralString = """
UPDATE pgcron.app_user u SET last_sign_in_at = clock_timestamp()
WHERE id = %(id)s AND is_enabled AND password_hash IS NOT DISTINCT FROM %(password_hash)s
RETURNING u.name, u.role, pgcron.app_granted(u) AS granted
"""
REHASH: LiteralString = """
UPDATE pgcron.app_user SET password_hash = %(new)s WHERE id = %(id)s AND set_config('pgcron.rehash', 'on', true) = 'on'
"""
SET_PASSWORD: LiteralString = """
UPDATE pgcron.app_user SET password_hash = %(new)s
WHERE id = %(id)s AND is_enabled AND password_hash IS NOT DISTINCT FROM %(old)s RETURNING id
"""
HASH_OF_USER: LiteralString = "SELECT password_hash FROM pgcron.app_user WHERE id = %(id)s"
LINK: LiteralString = """
SELECT u.name, l.expires_at FROM pgcron.app_link l JOIN pgcron.app_user u ON u.id = l.user_id
WHERE l.token_hash = %(hash)s AND l.used_at IS NULL AND l.expires_at > clock_timestamp() AND u.is_enabled
"""
USE_LINK: LiteralString = """
UPDATE pgcron.app_link l SET used_at = clock_timestamp() FROM pgcron.app_user u
WHERE l.token_hash = %(hash)s AND l.used_at IS NULL AND l.expires_at > clock_timestamp() AND u.id = l.user_id AND u.is_enabled
RETURNING u.id, u.password_hash
"""


AFTER_LINK = "/"


class SignInBody(Body):
    """Name and password of a user."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_LENGTH)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=LENGTH_MOST)]


class PasswordBody(Body):
    """current: none where the user has no password yet."""

    new: Annotated[str, msgspec.Meta(min_length=1, max_length=LENGTH_MOST)]
    current: Annotated[str, msgspec.Meta(max_length=LENGTH_MOST)] | None = None


class Me(Answer):
    """Who is signed in. csrf_token: for the header X-CSRF-Token; none of a token or JWT. role: none of a JWT."""

    name: str
    kind: str
    role: str | None
    permissions: list[str]
    csrf_token: str | None
    session_id: UUID | None
    token_id: str | None


class LinkOwner(Answer):
    """Whom a link signs in, and until when."""

    name: str
    expires_at: datetime


class SignInRefused(NotSignedIn):
    """The name or the password is wrong."""

    hint = "`pgcron users` makes users and sets passwords"


def me_of(principal: Principal, settings: AdminSettings) -> Me:
    session = principal.session_id
    return Me(
        name=principal.name, kind=principal.kind, role=principal.role, permissions=sorted(principal.permissions),
        csrf_token=csrf_token(settings.signing_key, session) if session else None, session_id=session, token_id=principal.token_id,
    )  # fmt: skip


@post("/sign-in", status_code=200, guards=[open_to_all])
async def sign_in(
    data: JSONBody[SignInBody], request: Request[Any, Any, Any], principal: NamedDependency[Principal], settings: NamedDependency[AdminSettings], database: NamedDependency[Database],
    throttle: NamedDependency[Throttle], passwords: NamedDependency[Passwords], denials: NamedDependency[Denials], metrics: NamedDependency[Metrics],
) -> Response[Me]:  # fmt: skip
    """Sign in with name and password. The answer sets the session's cookie; each sign-in has a new one."""
    return await signed_in_by_password(
        data.name, data.password, request, principal, settings, database, throttle, passwords, denials, metrics
    )


async def signed_in_by_password(
    given_name: str, password: str, request: Request[Any, Any, Any], principal: Principal, settings: AdminSettings, database: Database,
    throttle: Throttle, passwords: Passwords, denials: Denials, metrics: Metrics,
) -> Response[Me]:  # fmt: skip
    """The answer with the session's cookie. Raises SignInRefused, TooManyRequests."""
    name = given_name.strip().lower()
    claimed = replace(principal, kind="session", name=name, session_id=None)
    await throttle.begin(claimed, name)
    async with database.read() as connection:
        user = await (await connection.execute(USER_OF_NAME, {"name": name})).fetchone()
    is_right = await passwords.is_right(user["password_hash"] if user else None, password)
    if user is None or not is_right or not user["is_enabled"]:
        metrics.sign_in("refused")
        await denials.sign_in(claimed, "wrong name or password" if user is None or not is_right else "disabled")
        raise SignInRefused()
    new_hash = await passwords.hashed(password) if is_outdated(user["password_hash"]) else None
    async with database.transaction(claimed) as connection:
        answer = await _signed_in(connection, request, principal, settings, user["id"], user["password_hash"])
        if new_hash is not None:
            await connection.execute(REHASH, {"id": user["id"], "new": new_hash})
    await throttle.end(claimed, name)
    metrics.sign_in("done")
    return answer


@post("/sign-out", status_code=204, guards=[in_person])
async def sign_out(
    principal: NamedDependency[Principal], settings: NamedDependency[AdminSettings], database: NamedDependency[Database]
) -> Response[None]:
    """End this session."""
    assert principal.session_id is not None
    async with database.transaction(principal) as connection:
        await end_session(connection, principal.session_id)
    return Response(None, status_code=204, cookies=[no_cookie(settings)])


@get("/me", guards=[signed_in])
async def me(principal: NamedDependency[Principal], settings: NamedDependency[AdminSettings]) -> Me:
    """Who is signed in, what they may, and the CSRF token of their session."""
    return me_of(principal, settings)


@post("/password", status_code=200, guards=[in_person])
async def change_password(
    data: JSONBody[PasswordBody], request: Request[Any, Any, Any], principal: NamedDependency[Principal], settings: NamedDependency[AdminSettings], database: NamedDependency[Database],
    throttle: NamedDependency[Throttle], passwords: NamedDependency[Passwords], denials: NamedDependency[Denials],
) -> Response[Me]:  # fmt: skip
    """Change one's own password. All other sessions end, and this one gets a new cookie."""
    assert principal.user_id is not None
    check_password(principal.name, data.new)
    await throttle.begin(principal, principal.name)
    async with database.read() as connection:
        row = await (await connection.execute(HASH_OF_USER, {"id": principal.user_id})).fetchone()
    old = row["password_hash"] if row else None
    if old is not None and not await passwords.is_right(old, data.current or ""):
        await denials.sign_in(principal, "wrong current password")
        raise SignInRefused("the current password is wrong")
    new = await passwords.hashed(data.new)
    params = {"id": principal.user_id, "old": old, "new": new}
    async with database.transaction(principal) as connection:
        if await (await connection.execute(SET_PASSWORD, params)).fetchone() is None:
            raise SignInRefused("the password was changed meanwhile")
        answer = await _signed_in(connection, request, principal, settings, principal.user_id, new)
    await throttle.end(principal, principal.name)
    return answer


@get("/link/{token:str}", guards=[open_to_all])
async def show_link(
    token: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], database: NamedDependency[Database],
    pages: NamedDependency[Pages],
) -> Response[LinkOwner]:  # fmt: skip
    """Whom a link of `pgcron users link` signs in. It is used up by POST only: a mail scanner follows links too."""
    async with database.read() as connection:
        row = await (await connection.execute(LINK, {"hash": secret_hash(token)})).fetchone()
    if row is None:
        raise NotFound("this link is not good, or no longer", hint="`pgcron users link NAME` makes another one")
    if wants_page(request):
        page: Response[Any] = pages.show(request, principal, "link.html", title="Sign in", name=row["name"])
        return page
    return Response(LinkOwner(name=row["name"], expires_at=row["expires_at"]))


@post("/link/{token:str}", status_code=200, guards=[open_to_all])
async def use_link(
    token: FromPath[str],
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    settings: NamedDependency[AdminSettings],
    database: NamedDependency[Database],
) -> Response[Me]:
    """Sign in by a link, once."""
    async with database.transaction(principal.named("by link")) as connection:
        user = await (await connection.execute(USE_LINK, {"hash": secret_hash(token)})).fetchone()
        if user is None:
            raise NotFound("this link is not good, or no longer", hint="`pgcron users link NAME` makes another one")
        answer = await _signed_in(connection, request, principal, settings, user["id"], user["password_hash"])
    if wants_page(request):
        answer.status_code, answer.headers["Location"] = 303, facts_of(request.scope).base_path + AFTER_LINK
    return answer


def wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether a person looks at it."""
    return "text/html" in request.headers.get("accept", "")


async def _signed_in(
    connection: Connection, request: Request[Any, Any, Any], principal: Principal, settings: AdminSettings, user: UUID,
    password_hash: str | None,
) -> Response[Me]:  # fmt: skip
    """A new session in place of the one that the browser may have come with."""
    row = await (await connection.execute(SIGNED_IN, {"id": user, "password_hash": password_hash})).fetchone()
    if row is None:
        raise SignInRefused()
    if principal.session_id is not None:
        await end_session(connection, principal.session_id)
    opened = await open_session(connection, settings, user, principal.address, request.headers.get("user-agent", ""))
    now = replace(
        principal, kind="session", name=row["name"], role=row["role"], permissions=permissions_of(row["granted"]), user_id=user,
        session_id=opened.id, token_id=None,
    )  # fmt: skip
    return Response(me_of(now, settings), status_code=200, cookies=[session_cookie(settings, opened)])
