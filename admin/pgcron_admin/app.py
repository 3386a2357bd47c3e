"""The web application, put together: `create_app(settings)` is an ASGI application.

    app = create_app(load_admin_settings())                   # PGCRON_DATABASE_URL and PGCRON_ADMIN_… say the rest
    starlette.routing.Mount("/cron", app)                     # or FastAPI: app.mount("/cron", app); see docs/admin.md

Everything for programs is below /api; pages are at /; /health and /metrics are for those who watch over the process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from pgcron_admin.assets import Assets
from pgcron_admin.authentication import Authentication, Means
from pgcron_admin.bulk_runner import BulkRunner
from pgcron_admin.controllers import API_ROUTES
from pgcron_admin.controllers.forecast import Forecasts
from pgcron_admin.controllers.health import health_routes
from pgcron_admin.controllers.metrics import show_metrics
from pgcron_admin.controllers.overview import Days
from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.denials import Denials
from pgcron_admin.front import Front
from pgcron_admin.guessing import Passwords, Throttle
from pgcron_admin.identity import Identity
from pgcron_admin.jwts import Jwts
from pgcron_admin.live.hub import Hub
from pgcron_admin.live.listener import Listener
from pgcron_admin.metrics import Metrics
from pgcron_admin.openapi import document_of, openapi_routes
from pgcron_admin.permissions import allowed_methods, check_declared
from pgcron_admin.principal import provide_principal
from pgcron_admin.problems import HANDLERS
from pgcron_admin.recent import Recent
from pgcron_admin.screens.enhanced import tell_where
from pgcron_admin.screens.failures import page_or_problem
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.routes import SCREEN_ROUTES
from pgcron_admin.settings import AdminSettings, with_secret
from pgcron_admin.stopping import Stopping


@dataclass(frozen=True, slots=True)
class Parts:
    """What routes may ask for, by these names. A new part of the admin gets its line here."""

    settings: AdminSettings
    database: Database
    stopping: Stopping
    metrics: Metrics
    denials: Denials
    throttle: Throttle
    passwords: Passwords
    pages: Pages
    cursors: Cursors
    identity: Identity
    listener: Listener
    hub: Hub
    bulks: BulkRunner
    days: Days
    forecasts: Forecasts
    recent: Recent

    @classmethod
    def of(cls, settings: AdminSettings) -> Parts:
        database, stopping = Database(settings.database_url, settings.pool_size), Stopping()
        metrics, listener = Metrics(database), Listener(settings.database_url)
        hub = Hub(database, listener, stopping)
        metrics.watch(hub)
        return cls(
            settings, database, stopping, metrics, Denials(database), Throttle(database, settings.signing_key, metrics),
            Passwords(metrics), Pages(settings, Assets.found()), Cursors(settings.signing_key), Identity(database, settings.session_idle), listener, hub,
            BulkRunner(database, settings, stopping),
            Days(database), Forecasts(database, listener), Recent(database, listener),
        )  # fmt: skip

    def dependencies(self) -> dict[str, Provide]:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: Provide(_constant(part), sync_to_thread=False, use_cache=True) for name, part in named.items()}


class AdminApp(Litestar):
    """Litestar with a front: hosts, proxies and headers come before any route, also before there is one."""

    front: Front
    parts: Parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        await self.front(scope, receive, send)


def create_app(settings: AdminSettings) -> AdminApp:
    """The admin. Its database needn't be up yet. Raises InvalidArguments when there is no secret, or no good key of JWTs."""
    settings = with_secret(settings)
    parts = Parts.of(settings)
    means = Means(settings, parts.identity, Jwts(settings), parts.denials)
    routes: list[ControllerRouterHandler] = [
        health_routes(settings.database_url),
        show_metrics,
        Router("/api", route_handlers=[*API_ROUTES, *openapi_routes()]),
        SCREEN_ROUTES,
    ]
    app = AdminApp(
        route_handlers=routes,
        middleware=[DefineMiddleware(Authentication, means=means)],
        before_send=[tell_where],
        exception_handlers={**HANDLERS, HTTPException: page_or_problem},
        dependencies=parts.dependencies() | {"principal": Provide(provide_principal)},
        lifespan=[partial(_running, parts=parts)],
        openapi_config=None,
        request_max_body_size=settings.body_limit,
        logging_config=None,
        debug=False,
    )
    app.state.denials, app.state.pages = parts.denials, parts.pages
    app.state.openapi = document_of(app, routes)
    app.parts = parts
    app.front = Front(super(AdminApp, app).__call__, settings, parts.metrics)
    app.front.methods = allowed_methods(app)
    check_declared(app)
    return app


def _constant(part: Any) -> Any:
    return lambda: part


@asynccontextmanager
async def _running(_: Litestar, *, parts: Parts) -> AsyncIterator[None]:
    parts.bulks.start()
    try:
        yield
    finally:
        parts.stopping.set()
        await parts.hub.close()
        await parts.listener.close()
        await parts.bulks.stop()
        parts.passwords.close()
        await parts.database.close()
