"""The tab of a job with what was changed of it."""

from __future__ import annotations

from typing import Annotated, Any, LiteralString
from uuid import UUID

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter

from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries
from pgcron_admin.screens.audit import entry_of
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run_form import OVERLAPS, defaults

ENTRIES: LiteralString = """
SELECT a.* FROM pgcron.audit a WHERE a.job_id = %(job)s AND (%(before)s::uuid IS NULL OR a.audit_id < %(before)s) ORDER BY a.audit_id DESC LIMIT %(limit)s
"""


@get("/jobs/{key:str}/audit", guards=[requires(Permission.AUDIT_READ)])
async def show_job_audit(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], before: Annotated[UUID | None, Parameter()] = None,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        frame = await frame_of(connection, key, principal)
        rows = await many(connection, ENTRIES, {"job": frame.id, "before": before, "limit": queries.PAGE + 1})
    entries = [entry_of(row) for row in rows[: queries.PAGE]]
    return pages.show(
        request, principal, "job_audit.html", title=f"Audit of {frame.name}", fleet=fleet, now=fleet["now"], told=None, refused=None, frame=frame, tab="/audit",
        entries=entries, next_page=entries[-1].id if len(rows) > queries.PAGE else None, values=defaults(frame), problems={}, overlaps=OVERLAPS,
    )  # fmt: skip
