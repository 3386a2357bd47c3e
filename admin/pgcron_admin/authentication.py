"""Who sends this request: put into its scope before its route is asked whether they may.

A bearer token decides alone: cookies beside it are not looked at. Without one the session's cookie counts, and then an unsafe
method needs the right origin and the session's CSRF token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.connection import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pgcron_admin.csrf import FIELD, HEADER, SAFE_METHODS, check_origin, check_token
from pgcron_admin.denials import Denials
from pgcron_admin.front import Facts, facts_of
from pgcron_admin.identity import Identity, InvalidToken
from pgcron_admin.jwts import Jwts
from pgcron_admin.permissions import Reach, access_of
from pgcron_admin.principal import Principal, anonymous
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import NotPermitted

FORM = "application/x-www-form-urlencoded"
COOKIE, DEV_COOKIE = "__Host-pgcron", "pgcron_dev"


def cookie_name(settings: AdminSettings) -> str:
    """A browser takes `__Host-` only over HTTPS, for this host alone and for all of its paths."""
    return DEV_COOKIE if settings.dev else COOKIE


@dataclass(frozen=True, slots=True)
class Means:
    """What an authentication needs."""

    settings: AdminSettings
    identity: Identity
    jwts: Jwts
    denials: Denials


class Authentication:
    """A middleware of all routes."""

    def __init__(self, app: ASGIApp, means: Means) -> None:
        self._app = app
        self._means = means

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            scope["user"], scope["auth"] = await self._principal(Request(scope, receive), facts_of(scope)), None
        await self._app(scope, receive, send)

    async def _principal(self, request: Request[Any, Any, Any], facts: Facts) -> Principal:
        is_safe = request.method in SAFE_METHODS
        access = access_of(request.route_handler)
        if is_safe and (access is None or access.reach is Reach.EVERYBODY):
            return anonymous(facts.address, facts.request_id)  # health is asked for while the database is away
        if (token := _bearer(request)) is not None:
            return await self._of_bearer(token, request, facts)
        if not is_safe:
            check_origin(request.headers, facts)
        cookie = request.cookies.get(cookie_name(self._means.settings))
        principal = await self._means.identity.of_session(cookie, facts) if cookie else None
        if principal is None:
            return anonymous(facts.address, facts.request_id)
        if not is_safe:
            await self._check_token(request, principal)
        return principal

    async def _of_bearer(self, token: str, request: Request[Any, Any, Any], facts: Facts) -> Principal:
        try:
            if token.startswith("pgc_"):
                return await self._means.identity.of_token(token, facts)
            return await self._means.jwts.principal(token, facts)
        except InvalidToken as error:
            if error.principal is not None:
                await self._means.denials.request(error.principal, request.method, request.scope["path"], str(error))
            raise

    async def _check_token(self, request: Request[Any, Any, Any], principal: Principal) -> None:
        assert principal.session_id is not None
        try:
            given = request.headers.get(HEADER.lower()) or await self._field_of_form(request)
            check_token(given, self._means.settings.signing_key, principal.session_id)
        except NotPermitted as error:
            await self._means.denials.request(principal, request.method, request.scope["path"], str(error))
            raise

    async def _field_of_form(self, request: Request[Any, Any, Any]) -> str:
        """A page's form carries the token as a field, for browsers without JavaScript. Its route gets the same parsed form."""
        length = request.headers.get("content-length", "")
        is_form = request.headers.get("content-type", "").partition(";")[0].strip() == FORM
        if not is_form or not length.isdecimal() or int(length) > self._means.settings.body_limit:
            return ""
        return str((await request.form()).get(FIELD, ""))


def _bearer(request: Request[Any, Any, Any]) -> str | None:
    """The bearer token; None without the header. Another scheme than Bearer is no token that anybody knows."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
