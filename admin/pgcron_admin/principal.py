"""Who sends a request: somebody with a session, a token or a JWT, or nobody that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection

from pgcron_admin.preferences import Preferences

ACTOR_LENGTH = 200


class Permission(StrEnum):
    """MANAGE covers all the others but USER_ADMIN and SQL_EDIT."""

    MANAGE = "system.cron.manage"
    VIEW = "cron.view"
    TRIGGER = "cron.trigger"
    ENABLE = "cron.enable"
    SCHEDULE_EDIT = "cron.schedule.edit"
    TRACE_READ = "cron.trace.read"
    SQL_EDIT = "cron.sql.edit"
    AUDIT_READ = "cron.audit.read"
    USER_ADMIN = "cron.user.admin"


WORDS = frozenset(permission.value for permission in Permission)
DEFAULTS = Preferences()
COVERED = frozenset(Permission) - {Permission.USER_ADMIN, Permission.SQL_EDIT}


def permissions_of(granted: Iterable[str]) -> frozenset[Permission]:
    """What these words allow, with what they cover; words that are no permission allow nothing."""
    found = frozenset(Permission(word) for word in granted if word in WORDS)
    return found | COVERED if Permission.MANAGE in found else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """kind: how they are known. session_id, token_id: the one that was used; never a secret.

    address: the client's, as far as trusted proxies tell it. request_id: of this request. good_until: of a JWT, in seconds since 1970.
    preferences: of who has a session; the defaults for all others.
    """

    kind: Literal["anonymous", "session", "token", "jwt"]
    name: str
    permissions: frozenset[Permission]
    address: str | None
    request_id: str
    user_id: UUID | None = None
    role: str | None = None
    session_id: UUID | None = None
    token_id: str | None = None
    good_until: float | None = None
    preferences: Preferences = DEFAULTS

    @property
    def is_known(self) -> bool:
        return self.kind != "anonymous"

    @property
    def actor(self) -> str:
        """As the audit names them: `web:ana`, `token:7f3a…:ana`, `jwt:billing`."""
        match self.kind:
            case "session":
                told = f"web:{self.name}"
            case "token":
                told = f"token:{self.token_id}:{self.name}"
            case "jwt":
                told = f"jwt:{self.name}"
            case "anonymous":
                told = "web:anonymous"
        return told[:ACTOR_LENGTH]

    @property
    def means(self) -> str:
        """What they are known by, for the audit; at most 50 characters, and no secret."""
        if self.session_id is not None:
            return f"session {self.session_id}"
        return f"token {self.token_id}" if self.token_id is not None else ""

    @property
    def subject(self) -> str:
        """Whom limits count for: a user, however they come, or the name in a JWT."""
        return f"user {self.user_id}" if self.user_id is not None else f"{self.kind} {self.name}"[:ACTOR_LENGTH]

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def named(self, name: str) -> Principal:
        """The same request, by somebody who says that they are `name`."""
        return replace(self, name=name)


def anonymous(address: str | None, request_id: str) -> Principal:
    return Principal(
        kind="anonymous", name="anonymous", permissions=frozenset(), address=address, request_id=request_id
    )


def principal_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
    principal = connection.scope["user"]
    assert isinstance(principal, Principal)
    return principal


async def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """The dependency `principal` of routes."""
    return principal_of(request)
