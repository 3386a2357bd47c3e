"""The timeline: what comes against what there is room for, when the week is busy, and what has run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from litestar import Request, Response, get
from litestar.di import NamedDependency

from pgcron_admin.controllers.forecast import AHEAD_MOST, BACK_MOST, Forecasts
from pgcron_admin.database import Connection, Database
from pgcron_admin.forecast import heat_of
from pgcron_admin.parameters import instant_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.forecasts import Chosen, Found
from pgcron_admin.queries.timelines import RUNS_MOST, all_tags, durations_of, past_misses, past_runs, tags_of
from pgcron_admin.screens import gantt, lanes, queries
from pgcron_admin.screens.axis import Axis
from pgcron_admin.screens.heat import DAYS, hour_of, slot_of, week_of
from pgcron_admin.screens.jobs import Text, one
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import InvalidArguments, UnknownTimeZone
from pgcron_py.timetable import load_zone

RANGES = {"1h": 60, "6h": 360, "24h": 1440, "7d": 10_080}
PAST_RANGES = {"1h": 60, "6h": 360, "24h": 1440}
WEEK_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class View:
    """What the URL says. problems: by field; then the default holds in its place. start: None: now."""

    path: str
    range: str
    tag: str
    by: str
    zone: ZoneInfo
    zone_name: str
    start: datetime | None
    start_text: str
    problems: dict[str, str]
    usual_zone: str

    def link(self, path: str = "", **changes: str) -> str:
        told = {
            "range": self.range,
            "tag": self.tag,
            "by": self.by,
            "zone": self.zone_name,
            "from": self.start_text,
        } | changes
        usual = {"range": "6h", "by": "job", "zone": self.usual_zone}
        query = urlencode({name: value for name, value in told.items() if value and usual.get(name) != value})
        return (path or self.path) + (f"?{query}" if query else "")


def _view(
    path: str,
    range_: str,
    tag: str,
    by: str,
    zone: str,
    begin: str,
    ranges: dict[str, int],
    now: datetime,
    usual_zone: str,
) -> View:
    problems: dict[str, str] = {}
    start, known = None, ZoneInfo(usual_zone)
    try:
        known = load_zone(zone.strip() or usual_zone)
    except UnknownTimeZone as error:
        problems["zone"] = f"{error}{f': {error.hint}' if error.hint else ''}"
    try:
        start = instant_of(begin.strip() or None, "from")
        if start is not None and not now - BACK_MOST <= start <= now + AHEAD_MOST and path == "/timeline":
            raise InvalidArguments("from: this is too far away", hint="give an instant of the next 400 days")
        start = None if start is None else start.replace(second=0, microsecond=0)
    except InvalidArguments as error:
        start, problems["from"] = None, f"{error}: {error.hint}"
    return View(
        path, range_ if range_ in ranges else "6h", tag.strip(), "tag" if by == "tag" else "job", known, zone.strip() or usual_zone, start, begin.strip(), problems, usual_zone
    )  # fmt: skip


@get("/timeline", guards=[requires(Permission.VIEW)])
async def show_upcoming(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    forecasts: NamedDependency[Forecasts], range: Text = "6h", tag: Text = "", by: Text = "job", zone: Text = "", at: Text = "",
) -> Response[str]:  # fmt: skip
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    view = _view(
        "/timeline",
        range,
        tag,
        by,
        zone,
        request.query_params.get("from", "")[:40],
        RANGES,
        now,
        principal.preferences.fixed_zone or "UTC",
    )
    begin, minutes = view.start or now, RANGES[view.range]
    found, load, room = await forecasts.of(begin, minutes, Chosen(tag=view.tag or None), from_now=view.start is None)
    axis = Axis(begin, begin + timedelta(minutes=minutes), view.zone)
    jobs = lanes.first_jobs(found.groups)
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        tags = await all_tags(connection)
        shown = await _lanes(connection, view, axis, found, jobs)
    row = lanes.load_row(axis, load, room.capacity)
    chosen = lanes.minute_jobs(axis, load, found.groups, _minute(at, begin), row.minutes if at else 1) if at else None
    return pages.show(
        request, principal, "timeline.html", http_status=400 if view.problems else 200, title="Timeline", fleet=fleet, now=fleet["now"], told=None, view=view,
        ranges=list(RANGES), axis=axis, load=row, lanes=shown[: lanes.LANES_MOST], lanes_left_out=max(_lane_count(view, jobs, shown) - lanes.LANES_MOST, 0),
        tags=tags, chosen=chosen, starts=load.total, **_left_out(found),
    )  # fmt: skip


def _minute(text: str, otherwise: datetime) -> datetime:
    try:
        return instant_of(text, "at") or otherwise
    except InvalidArguments:
        return otherwise


async def _lanes(connection: Connection, view: View, axis: Axis, found: Found, jobs: list[Any]) -> list[lanes.Lane]:
    if view.by == "tag":
        return lanes.tag_lanes(axis, found.groups, await tags_of(connection, [id_ for id_, _, _ in jobs]))
    first = jobs[: lanes.LANES_MOST]
    return lanes.job_lanes(axis, first, await durations_of(connection, [id_ for id_, _, _ in first]))


def _lane_count(view: View, jobs: list[Any], shown: list[lanes.Lane]) -> int:
    return len(shown) if view.by == "tag" else len(jobs)


def _left_out(found: Found) -> dict[str, int]:
    estimated = sum(len(group.members) for group in found.groups if not group.is_complete)
    return {"job_count": found.jobs, "jobs_left_out": found.left_out, "jobs_estimated": estimated}


@get("/timeline/heat", guards=[requires(Permission.VIEW)])
async def show_heat(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    forecasts: NamedDependency[Forecasts], tag: Text = "", zone: Text = "", slot: Text = "",
) -> Response[str]:  # fmt: skip
    begin = datetime.now(UTC).replace(second=0, microsecond=0)
    view = _view("/timeline/heat", "6h", tag, "job", zone, "", RANGES, begin, principal.preferences.fixed_zone or "UTC")
    found, load, _ = await forecasts.of(begin, WEEK_MINUTES, Chosen(tag=view.tag or None), from_now=False)
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        tags = await all_tags(connection)
    hour = slot_of(slot)
    return pages.show(
        request, principal, "timeline_heat.html", http_status=400 if view.problems else 200, title="Heat map", fleet=fleet, now=fleet["now"], told=None,
        view=view, tags=tags, days=DAYS, week=week_of(heat_of(int(begin.timestamp()), load.starts, view.zone)), slot=hour,
        minutes=hour_of(begin, load.starts, view.zone, *hour) if hour else [], **_left_out(found),
    )  # fmt: skip


@get("/timeline/past", guards=[requires(Permission.VIEW)])
async def show_past(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    range: Text = "6h", tag: Text = "", zone: Text = "",
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        now = fleet["now"]
        view = _view(
            "/timeline/past",
            range,
            tag,
            "job",
            zone,
            request.query_params.get("from", "")[:40],
            PAST_RANGES,
            now,
            principal.preferences.fixed_zone or "UTC",
        )
        length = timedelta(minutes=PAST_RANGES[view.range])
        axis = Axis(view.start or now - length, (view.start + length) if view.start else now, view.zone)
        runs = await past_runs(connection, axis.begin, axis.end, view.tag or None)
        misses = await past_misses(connection, axis.begin, axis.end, view.tag or None)
        tags = await all_tags(connection)
    shown = gantt.past_lanes(axis, runs, misses, now)
    return pages.show(
        request, principal, "timeline_past.html", http_status=400 if view.problems else 200, title="What ran", fleet=fleet, now=now, told=None, view=view,
        ranges=list(PAST_RANGES), axis=axis, lanes=shown[: gantt.LANES_MOST], lanes_left_out=max(len(shown) - gantt.LANES_MOST, 0), tags=tags,
        run_count=len(runs), is_cut=len(runs) >= RUNS_MOST, earlier=(axis.begin - length).isoformat(timespec="seconds").replace("+00:00", "Z"),
        later=axis.end.isoformat(timespec="seconds").replace("+00:00", "Z") if axis.end < now else "",
    )  # fmt: skip
