"""The first page: what is wrong, what runs, what comes next."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.jobs import JobFilter
from pgcron_admin.screens import queries
from pgcron_admin.screens.jobs import many, one
from pgcron_admin.screens.rendering import Pages


@get("/", guards=[requires(Permission.VIEW)])
async def show_overview(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    nothing = JobFilter().params()
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        counts = await one(connection, queries.COUNTS, nothing)
        day = await one(connection, queries.DAY)
        running = await many(connection, queries.RUNNING)
        upcoming = await many(connection, queries.UPCOMING)
        health = await many(connection, queries.HEALTH)
        failing = await many(connection, queries.FAILING)
        workers = await many(connection, queries.WORKERS)
    return pages.show(
        request, principal, "overview.html", title="Overview", fleet=fleet, now=fleet["now"], told=None, counts=counts, day=day, running=running,
        upcoming=upcoming, health=health, failing=failing, live=[worker for worker in workers if worker["is_alive"]],
    )  # fmt: skip
