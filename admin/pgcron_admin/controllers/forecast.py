"""The forecast: what is going to start, and how much of it runs at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pgcron_admin.database import Database
from pgcron_admin.forecast import MINUTE, Load, Window, first_starts, heat_of
from pgcron_admin.kept import Kept
from pgcron_admin.live.listener import Listener
from pgcron_admin.parameters import checked_zone, instant, instant_of, words
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.forecasts import Chosen, Found, groups_of, seconds_left
from pgcron_admin.queries.kill_switch import FleetAnswer, fleet_of
from pgcron_admin.wire import Answer
from pgcron_py.errors import InvalidArguments
from pgcron_py.timetable import load_zone

KEPT_S = 30.0
AT_A_TIME = 2  # each may take a second of the database's time
MINUTES_MOST = 7 * 24 * 60
BACK_MOST = timedelta(days=1)
AHEAD_MOST = timedelta(days=400)


class StartAnswer(Answer):
    """expectedMs: how long the job's runs take in the mean; null when none succeeded yet."""

    at: datetime
    job_id: UUID
    job: str
    expected_ms: float | None


class PeakAnswer(Answer):
    at: datetime
    concurrent: int
    starts: int


class ForecastAnswer(Answer):
    """By the schedules and mean durations; blackouts, limits, jitter and overlap policies are not in it.

    startsPerMinute, concurrentPerMinute: from `from` on, the latter the most runs at any second of the minute. capacity: of the live
    workers. heat: starts by weekday (Monday first) and hour in `timezone`. upcoming: the first starts.
    isTruncated: jobsLeftOut could not be computed in time, or estimatedJobs have more occurrences than were computed: they go on as
    often as they came.
    """

    from_: datetime
    to: datetime
    timezone: str
    capacity: int
    jobs: int
    jobs_left_out: int
    estimated_jobs: int
    is_truncated: bool
    starts: int
    peaks: list[PeakAnswer]
    minutes_over_capacity: int
    starts_per_minute: list[int]
    concurrent_per_minute: list[int]
    heat: list[list[int]]
    upcoming: list[StartAnswer]


class Forecasts:
    """Kept for half a minute, or until a definition changes: many look at the same day."""

    def __init__(self, database: Database, listener: Listener) -> None:
        self._database, self._listener = database, listener
        self._turn = asyncio.Semaphore(AT_A_TIME)
        self._kept: Kept[tuple[Found, Load, FleetAnswer]] = Kept(KEPT_S)

    async def of(
        self, begin: datetime, minutes: int, chosen: Chosen, *, from_now: bool
    ) -> tuple[Found, Load, FleetAnswer]:
        self._listener.start()
        question = (begin, minutes, chosen, from_now, self._listener.heard)
        return await self._kept.get(question, lambda: self._made(begin, minutes, chosen, from_now))

    async def _made(
        self, begin: datetime, minutes: int, chosen: Chosen, from_now: bool
    ) -> tuple[Found, Load, FleetAnswer]:
        end = begin + timedelta(minutes=minutes) - timedelta(seconds=1)
        async with self._turn, self._database.read() as connection:
            fleet = await fleet_of(connection)
            running = await seconds_left(connection, chosen) if from_now else []
            found = await groups_of(connection, chosen, begin, end)
        window = Window(int(begin.timestamp()), minutes)
        # Tens of thousands of additions: others have their turn meanwhile.
        return found, await asyncio.to_thread(_load, window, found, running), fleet


def _load(window: Window, found: Found, running: list[int]) -> Load:
    window.add_running(running)
    for group in found.groups:
        window.add(group)
    return window.load()


@get("/forecast", guards=[requires(Permission.VIEW)])
async def show_forecast(
    forecasts: NamedDependency[Forecasts],
    begin: Annotated[str | None, instant("Begin, cut to the minute; left out: now.", "from")] = None,
    minutes: Annotated[int, QueryParameter(ge=1, le=MINUTES_MOST, description="How far it goes: a week at most.")] = 24
    * 60,
    timezone: Annotated[str, QueryParameter(description="Zone of the heat map.", max_length=64)] = "UTC",
    queue: Annotated[str | None, words("Jobs of this queue.")] = None,
    tag: Annotated[str | None, words("Jobs with this tag.")] = None,
    job_id: Annotated[UUID | None, QueryParameter(name="jobId", description="This job.")] = None,
    limit: Annotated[int, QueryParameter(ge=0, le=1000, description="How many of the first starts are told.")] = 200,
) -> ForecastAnswer:
    """Predicted starts and runs at a time, minute by minute, against the fleet's capacity; a heat map; the first starts."""
    now = datetime.now(UTC)
    start = (instant_of(begin, "from") or now).replace(second=0, microsecond=0)
    if not now - BACK_MOST <= start <= now + AHEAD_MOST:
        raise InvalidArguments("from: this is too far away", hint="give an instant of the next 400 days", field="from")
    zone = checked_zone(timezone, "timezone")
    found, load, fleet = await forecasts.of(start, minutes, Chosen(queue, tag, job_id), from_now=begin is None)
    estimated = sum(len(group.members) for group in found.groups if not group.is_complete)
    return ForecastAnswer(
        from_=start, to=start + timedelta(minutes=minutes), timezone=zone, capacity=fleet.capacity, jobs=found.jobs, jobs_left_out=found.left_out,
        estimated_jobs=estimated, is_truncated=found.left_out + estimated > 0, starts=load.total, peaks=_peaks(start, load),
        minutes_over_capacity=sum(count > fleet.capacity for count in load.concurrent), starts_per_minute=load.starts,
        concurrent_per_minute=load.concurrent, heat=heat_of(int(start.timestamp()), load.starts, load_zone(zone)),
        upcoming=[
            StartAnswer(at=datetime.fromtimestamp(at, UTC), job_id=UUID(job.id), job=job.name, expected_ms=job.mean_ms)
            for at, job in first_starts(found.groups, limit)
        ],
    )  # fmt: skip


def _peaks(start: datetime, load: Load, most: int = 10) -> list[PeakAnswer]:
    """The minutes with the most runs at a time, the earliest first among equals."""
    order = sorted(range(len(load.concurrent)), key=lambda minute: (-load.concurrent[minute], minute))[:most]
    return [
        PeakAnswer(at=start + timedelta(seconds=minute * MINUTE), concurrent=load.concurrent[minute], starts=load.starts[minute])
        for minute in order
        if load.concurrent[minute]
    ]  # fmt: skip
