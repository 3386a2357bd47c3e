"""Runs of all jobs, requests for runs, and occurrences that became none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from pgcron_admin import commands
from pgcron_admin.controllers.job_changes import ReasonBody
from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Database
from pgcron_admin.parameters import Reason as Why
from pgcron_admin.parameters import instant, instant_of, words
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.output import LineAnswer, lines_of
from pgcron_admin.queries.records import (
    LedgerAnswer,
    MissAnswer,
    RequestAnswer,
    RequestState,
    page_of_ledger,
    page_of_misses,
    page_of_requests,
    request_of,
)
from pgcron_admin.queries.runs import (
    Cause,
    Reason,
    RunAnswer,
    RunDetailAnswer,
    RunFacetsAnswer,
    RunFilter,
    Status,
    facets_of,
    page_of_runs,
    run_of,
)
from pgcron_admin.wire import Answer, Body

Job = Annotated[UUID | None, QueryParameter(description="Of this job: its id.")]
Stream = Literal["stdout", "stderr", "log"]


class CancelBody(Body):
    """force: without asking its handler first."""

    reason: Why | None = None
    force: bool = False


class CancelAnswer(Answer):
    """isNew: false when somebody had asked before."""

    is_new: bool


class RetryAnswer(Answer):
    message: str
    request_id: UUID


@get("/runs", guards=[requires(Permission.VIEW)])
async def list_runs(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    job: Job = None,
    status: Annotated[Status | None, QueryParameter(description="With this status.")] = None,
    reason: Annotated[Reason | None, QueryParameter(description="FAILED for this reason.")] = None,
    cause: Annotated[Cause | None, QueryParameter(description="Begun by this.")] = None,
    worker: Annotated[UUID | None, QueryParameter(description="Of this worker.")] = None,
    search: Annotated[str | None, words("A part of the error.")] = None,
    since: Annotated[str | None, instant("Started then or later.", "since")] = None,
    until: Annotated[str | None, instant("Started before that.", "until")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[RunAnswer]]:
    """Runs, the newest first. A page may be short, even empty, and yet have a next one: what no index knows is searched for in stretches."""
    wanted = RunFilter(
        job=job, status=status, reason=reason, cause=cause, worker=worker, search=search, since=instant_of(since, "since"),
        until=instant_of(until, "until"),
    )  # fmt: skip
    async with database.read() as connection:
        runs, following = await page_of_runs(connection, wanted, limit, cursor, cursors)
    return Response(runs, headers=link_to_next(request, following))


@get("/runs/facets", guards=[requires(Permission.VIEW)])
async def run_facets(
    database: NamedDependency[Database],
    job: Job = None,
    reason: Annotated[Reason | None, QueryParameter(description="FAILED for this reason.")] = None,
    cause: Annotated[Cause | None, QueryParameter(description="Begun by this.")] = None,
    worker: Annotated[UUID | None, QueryParameter(description="Of this worker.")] = None,
    search: Annotated[str | None, words("A part of the error.")] = None,
    since: Annotated[str | None, instant("Started then or later; left out: a day ago.", "since")] = None,
    until: Annotated[str | None, instant("Started before that.", "until")] = None,
) -> RunFacetsAnswer:
    """How many runs there were, by status, reason and cause: of the newest 20,000."""
    wanted = RunFilter(
        job=job, reason=reason, cause=cause, worker=worker, search=search,
        since=instant_of(since, "since") or datetime.now(UTC) - timedelta(days=1), until=instant_of(until, "until"),
    )  # fmt: skip
    async with database.read() as connection:
        return await facets_of(connection, wanted)


@get("/runs/{run_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_run(
    run_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> RunDetailAnswer:
    """A run with its timeline, its attempts, and for those with cron.trace.read its stack trace."""
    async with database.read() as connection:
        return await run_of(connection, run_id, with_trace=principal.may(Permission.TRACE_READ))


@get("/runs/{run_id:uuid}/output", guards=[requires(Permission.VIEW)])
async def show_output(
    run_id: FromPath[UUID],
    database: NamedDependency[Database],
    after: Annotated[int, QueryParameter(ge=0, le=2**53, description="Only lines with a greater number.")] = 0,
    stream: Annotated[Stream | None, QueryParameter(description="Of this stream only.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="How many lines at most.")] = 500,
) -> list[LineAnswer]:
    """What a run printed and logged, line by line. For the next page give the number of the last line as `after`."""
    async with database.read() as connection:
        return list(await lines_of(connection, run_id, stream=stream, after=after, limit=limit))


@post("/runs/{run_id:uuid}/cancel", status_code=202, guards=[requires(Permission.TRIGGER)])
async def cancel_run(
    run_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[CancelBody | None] = None,
) -> CancelAnswer:
    """Ask the worker of a run to end it. It ends as FAILED (cancelled), which is no strike."""
    body = data or CancelBody()
    async with database.transaction(principal, reason=body.reason) as connection:
        return CancelAnswer(await commands.cancel_run(connection, run_id, body.reason, force=body.force))


@post("/runs/{run_id:uuid}/retry", status_code=202, guards=[requires(Permission.TRIGGER)])
async def retry_run(
    run_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> RetryAnswer:
    """Ask for another attempt of a run that ended, with its arguments and for its occurrence."""
    reason = data.reason if data else None
    async with database.transaction(principal, reason=reason) as connection:
        return RetryAnswer("Run will be tried again", await commands.retry_run(connection, run_id, reason))


@get("/requests", guards=[requires(Permission.VIEW)])
async def list_requests(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    job: Job = None,
    request_state: Annotated[RequestState | None, QueryParameter(name="state", description="In this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[RequestAnswer]]:
    """Wishes for a run, the newest first: those that wait, and those that were answered or cancelled."""
    async with database.read() as connection:
        found, following = await page_of_requests(connection, job, request_state, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))


@get("/requests/{request_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_request(request_id: FromPath[UUID], database: NamedDependency[Database]) -> RequestAnswer:
    """One request; runId says which run answered it."""
    async with database.read() as connection:
        return await request_of(connection, request_id)


@post("/requests/{request_id:uuid}/cancel", status_code=200, guards=[requires(Permission.TRIGGER)])
async def cancel_request(
    request_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> RequestAnswer:
    """Cancel a request that waits."""
    reason = data.reason if data else None
    async with database.transaction(principal, reason=reason) as connection:
        await commands.cancel_request(connection, request_id, reason)
        return await request_of(connection, request_id)


@get("/misses", guards=[requires(Permission.VIEW)])
async def list_misses(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    job: Job = None,
    reason: Annotated[str | None, words("Missed for this reason.", most=50)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[MissAnswer]]:
    """Occurrences that became no run, with the reason; one for each unbroken stretch, the newest first."""
    async with database.read() as connection:
        found, following = await page_of_misses(connection, job, reason, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))


@get("/cron-jobs/{job_id:uuid}/ledger", guards=[requires(Permission.VIEW)])
async def show_ledger(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[LedgerAnswer]]:
    """What became of every occurrence of a job, the newest first: a run, a miss with its reason, or it still waits. There are no holes."""
    async with database.read() as connection:
        found, following = await page_of_ledger(connection, job_id, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))
