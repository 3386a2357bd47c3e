"""Jobs as the original design's controller had them: list, detail, logs, statistics, enable, disable, trigger, schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from litestar import MediaType, Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import structs

from pgcron_admin import commands
from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Connection, Database
from pgcron_admin.definitions import Overlap, Schedule, Zone
from pgcron_admin.once import once
from pgcron_admin.parameters import (
    IdempotencyKey,
    IfMatch,
    Reason,
    checked_instant,
    instant,
    instant_of,
    version_of,
    window_of,
    words,
)
from pgcron_admin.permissions import demand, requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries import schedules
from pgcron_admin.queries.jobs import (
    FacetsAnswer,
    JobAnswer,
    JobFilter,
    Sort,
    State,
    facets_of,
    job_answer,
    job_of,
    page_of_jobs,
)
from pgcron_admin.queries.runs import RunAnswer, RunFilter, Status, page_of_runs
from pgcron_admin.queries.statistics import StatisticsAnswer, statistics_of
from pgcron_admin.recent import Recent
from pgcron_admin.settings import AdminSettings
from pgcron_admin.wire import Answer, Body
from pgcron_py.errors import InvalidSchedule, JobDisabled, UnknownTimeZone
from pgcron_py.timetable import load_zone

SQL_HANDLER = "pgcron.sql"
Version = Annotated[int, msgspec.Meta(ge=1, le=2_147_483_647, description="As If-Match: refused when the job has another.")]  # fmt: skip
Tags = Annotated[list[str] | None, QueryParameter(description="With all of these tags; give it several times.", max_items=10)]  # fmt: skip


class EnableBody(Body):
    reason: Reason | None = None


class DisableBody(Body):
    """until: when it is enabled again; left out: when somebody enables it."""

    reason: Reason | None = None
    until: datetime | None = None


class TriggerBody(Body):
    """args, overlap: for this run, in place of the job's own. force: also when no live worker has the handler; the run waits."""

    reason: Reason | None = None
    args: dict[str, Any] | None = None
    overlap: Overlap | None = None
    force: bool = False


class Missed(Answer):
    """Occurrences of the time in which it was disabled: what a backfill from then to now would run. isExact: false when there were more."""

    from_at: datetime
    to_at: datetime
    count: int
    is_exact: bool


class EnabledAnswer(JobAnswer):
    """missed: null when it was enabled already, or missed nothing."""

    missed: Missed | None


class TriggerAnswer(Answer):
    """requestId: of the request; the run that answers it has it too."""

    message: str
    request_id: UUID


class ScheduleBody(Body):
    """timezone: left out, it stays. reason: for the audit."""

    schedule: Schedule
    timezone: Zone | None = None
    reason: Reason | None = None
    version: Version | None = None


def with_version(job: JobAnswer, status_code: int = 200, **headers: str) -> Response[JobAnswer]:
    return Response(job, status_code=status_code, headers={"ETag": f'"{job.version}"', **headers})


@get("/cron-jobs", guards=[requires(Permission.VIEW)])
async def list_jobs(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    recent: NamedDependency[Recent],
    search: Annotated[str | None, words("A part of name, description, handler or tags.")] = None,
    name: Annotated[str | None, words("Exactly this name.")] = None,
    tag: Tags = None,
    handler: Annotated[str | None, words("With this handler.", most=300)] = None,
    queue: Annotated[str | None, words("Of this queue.")] = None,
    owner: Annotated[str | None, words("Of this owner.")] = None,
    job_state: Annotated[State | None, QueryParameter(name="state", description="In this state.")] = None,
    enabled: Annotated[bool | None, QueryParameter(description="Enabled ones only, or disabled ones.")] = None,
    sort: Annotated[Sort, QueryParameter(description="The order; with - the other way round.")] = "name",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[JobAnswer]]:
    """Jobs, a page of them. Further pages: the header `Link`."""
    wanted = JobFilter(
        search=search, name=name, tags=tag, handler=handler, queue=queue, owner=owner, state=job_state, is_enabled=enabled
    )  # fmt: skip

    async def read() -> tuple[bytes, str | None]:
        async with database.read() as connection:
            rows, following = await page_of_jobs(connection, wanted, sort, limit, cursor, cursors)
        return msgspec.json.encode([job_answer(row, principal) for row in rows]), following

    # What is shown differs by that permission alone.
    key = ("cron-jobs", request.scope["query_string"], principal.may(Permission.SCHEDULE_EDIT))
    page, following = await recent.answer(key, read)
    encoded = cast("list[JobAnswer]", page)  # JSON already: Litestar sends bytes as they are
    return Response(encoded, media_type=MediaType.JSON, headers=link_to_next(request, following))


@get("/cron-jobs/facets", guards=[requires(Permission.VIEW)])
async def job_facets(
    database: NamedDependency[Database],
    search: Annotated[str | None, words("A part of name, description, handler or tags.")] = None,
    tag: Tags = None,
    handler: Annotated[str | None, words("With this handler.", most=300)] = None,
    queue: Annotated[str | None, words("Of this queue.")] = None,
    owner: Annotated[str | None, words("Of this owner.")] = None,
    job_state: Annotated[State | None, QueryParameter(name="state", description="In this state.")] = None,
    enabled: Annotated[bool | None, QueryParameter(description="Enabled ones only, or disabled ones.")] = None,
) -> FacetsAnswer:
    """How many jobs match a filter, by state, tag, handler and queue."""
    wanted = JobFilter(search=search, tags=tag, handler=handler, queue=queue, owner=owner, state=job_state, is_enabled=enabled)  # fmt: skip
    async with database.read() as connection:
        return await facets_of(connection, wanted)


@get("/cron-jobs/{job_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_job(
    job_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Response[JobAnswer]:
    """One job. Its `ETag` is the version of its definition."""
    async with database.read() as connection:
        return with_version(await job_of(connection, job_id, principal))


@get("/cron-jobs/{job_id:uuid}/logs", guards=[requires(Permission.VIEW)])
async def list_logs(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    status: Annotated[Status | None, QueryParameter(description="With this status.")] = None,
    start: Annotated[str | None, instant("Started then or later.", "startDate")] = None,
    end: Annotated[str | None, instant("Started before that.", "endDate")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[RunAnswer]]:
    """Runs of a job, the newest first. Further pages: the header `Link`."""
    wanted = RunFilter(
        job=job_id, status=status, since=instant_of(start, "startDate"), until=instant_of(end, "endDate")
    )
    async with database.read() as connection:
        runs, following = await page_of_runs(connection, wanted, limit, cursor, cursors)
        if not runs:
            await job_of(connection, job_id, principal)
    return Response(runs, headers=link_to_next(request, following))


@get("/cron-jobs/{job_id:uuid}/statistics", guards=[requires(Permission.VIEW)])
async def show_statistics(
    job_id: FromPath[UUID],
    database: NamedDependency[Database],
    window: Annotated[str, words("The last hours or days: 24h, 7d, 90d.", most=10, pattern="^[0-9]{1,5}[hd]$")] = "3650d",
) -> StatisticsAnswer:  # fmt: skip
    """Figures of a job over a window that ends now; left out, it is all the time there was."""
    length = window_of(window)
    async with database.read() as connection:
        return await statistics_of(connection, job_id, length)


@post("/cron-jobs/{job_id:uuid}/enable", status_code=200, guards=[requires(Permission.ENABLE)])
async def enable_job(
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[EnableBody | None] = None,
    if_match: IfMatch = None,
) -> Response[EnabledAnswer]:
    """Enable a job: its strikes are forgotten, its next run is planned after now; what it missed is told. One that is enabled stays as it is."""
    async with database.transaction(principal, reason=data.reason if data else None) as connection:
        job = await commands.locked(connection, job_id, version_of(if_match))
        now = await schedules.now_of(connection)
        await commands.enable(connection, job)
        answer = await job_of(connection, job_id, principal)
    enabled = EnabledAnswer(**structs.asdict(answer), missed=missed_by(job, now))
    return Response(enabled, headers={"ETag": f'"{answer.version}"'})


def missed_by(job: commands.Row, now: datetime) -> Missed | None:
    """job: its row before it was enabled. None, too, for a schedule or zone that can't be read here."""
    if job["is_enabled"] or job["disabled_at"] is None:
        return None
    try:
        count, is_exact = schedules.timing_of(job, job["name"]).plan().count_between(job["disabled_at"], now)
    except (InvalidSchedule, UnknownTimeZone):
        return None
    return Missed(job["disabled_at"], now, count, is_exact) if count else None


@post("/cron-jobs/{job_id:uuid}/disable", status_code=200, guards=[requires(Permission.ENABLE)])
async def disable_job(
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[DisableBody | None] = None,
    if_match: IfMatch = None,
) -> Response[JobAnswer]:
    """Disable a job, until a time if one is given, and cancel its waiting requests; a run that goes on is not touched."""
    body = data or DisableBody()
    until = checked_instant(body.until, "until")
    async with database.transaction(principal, reason=body.reason) as connection:
        job = await commands.locked(connection, job_id, version_of(if_match))
        await commands.disable(connection, job, body.reason, until)
        return with_version(await job_of(connection, job_id, principal))


@post("/cron-jobs/{job_id:uuid}/trigger", status_code=202, guards=[requires(Permission.TRIGGER)])
async def trigger_job(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    settings: NamedDependency[AdminSettings],
    data: JSONBody[TriggerBody | None] = None,
    idempotency_key: IdempotencyKey = None,
) -> TriggerAnswer:
    """Ask for a run now."""
    body = data or TriggerBody()
    async with database.transaction(principal, reason=body.reason) as connection:

        async def run() -> TriggerAnswer:
            try:
                id_ = await commands.run_now(
                    connection, job_id, principal, settings, args=body.args, overlap=body.overlap, force=body.force
                )
            except JobDisabled as error:
                raise JobDisabled("Cannot execute disabled job", hint=error.hint) from error
            if body.args is not None:
                await demand_sql(request, connection, job_id)
            return TriggerAnswer("Cron job triggered", id_)

        return await once(connection, request, idempotency_key, TriggerAnswer, run)


@patch("/cron-jobs/{job_id:uuid}/schedule", guards=[requires(Permission.SCHEDULE_EDIT)])
async def change_schedule(
    job_id: FromPath[UUID],
    data: JSONBody[ScheduleBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[JobAnswer]:
    """Change when a job runs."""
    version = version_of(if_match, data.version)
    changes = {"schedule": data.schedule}
    if data.timezone is not None:
        load_zone(data.timezone)
        changes["timezone"] = data.timezone
    async with database.transaction(principal, reason=data.reason) as connection:
        job = await commands.locked(connection, job_id)
        await commands.alter(connection, job, changes, version)
        return with_version(await job_of(connection, job_id, principal))


async def demand_sql(request: Request[Any, Any, Any], connection: Connection, job_id: UUID) -> None:
    """Arguments of pgcron.sql are commands. Raises PermissionMissing when who asks may not write them."""
    if (await commands.locked(connection, job_id))["handler"] == SQL_HANDLER:
        await demand(request, Permission.SQL_EDIT)
