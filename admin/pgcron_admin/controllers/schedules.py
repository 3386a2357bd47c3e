"""Schedules before and after they are saved: preview, plan, next runs, and why a job does not run."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec.structs import replace

from pgcron_admin.database import Database
from pgcron_admin.definitions import Schedule, Schedules, Zone
from pgcron_admin.parameters import checked_instant, checked_zone, words
from pgcron_admin.permissions import requires
from pgcron_admin.preview import NO_JOB, PreviewAnswer, Wanted, preview, sentence_of
from pgcron_admin.principal import Permission
from pgcron_admin.queries import schedules
from pgcron_admin.queries.schedules import ExplanationAnswer, NextRunsAnswer, PlanAnswer
from pgcron_admin.wire import Body
from pgcron_py.app.schedules import EPOCH
from pgcron_py.domain.job import Timing
from pgcron_py.timetable import load_zone


class PreviewBody(Body):
    """jobId: whose schedule it will be; it is no collision with itself. name: the job's, for H. viewTimezone: of the one who looks."""

    schedule: Schedule
    timezone: Zone = "UTC"
    view_timezone: Zone = "UTC"
    job_id: UUID | None = None
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    extra_schedules: Schedules = msgspec.field(default_factory=list)
    excluded_schedules: Schedules = msgspec.field(default_factory=list)
    start_at: datetime | None = None
    end_at: datetime | None = None
    dst_gap: Literal["run_after", "skip"] | None = None
    dst_fold: Literal["first", "both", "second"] | None = None

    def timing(self, name: str, anchor: datetime) -> Timing:
        return Timing(
            NO_JOB, name, self.schedule, self.timezone, anchor, 0, self.dst_gap, self.dst_fold, tuple(self.extra_schedules),
            tuple(self.excluded_schedules), checked_instant(self.start_at, "startAt"), checked_instant(self.end_at, "endAt"),
        )  # fmt: skip


class PlanBody(Body):
    """timezone: left out, it stays. count: how many occurrences of each are compared."""

    schedule: Schedule
    timezone: Zone | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10


@post("/schedules/preview", status_code=200, guards=[requires(Permission.VIEW)])
async def preview_schedule(data: JSONBody[PreviewBody], database: NamedDependency[Database]) -> PreviewAnswer:
    """What a schedule would do: in words, with warnings, its next ten runs in two zones, whom it meets, and quiet minutes nearby."""
    checked_zone(data.view_timezone, "viewTimezone")
    async with database.read() as connection:
        if data.job_id is None:
            now = await schedules.now_of(connection)
            timing = data.timing(data.name, EPOCH)
        else:
            job, now = await schedules.job_timing(connection, data.job_id)
            timing = data.timing(job.name, job.anchor)
        # Parsing is quick; what may be long goes to a thread, for it would hold up everybody's requests.
        first = await asyncio.to_thread(lambda: timing.plan().next_after(now))
        others = [] if first is None else await schedules.others_near(connection, first, data.job_id, EPOCH)
    return await asyncio.to_thread(preview, Wanted(timing, now, data.view_timezone), others)


@get("/cron-jobs/{job_id:uuid}/next-runs", guards=[requires(Permission.VIEW)])
async def show_next_runs(
    job_id: FromPath[UUID],
    database: NamedDependency[Database],
    timezone: Annotated[str, words("A second zone to show them in.", most=64)] = "UTC",
    count: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 20,
) -> NextRunsAnswer:
    """The next occurrences of a job, in its own zone and in another."""
    checked_zone(timezone, "timezone")
    async with database.read() as connection:
        return await schedules.next_runs_of(connection, job_id, timezone, count)


@post("/cron-jobs/{job_id:uuid}/plan", status_code=200, guards=[requires(Permission.VIEW)])
async def plan_schedule(
    job_id: FromPath[UUID], data: JSONBody[PlanBody], database: NamedDependency[Database]
) -> PlanAnswer:
    """What another schedule would change: its next occurrences before and after, side by side. Changes nothing."""
    async with database.read() as connection:
        old, now = await schedules.job_timing(connection, job_id)
        timezone = data.timezone or old.timezone
        load_zone(timezone)
        new = replace(old, schedule=data.schedule, timezone=timezone)
        sentence, warnings = await asyncio.to_thread(sentence_of, new, now)
        effects = await schedules.effects_of(connection, old, data.schedule, timezone, data.count)
    return PlanAnswer(sentence, warnings, effects)


@get("/cron-jobs/{job_id:uuid}/explain", guards=[requires(Permission.VIEW)])
async def explain_job(job_id: FromPath[UUID], database: NamedDependency[Database]) -> ExplanationAnswer:
    """Why a job does not run: the claim's conditions in their order, each with its evidence."""
    async with database.read() as connection:
        job, _ = await schedules.job_timing(connection, job_id)
        return await schedules.explanation_of(connection, job.name)
