"""The tab of a job with its runs."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import Text, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run_filter import Asked
from pgcron_admin.screens.run_form import OVERLAPS, defaults
from pgcron_admin.screens.run_list import run_list
from pgcron_admin.screens.runs import CHOICES, Cursor, told_of


@get("/jobs/{key:str}/runs", guards=[requires(Permission.VIEW)])
async def show_job_runs(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], cursors: NamedDependency[Cursors], status: Text = "", cause: Text = "", reason: Text = "", worker: Text = "",
    since: Text = "", until: Text = "", search: Text = "", error: Text = "", cursor: Cursor = "", done: Text = "",
) -> Response[str]:  # fmt: skip
    asked = Asked(status, "", cause, reason, worker, since, until, search, error)
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        frame = await frame_of(connection, key, principal)
        found = await run_list(connection, asked, cursor or None, cursors, fleet["now"], frame.id)
    return pages.show(
        request, principal, "job_runs.html", http_status=400 if found.wanted.problems else 200, title=f"Runs of {frame.name}", fleet=fleet, now=fleet["now"],
        told=told_of(done), refused=None, frame=frame, tab="/runs", list=found, values=defaults(frame), problems={}, overlaps=OVERLAPS, **CHOICES,
    )  # fmt: skip
