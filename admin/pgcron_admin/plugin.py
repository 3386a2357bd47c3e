"""The admin inside another Litestar application.

    Litestar(route_handlers=[…], plugins=[PgCronAdmin(load_admin_settings(), path="/cron")])

It stays an application of its own below that path: its errors, middleware, guards and OpenAPI document don't mix with the host's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.handlers import asgi
from litestar.plugins import InitPlugin
from litestar.types import Receive, Scope, Send

from pgcron_admin.app import create_app
from pgcron_admin.settings import AdminSettings


class PgCronAdmin(InitPlugin):
    """Raises InvalidArguments as create_app does."""

    def __init__(self, settings: AdminSettings, path: str = "/cron") -> None:
        self.path = path
        self.app = create_app(settings)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.route_handlers.append(asgi(self.path, is_mount=True, copy_scope=True)(self._serve))
        app_config.lifespan.append(self._running)
        return app_config

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["root_path"] = scope.get("root_path", "") + self.path
        scope["path"] = self.path + scope["path"].rstrip("/")  # Litestar adds a slash to what it mounts
        await self.app(scope, receive, send)

    @asynccontextmanager
    async def _running(self, _: Litestar) -> AsyncIterator[None]:
        async with self.app.lifespan():
            yield
