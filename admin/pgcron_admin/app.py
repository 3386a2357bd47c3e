"""The web application, put together: `create_app(settings)` is an ASGI application.

    app = create_app(load_admin_settings())                   # PGCRON_DATABASE_URL and PGCRON_ADMIN_… say the rest
    starlette.routes.Mount("/cron", app)                      # or FastAPI: app.mount("/cron", app); see docs/admin.md

Everything for programs is below /api; /health and /metrics are for those who watch over the process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import Receive, Scope, Send

from pgcron_admin.authentication import Authentication
from pgcron_admin.controllers import API_ROUTES
from pgcron_admin.controllers.health import health_routes
from pgcron_admin.database import Database
from pgcron_admin.front import Front
from pgcron_admin.openapi import describe_routes, openapi_routes
from pgcron_admin.permissions import check_declared
from pgcron_admin.principal import provide_principal
from pgcron_admin.problems import HANDLERS
from pgcron_admin.settings import AdminSettings, with_secret
from pgcron_admin.stopping import Stopping


class AdminApp(Litestar):
    """Litestar with a front: hosts, proxies and headers come before any route, also before there is one.

    stopping: set when the process ends; open streams end with it.
    """

    front: Front
    settings: AdminSettings
    database: Database
    stopping: Stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        await self.front(scope, receive, send)


def create_app(settings: AdminSettings) -> AdminApp:
    """The admin. Its database needn't be up yet. Raises InvalidArguments when there is no secret."""
    settings = with_secret(settings)
    database, stopping = Database(settings.database_url, settings.pool_size), Stopping()
    routes = [health_routes(settings.database_url), Router("/api", route_handlers=[*API_ROUTES, *openapi_routes()])]
    app = AdminApp(
        route_handlers=routes,
        middleware=[Authentication],
        exception_handlers=HANDLERS,
        dependencies={
            "database": Provide(lambda: database, sync_to_thread=False, use_cache=True),
            "settings": Provide(lambda: settings, sync_to_thread=False, use_cache=True),
            "stopping": Provide(lambda: stopping, sync_to_thread=False, use_cache=True),
            "principal": Provide(provide_principal),
        },
        lifespan=[partial(_running, database=database, stopping=stopping)],
        openapi_config=None,
        request_max_body_size=settings.body_limit,
        logging_config=None,
        debug=False,
    )  # fmt: skip
    app.settings, app.database, app.stopping = settings, database, stopping
    app.front = Front(super(AdminApp, app).__call__, settings)
    check_declared(app)
    describe_routes(app, routes)
    return app


@asynccontextmanager
async def _running(_: Litestar, *, database: Database, stopping: Stopping) -> AsyncIterator[None]:
    try:
        yield
    finally:
        stopping.set()
        await database.close()
