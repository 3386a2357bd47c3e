"""Who may do what. Every route says which permission it needs, or the application refuses to be built.

    @post("/cron-jobs/{job_id:uuid}/enable", guards=[requires(Permission.ENABLE)])      a permission
    @get("/auth/me", guards=[signed_in])                                                 anybody who is signed in
    @post("/auth/sign-in", guards=[open_to_all])                                         everybody

The row of a new route in the table of tests/admin/test_permissions.py is part of it: without one that test fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import HTTPRoute

from pgcron_admin.denials import Denials
from pgcron_admin.principal import Permission, Principal, principal_of
from pgcron_py.errors import NotPermitted, NotSignedIn, PgCronError

__all__ = [
    "Access",
    "Permission",
    "access_of",
    "check_declared",
    "demand",
    "in_person",
    "open_to_all",
    "requires",
    "signed_in",
]


class Reach(StrEnum):
    """Whom a route is for, apart from permissions."""

    EVERYBODY = "everybody"
    SIGNED_IN = "signed in"
    IN_PERSON = "signed in by a session, not by a token"
    PERMITTED = "permitted"


@dataclass(frozen=True, slots=True)
class Access:
    """A guard of Litestar that says whom a route is for, and sees to it."""

    reach: Reach
    permission: Permission | None = None

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal = principal_of(connection)
        if self.reach is Reach.EVERYBODY:
            return
        if not principal.is_known:
            raise NotSignedIn()
        if (refused := self._refusal(principal)) is not None:
            await _deny(connection, principal, refused)

    def _refusal(self, principal: Principal) -> NotPermitted | None:
        if self.reach is Reach.IN_PERSON and principal.session_id is None:
            return NotPermitted("this can't be done with a token", hint="sign in with a password")
        if self.permission is not None and not principal.may(self.permission):
            return PermissionMissing(self.permission)
        return None


class PermissionMissing(NotPermitted):
    """permission: the one that is missing."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"this needs the permission {permission}", hint="ask a super admin for a role that has it")
        self.permission = permission


open_to_all = Access(Reach.EVERYBODY)
signed_in = Access(Reach.SIGNED_IN)
in_person = Access(Reach.IN_PERSON)


def requires(permission: Permission) -> Access:
    """Of a route for those with this permission."""
    return Access(Reach.PERMITTED, permission)


async def demand(connection: ASGIConnection[Any, Any, Any, Any], permission: Permission) -> None:
    """For what a route finds in its body or in the database: as its guard would. Raises PermissionMissing."""
    principal = principal_of(connection)
    if not principal.may(permission):
        await _deny(connection, principal, PermissionMissing(permission))


async def _deny(
    connection: ASGIConnection[Any, Any, Any, Any], principal: Principal, refused: NotPermitted
) -> NoReturn:
    denials: Denials = connection.app.state.denials
    await denials.request(principal, str(connection.scope.get("method")), connection.scope["path"], str(refused))
    raise refused


def access_of(handler: BaseRouteHandler) -> Access | None:
    """What a route says of itself; None when it says nothing, or not one thing."""
    found = [guard for guard in handler.resolve_guards() if isinstance(guard, Access)]
    return found[0] if len(found) == 1 else None


def routes_of(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Method, path and handler of each route that is not OPTIONS."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods):
                    if method != "OPTIONS":
                        yield str(method), route.path_format, handler


def allowed_methods(app: Litestar) -> dict[str, bytes]:
    """The header Allow of each path."""
    found: dict[str, set[str]] = {}
    for method, path, _ in routes_of(app):
        found.setdefault(path, {"OPTIONS"}).add(method)
    return {path: ", ".join(sorted(methods)).encode() for path, methods in found.items()}


def check_declared(app: Litestar) -> None:
    """Raises PgCronError when a route doesn't say whom it is for: nothing is open by forgetfulness."""
    silent = [f"{method} {path}" for method, path, handler in routes_of(app) if access_of(handler) is None]
    if silent:
        raise PgCronError(
            f"no single access is declared for {', '.join(silent)}",
            hint="give each route one of guards=[requires(Permission.…)], [signed_in], [in_person] or [open_to_all]",
        )
