"""The tab of a job with its times to come, whom they meet, and how its schedule became what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.preview import PreviewAnswer, Wanted, preview
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries import schedules
from pgcron_admin.screens import queries
from pgcron_admin.screens.audit import entry_of
from pgcron_admin.screens.job_frame import frame_of
from pgcron_admin.screens.jobs import many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.run_form import OVERLAPS, defaults
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.timetable import load_zone

SHOWN = 20
HISTORY: LiteralString = """
SELECT a.* FROM pgcron.audit a WHERE a.job_id = %(job)s AND (a.action = 'job_created' OR a.action = 'job_changed' AND a.new_values ?| ARRAY[
  'schedule', 'timezone', 'extra_schedules', 'excluded_schedules', 'start_at', 'end_at', 'jitter_ms', 'dst_gap', 'dst_fold'])
ORDER BY a.audit_id DESC LIMIT 30
"""


@dataclass(frozen=True, slots=True)
class Coming:
    """note: what clocks do between the run before and this one. is_skipped: it will be a miss."""

    at: datetime
    note: str | None
    is_skipped: bool


def coming(instants: Sequence[datetime], zone_name: str, now: datetime, skip_until: datetime | None) -> list[Coming]:
    zone = load_zone(zone_name)
    found, before = [], now.astimezone(zone).utcoffset() or timedelta()
    for at in instants:
        offset = at.astimezone(zone).utcoffset() or timedelta()
        note = None
        if offset != before:
            word = "forward" if offset > before else "back"
            note = f"clocks go {word} by {abs(offset - before) // timedelta(minutes=1)} minutes before it"
        found.append(Coming(at, note, skip_until is not None and at <= skip_until))
        before = offset
    return found


@get("/jobs/{key:str}/timing", guards=[requires(Permission.VIEW)])
async def show_timing(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    shown: PreviewAnswer | None = None
    error: Exception | None = None
    upcoming: list[Coming] = []
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        frame = await frame_of(connection, key, principal)
        history = await many(connection, HISTORY, {"job": frame.id})
        try:
            timing, now = await schedules.job_timing(connection, frame.id)
            first = await asyncio.to_thread(lambda: timing.plan().next_after(now))
            others = [] if first is None else await schedules.others_near(connection, first, frame.id, timing.anchor)
            shown = await asyncio.to_thread(preview, Wanted(timing, now, "UTC", SHOWN), others)
            upcoming = coming([run.at for run in shown.next_runs], timing.timezone, now, frame.state["skip_until"])
        except (InvalidSchedule, UnknownTimeZone) as wrong:
            error = wrong
    return pages.show(
        request, principal, "job_timing.html", title=f"Schedule of {frame.name}", fleet=fleet, now=fleet["now"], told=None, refused=None, frame=frame,
        tab="/timing", shown=shown, error=error, upcoming=upcoming, history=[entry_of(row) for row in history], values=defaults(frame), problems={},
        overlaps=OVERLAPS,
    )  # fmt: skip
