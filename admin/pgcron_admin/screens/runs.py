"""All runs, and one run: its life, its error, its output."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter

from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.jobs import Text, many, one, one_or_none
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import NotFound

STATUSES = {"": "All", "RUNNING": "Running", "SUCCESS": "Success", "FAILED": "Failed"}
LINES = 1000


@get("/runs", guards=[requires(Permission.VIEW)])
async def list_runs(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    status: Text = "", before: Annotated[UUID | None, Parameter()] = None,
) -> Response[str]:  # fmt: skip
    chosen = status if status in STATUSES else ""
    params = {"job": None, "status": chosen, "before": before, "limit": queries.PAGE + 1}
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, queries.RUNS, params)
    runs = [views.run_line(row) for row in rows[: queries.PAGE]]
    return pages.show(
        request, principal, "runs.html", title="Runs", fleet=fleet, now=fleet["now"], told=None, runs=runs, status=chosen, statuses=STATUSES,
        next_page=runs[-1].id if len(rows) > queries.PAGE else None, is_first=before is None,
    )  # fmt: skip


@get("/runs/{run_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_run(
    run_id: FromPath[UUID], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        row = await one_or_none(connection, queries.RUN, {"run": run_id})
        if row is None:
            raise NotFound(f"no run is {run_id}", hint="old runs may be gone")
        lines = await many(connection, queries.OUTPUT, {"run": run_id, "limit": LINES})
    trace = row["stack_trace"] if principal.may(Permission.TRACE_READ) else None
    return pages.show(
        request, principal, "run.html", title=row["run"], fleet=fleet, now=fleet["now"], told=None, run=row, line=views.run_line(row),
        lines=list(reversed(lines)), is_cut=len(lines) == LINES, trace=trace,
    )  # fmt: skip
