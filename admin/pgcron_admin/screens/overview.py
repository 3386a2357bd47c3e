"""The first page: what is wrong, what runs, what comes next."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from pgcron_admin.controllers.overview import Days
from pgcron_admin.database import Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.job_states import job_counts
from pgcron_admin.queries.overview import health_checks, next_starts, now_running, stuck_runs
from pgcron_admin.screens import queries
from pgcron_admin.screens.attention import attention_of
from pgcron_admin.screens.day_chart import day_chart
from pgcron_admin.screens.jobs import many, one
from pgcron_admin.screens.rendering import Pages


@get("/", guards=[requires(Permission.VIEW)])
async def show_overview(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    days: NamedDependency[Days],
) -> Response[str]:  # fmt: skip
    day = await days.last()
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        counts = await job_counts(connection)
        running, upcoming = await now_running(connection), await next_starts(connection)
        checks, stuck = await health_checks(connection), await stuck_runs(connection)
        failing = await many(connection, queries.FAILING)
        workers = await many(connection, queries.WORKERS)
    return pages.show(
        request, principal, "overview.html", title="Overview", fleet=fleet, now=fleet["now"], told=None, counts=counts, day=day, running=running,
        upcoming=upcoming, attention=attention_of(checks, failing, stuck), live=[worker for worker in workers if worker["is_alive"]],
        chart=day_chart(day.from_, day.buckets, facts_of(request.scope).base_path), missed=sum(day.missed.values()),
    )  # fmt: skip
