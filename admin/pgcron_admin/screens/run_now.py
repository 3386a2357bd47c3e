"""A run now: at once, or with arguments, another overlap policy, or without a live worker."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.controllers.cron_jobs import demand_sql
from pgcron_admin.database import Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.job import job_page
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run_form import OVERLAPS, defaults, read
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import JobNotFound, PgCronError, TooManyRequests
from pgcron_py.storage.sqlstates import http_status


@get("/jobs/{key:str}/run", guards=[requires(Permission.TRIGGER)])
async def show_run_form(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    return await _form(key, request, principal, pages, database)


async def _form(
    key: str, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, data: dict[str, str] | None = None,
    problems: dict[str, str] | None = None, refused: PgCronError | None = None, status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        frame = await frame_of(connection, key, principal)
    return pages.show(
        request, principal, "run_now.html", http_status=status, title=f"Run {frame.name}", fleet=fleet, now=fleet["now"], told=None, frame=frame,
        values=data if data is not None else defaults(frame), problems=problems or {}, refused=refused, overlaps=OVERLAPS,
    )  # fmt: skip


@post("/jobs/{key:str}/run", guards=[requires(Permission.TRIGGER)], name="page_run")
async def run_now(
    key: FromPath[str], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], settings: NamedDependency[AdminSettings],
) -> Response[Any]:  # fmt: skip
    """A form with `with` says how; without it, as the job says."""
    reason, has_form = data.get("reason", "").strip()[:1000] or None, "with" in data
    args = None
    async with database.read() as connection:
        frame = await frame_of(connection, key, principal)
    if has_form:
        args, problems = read(frame, data)
        if problems:
            return await _form(key, request, principal, pages, database, data=data, problems=problems, status=400)
    try:
        async with database.transaction(
            principal, reason=reason
        ) as connection:  # its limit is counted before the job is locked
            overlap = (data.get("overlap") or None) if has_form else None
            await commands.run_now(
                connection,
                frame.id,
                principal,
                settings,
                args=args,
                overlap=overlap,
                force=has_form and data.get("force") == "1",
            )
            if args is not None:
                await demand_sql(request, connection, frame.id)
    except JobNotFound:
        raise
    except PgCronError as error:
        status = http_status(error)
        shown = (
            await _form(key, request, principal, pages, database, data=data, refused=error, status=status)
            if has_form
            else await job_page(key, request, principal, pages, database, refused=error, status=status)
        )
        if isinstance(error, TooManyRequests):
            shown.headers["Retry-After"] = str(error.retry_after)
        return shown
    return Redirect(f"{facts_of(request.scope).base_path}{frame.path}?done=asked", status_code=303)
