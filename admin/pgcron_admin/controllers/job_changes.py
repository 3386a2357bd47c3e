"""What becomes of jobs beyond the original design: create, edit, delete, skip the next occurrence, cancel what goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, delete, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from pgcron_admin import commands
from pgcron_admin.controllers.cron_jobs import SQL_HANDLER, Version, with_version
from pgcron_admin.database import Database
from pgcron_admin.definitions import Definition, Handler, Name, Schedule, changed, new_definition
from pgcron_admin.front import facts_of
from pgcron_admin.once import once
from pgcron_admin.parameters import IdempotencyKey, IfMatch, Reason, version_of, words
from pgcron_admin.permissions import demand, requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.jobs import JobAnswer, job_of
from pgcron_admin.wire import Answer, Body
from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.errors import InvalidArguments


class NewJobBody(Definition, kw_only=True):
    """A new job. isEnabled: false makes it, but does not let it run yet."""

    name: Name
    schedule: Schedule
    handler: Handler
    is_enabled: bool = True
    reason: Reason | None = None


class JobBody(Definition, kw_only=True):
    """Fields that are left out stay as they are; null takes one away, or back to its default. version: as If-Match."""

    schedule: Schedule | UnsetType = UNSET
    handler: Handler | UnsetType = UNSET
    reason: Reason | None = None
    version: Version | None = None


class ReasonBody(Body):
    reason: Reason | None = None


class SkippedAnswer(Answer):
    """skipped: the occurrence that will be a miss."""

    skipped: datetime


class CancelledAnswer(Answer):
    """runs: how many were asked to end. requests: how many no longer wait."""

    runs: int
    requests: int


@post("/cron-jobs", status_code=201, guards=[requires(Permission.SCHEDULE_EDIT)])
async def create_job(
    request: Request[Any, Any, Any],
    data: JSONBody[NewJobBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    idempotency_key: IdempotencyKey = None,
) -> Response[JobAnswer]:
    """Make a job."""
    definition = new_definition(data.name, data.columns())
    if data.handler == SQL_HANDLER:
        await demand(request, Permission.SQL_EDIT)
    async with database.transaction(principal, reason=data.reason) as connection:

        async def make() -> JobAnswer:
            id_ = await commands.create(connection, data.name, definition, is_enabled=data.is_enabled)
            return await job_of(connection, id_, principal)

        job = await once(connection, request, idempotency_key, JobAnswer, make)
    place = f"{facts_of(request.scope).base_path}{request.scope['path']}/{job.id}"
    return with_version(job, 201, Location=place)


@patch("/cron-jobs/{job_id:uuid}", guards=[requires(Permission.SCHEDULE_EDIT)])
async def change_job(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    data: JSONBody[JobBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    if_match: IfMatch = None,
) -> Response[JobAnswer]:
    """Change fields of a job's definition. A change that changes nothing makes no new version."""
    version, columns = version_of(if_match, data.version), data.columns()
    async with database.transaction(principal, reason=data.reason) as connection:
        row = await commands.locked(connection, job_id)
        changes = changed(JobDeclaration.from_values(row), columns)
        if changes.get("handler", row["handler"]) == SQL_HANDLER and changes.keys() & {"handler", "args"}:
            await demand(request, Permission.SQL_EDIT)
        await commands.alter(connection, row, changes, version)
        return with_version(await job_of(connection, job_id, principal))


@delete("/cron-jobs/{job_id:uuid}", guards=[requires(Permission.SCHEDULE_EDIT)])
async def delete_job(
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    confirm: Annotated[str, words("The job's name, to confirm that it is this one.")],
    reason: Annotated[str | None, QueryParameter(description="Why, for the audit.", max_length=1000)] = None,
    if_match: IfMatch = None,
) -> None:
    """Delete a job with all its runs."""
    async with database.transaction(principal, reason=reason) as connection:
        row = await commands.locked(connection, job_id, version_of(if_match))
        if confirm != row["name"]:
            raise InvalidArguments(
                f"confirm: {confirm[:200]!r} is not the name of this job",
                hint="give the name of the job that is to be deleted", field="confirm",
            )  # fmt: skip
        await commands.delete(connection, row)


@post("/cron-jobs/{job_id:uuid}/skip-next", status_code=200, guards=[requires(Permission.ENABLE)])
async def skip_next(
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> SkippedAnswer:
    """Let the next occurrence become a miss when its time comes."""
    async with database.transaction(principal, reason=data.reason if data else None) as connection:
        row = await commands.locked(connection, job_id)
        return SkippedAnswer(await commands.skip_next(connection, row))


@post("/cron-jobs/{job_id:uuid}/cancel", status_code=200, guards=[requires(Permission.TRIGGER)])
async def cancel_job(
    job_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> CancelledAnswer:
    """Cancel what waits and what goes on of a job; it stays enabled."""
    reason = data.reason if data else None
    async with database.transaction(principal, reason=reason) as connection:
        row = await commands.locked(connection, job_id)
        return CancelledAnswer(**await commands.cancel_job(connection, row, reason))
