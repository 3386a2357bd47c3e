"""The list of jobs; and how screens find the job that a path names."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from pgcron_admin.database import Connection, Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.jobs import JobFilter
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import JobNotFound

CHIP_WORDS = {
    "all": "All", "failing": "Failing", "running": "Running", "disabled": "Disabled", "locked": "Locked", "overdue": "Overdue", "never_ran": "Never ran",
}  # fmt: skip
NOTICES = {
    "enabled": "The job is enabled.", "disabled": "The job is disabled.", "asked": "A run was asked for.", "skipped": "The next run will be skipped.",
    "rescheduled": "The schedule was changed.",
}  # fmt: skip
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Text = Annotated[str, Parameter(max_length=200)]


@get("/jobs", guards=[requires(Permission.VIEW)])
async def list_jobs(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    search: Text = "", tag: Text = "", show: Text = "all", sort: Text = "name", page: Annotated[int, Parameter(ge=1, le=10_000)] = 1,
) -> Response[str]:  # fmt: skip
    chosen = next((state for state in queries.CHIPS if state == show), None)
    chip, (order, descending) = chosen or "all", _sort(sort)
    wanted = JobFilter(
        search=search.strip() or None, tags=[tag] if tag else None, state=None if chip == "all" else chip
    )
    params = wanted.params() | {"limit": queries.PAGE, "offset": (page - 1) * queries.PAGE}
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, queries.jobs(wanted, order, descending=descending), params)
        counts = await one(connection, queries.COUNTS, params)
        bars = await last_runs(connection, [row["job_id"] for row in rows])
    asked = {
        "search": search.strip(),
        "tag": tag,
        "show": "" if chip == "all" else chip,
        "sort": "" if sort == "name" else sort,
    }
    matching = rows[0]["matching"] if rows else 0

    def link(**changes: str) -> str:
        chosen = {name: value for name, value in (asked | changes).items() if value}
        return "/jobs" + (f"?{urlencode(chosen)}" if chosen else "")

    return pages.show(
        request, principal, "jobs.html", title="Jobs", fleet=fleet, now=fleet["now"], told=None, asked=asked, chip=chip, sort=sort, link=link,
        chips=[(name, CHIP_WORDS[name], counts[name]) for name in ("all", *queries.CHIPS)], matching=matching, page=page, last_page=max(1, -(-matching // queries.PAGE)),
        jobs=[views.job_line(row, bars[row["job_id"]]) for row in rows],
    )  # fmt: skip


@get("/jobs/rows", guards=[requires(Permission.VIEW)])
async def show_rows(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    ids: Annotated[str, Parameter(max_length=10_000)] = "",
) -> Response[str]:  # fmt: skip
    """Rows that changed, each to be put in the place of the old one."""
    wanted = [UUID(text) for text in ids.split(",")[: queries.PAGE] if ID.fullmatch(text)]
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, queries.JOBS_BY_ID, {"ids": wanted})
        bars = await last_runs(connection, wanted)
    jobs = [views.job_line(row, bars[row["job_id"]]) for row in rows]
    return pages.show(
        request,
        principal,
        "job_rows_live.html",
        now=fleet["now"],
        jobs=jobs,
        link=lambda tag: f"/jobs?{urlencode({'tag': tag})}",
    )


def _sort(text: str) -> tuple[str, bool]:
    name = text.removeprefix("-")
    return (name, text.startswith("-")) if name in queries.SORTS else ("name", False)


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
