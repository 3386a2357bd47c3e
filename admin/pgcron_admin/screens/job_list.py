"""The list of jobs: searched, filtered and sorted by its URL, live, with one of them beside it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter, QueryParameter

from pgcron_admin.database import Connection, Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.jobs import JobFilter, State
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.jobs import ID, Text, job_of, last_runs, many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import JobNotFound

CHIP_WORDS = {
    "all": "All", "failing": "Failing", "running": "Running", "disabled": "Disabled", "locked": "Locked", "overdue": "Overdue", "never_ran": "Never ran",
}  # fmt: skip
# Columns that can be hidden, by what a URL calls them.
COLUMNS = {
    "status": "Status", "runs": "Last 30 runs", "last": "Last run", "next": "Next run", "rate": "Success, 7 d", "duration": "p50 and p95, 7 d", "owner": "Owner",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Panel:
    """A job beside the list."""

    line: views.JobLine
    description: str | None
    handler: str
    upcoming: list[datetime]

    def commands(self, base: str) -> list[tuple[str, str]]:
        """The same deed elsewhere: by SQL, by the command line, over the API."""
        name = self.line.name
        quoted = "'" + name.replace("'", "''") + "'"
        return [
            ("SQL", f"SELECT pgcron.run_now({quoted});"),
            ("CLI", f"pgcron jobs run {shlex.quote(name)}"),
            ("curl", f'curl -X POST -H "Authorization: Bearer $PGCRON_TOKEN" "$PGCRON_ADMIN_URL{base}/api/cron-jobs/{self.line.id}/trigger"'),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What the list shows, as its URL says. Unknown words count as none: links outlive versions."""

    search: str = ""
    tag: str = ""
    show: str = ""
    sort: str = ""
    hide: str = ""
    open: str = ""
    page: int = 1

    @property
    def filter(self) -> JobFilter:
        return JobFilter(
            search=self.search or None,
            tags=[self.tag] if self.tag else None,
            state=cast("State | None", self.show or None),
        )

    @property
    def order(self) -> tuple[str, bool]:
        return self.sort.removeprefix("-") or "name", self.sort.startswith("-")

    @property
    def hidden(self) -> tuple[str, ...]:
        return tuple(self.hide.split(",")) if self.hide else ()

    def link(self, **changes: str) -> str:
        """The same list but for `changes`; a list that changes begins with its first page."""
        params = {
            "search": self.search,
            "tag": self.tag,
            "show": self.show,
            "sort": self.sort,
            "hide": self.hide,
        } | changes
        chosen = {name: value for name, value in params.items() if value}
        return "/jobs" + (f"?{urlencode(chosen)}" if chosen else "")

    def rows_link(self, matching: int) -> str:
        return "/jobs/rows?" + urlencode(
            {"search": self.search, "tag": self.tag, "show": self.show, "hide": self.hide, "seen": matching}
        )


def asked_for(
    search: str, tag: str, show: str, sort: str = "", hide: str = "", open_: str = "", page: int = 1
) -> Asked:
    return Asked(
        search.strip(), tag, show if show in queries.CHIPS else "", sort if sort.removeprefix("-") in queries.SORTS and sort != "name" else "",
        ",".join(name for name in COLUMNS if name in hide.split(",")), open_, page,
    )  # fmt: skip


@get("/jobs", guards=[requires(Permission.VIEW)])
async def list_jobs(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    search: Text = "", tag: Text = "", show: Text = "", sort: Text = "", hide: Text = "", open_: Annotated[str, QueryParameter(name="open", max_length=200)] = "",
    page: Annotated[int, Parameter(ge=1, le=10_000)] = 1,
) -> Response[str]:  # fmt: skip
    asked = asked_for(search, tag, show, sort, hide, open_, page)
    wanted, (order, descending) = asked.filter, asked.order
    params = wanted.params() | {"limit": queries.PAGE, "offset": (page - 1) * queries.PAGE}
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, queries.jobs(wanted, order, descending=descending), params)
        counts = await one(connection, queries.COUNTS, params)
        lines = await _lines(connection, rows)
        panel = await panel_of(connection, asked.open) if asked.open else None
    matching = rows[0]["matching"] if rows else 0
    return pages.show(
        request, principal, "jobs.html", title="Jobs", fleet=fleet, now=fleet["now"], told=None, asked=asked, columns=COLUMNS, panel=panel,
        chips=[(name, CHIP_WORDS[name], counts[name]) for name in ("all", *queries.CHIPS)], matching=matching, last_page=max(1, -(-matching // queries.PAGE)),
        jobs=lines,
    )  # fmt: skip


@get("/jobs/rows", guards=[requires(Permission.VIEW)])
async def show_rows(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    ids: Annotated[str, Parameter(max_length=10_000)] = "", search: Text = "", tag: Text = "", show: Text = "", hide: Text = "",
    seen: Annotated[int, Parameter(ge=0)] = 0,
) -> Response[str]:  # fmt: skip
    """Rows that changed, each to be put in the place of the old one, and how many match that were not there."""
    asked = asked_for(search, tag, show, hide=hide)
    wanted = [UUID(text) for text in ids.split(",")[: queries.PAGE] if ID.fullmatch(text)]
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        matching = await one(connection, queries.still_matching(asked.filter), asked.filter.params() | {"ids": wanted})
        rows = await many(connection, queries.JOBS_BY_ID, {"ids": wanted})
        lines = await _lines(connection, rows, set(matching["ids"]))
    return pages.show(
        request, principal, "job_rows_live.html", now=fleet["now"], jobs=lines, asked=asked, new=max(0, matching["matching"] - seen), columns=COLUMNS
    )  # fmt: skip


@get("/jobs/{key:str}/panel", guards=[requires(Permission.VIEW)])
async def show_panel(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    """The job beside the list, again: it changed."""
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        panel = await panel_of(connection, key)
    return pages.show(request, principal, "job_panel.html", now=fleet["now"], panel=panel, asked=Asked())


async def _lines(
    connection: Connection, rows: list[views.Row], matching: set[UUID] | None = None
) -> list[views.JobLine]:
    """matching: those that belong to the list; None = all do."""
    jobs = [row["job_id"] for row in rows]
    bars = await last_runs(connection, jobs)
    weeks = {row.pop("job_id"): views.Week(**row) for row in await many(connection, queries.WEEKS, {"jobs": jobs})}
    return [
        views.job_line(row, bars[row["job_id"]], weeks.get(row["job_id"], views.Week()), matches=matching is None or row["job_id"] in matching)
        for row in rows
    ]  # fmt: skip


async def panel_of(connection: Connection, key: str) -> Panel | None:
    """None for a job that is not (or no longer) there: the list is shown all the same."""
    try:
        name, job = await job_of(connection, key)
    except JobNotFound:
        return None
    row = await one(connection, queries.JOB, {"job": job})
    (line,) = await _lines(connection, [row])
    upcoming = await one(connection, queries.NEXT_RUNS, {"name": name, "n": 5})
    return Panel(line, row["description"], row["handler"], upcoming["instants"])
