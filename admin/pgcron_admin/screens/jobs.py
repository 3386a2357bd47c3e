"""The list of jobs, one job, and what can be done to it."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.database import Connection, Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import JobNotFound, PgCronError, TooManyRequests
from pgcron_py.storage.sqlstates import http_status

NOTICES = {
    "enabled": "The job is enabled.", "disabled": "The job is disabled.", "asked": "A run was asked for.", "skipped": "The next run will be skipped.",
    "rescheduled": "The schedule was changed.",
}  # fmt: skip
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Text = Annotated[str, Parameter(max_length=200)]


@get("/jobs/{key:str}", guards=[requires(Permission.VIEW)])
async def show_job(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], done: Text = "",
) -> Response[str]:  # fmt: skip
    return await job_page(key, request, principal, pages, database, told=NOTICES.get(done))


async def job_page(
    key: str, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, told: str | None = None,
    refused: PgCronError | None = None, status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        name, job = await job_of(connection, key)
        row = await one(connection, queries.JOB, {"job": job})
        bars = await last_runs(connection, [row["job_id"]])
        statistics = await many(connection, queries.STATISTICS, {"name": name})
        runs = await many(connection, queries.RUNS, {"job": row["job_id"], "status": "", "before": None, "limit": 20})
        steps = await many(connection, queries.EXPLAIN, {"name": name})
        upcoming = await one(connection, queries.NEXT_RUNS, {"name": name, "n": 10})
        changes = await many(connection, queries.AUDIT_OF_JOB, {"job": row["job_id"]})
    return pages.show(
        request, principal, "job.html", http_status=status, title=name, fleet=fleet, now=fleet["now"], told=told, refused=refused, job=row,
        line=views.job_line(row, bars[row["job_id"]]), statistics=statistics, runs=[views.run_line(run) for run in runs], steps=steps,
        upcoming=upcoming["instants"], changes=changes, path=views.job_path(name, job),
    )  # fmt: skip


# Permission, and what is told when it is done.
DEEDS = {
    "enable": (Permission.ENABLE, "enabled"),
    "disable": (Permission.ENABLE, "disabled"),
    "skip-next": (Permission.TRIGGER, "skipped"),
    "run": (Permission.TRIGGER, "asked"),
}


def deed(word: str) -> Any:
    """The route of POST /jobs/{name}/{word}: done, then back to the job; or the job's page with what was refused."""
    permission, told = DEEDS[word]

    @post(f"/jobs/{{key:str}}/{word}", guards=[requires(permission)], name=f"page_{word}")
    async def do(
        key: FromPath[str], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
        database: NamedDependency[Database], settings: NamedDependency[AdminSettings],
    ) -> Response[Any]:  # fmt: skip
        reason = data.get("reason", "").strip()[:1000] or None
        try:
            async with database.transaction(principal, reason=reason) as connection:
                name, job = await job_of(connection, key)
                if word == "run":  # its limit is counted before the job is locked
                    await commands.run_now(connection, job, principal, settings, args=None, overlap=None, force=False)
                elif word == "disable":
                    await commands.disable(connection, await commands.locked(connection, job), reason, None)
                elif word == "enable":
                    await commands.enable(connection, await commands.locked(connection, job))
                else:
                    await commands.skip_next(connection, await commands.locked(connection, job))
        except JobNotFound:
            raise
        except PgCronError as error:
            shown = await job_page(key, request, principal, pages, database, refused=error, status=http_status(error))
            if isinstance(error, TooManyRequests):
                shown.headers["Retry-After"] = str(error.retry_after)
            return shown
        back = f"{views.job_path(name, job)}?done={told}"
        return Redirect(facts_of(request.scope).base_path + back, status_code=303)

    return do


async def last_runs(connection: Connection, jobs: list[Any]) -> dict[Any, list[views.Row]]:
    found: dict[Any, list[views.Row]] = defaultdict(list)
    for row in await many(connection, queries.LAST_RUNS, {"jobs": jobs, "limit": views.BARS}):
        found[row["job_id"]].append(row)
    return found


async def job_of(connection: Connection, key: str) -> tuple[str, UUID]:
    """Name and id of the job that a path names. Raises JobNotFound."""
    row = await one_or_none(connection, queries.JOB_OF, {"key": key})
    if row is None:
        raise JobNotFound(f"no job is named {key!r}")
    return row["name"], row["id"]


async def many(connection: Connection, query: Any, params: dict[str, Any] | None = None) -> list[views.Row]:
    return await (await connection.execute(query, params)).fetchall()


async def one_or_none(connection: Connection, query: Any, params: dict[str, Any] | None = None) -> views.Row | None:
    return await (await connection.execute(query, params)).fetchone()


async def one(connection: Connection, query: Any, params: dict[str, Any] | None = None) -> views.Row:
    row = await one_or_none(connection, query, params)
    assert row is not None, "a query of one row"
    return row
