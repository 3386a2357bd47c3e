"""Who sends this request: put into its scope before its route is asked whether they may."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pgcron_admin.front import facts_of
from pgcron_admin.principal import anonymous


class Authentication:
    """A middleware of all routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            facts = facts_of(scope)
            scope["user"], scope["auth"] = anonymous(facts.address, facts.request_id), None
        await self._app(scope, receive, send)
