"""One deed on many jobs: recorded, done in the background, watched, cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from pgcron_admin import commands
from pgcron_admin.bulk_runner import NEEDED, BulkRunner
from pgcron_admin.controllers.job_changes import ReasonBody
from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Database
from pgcron_admin.definitions import Overlap, Word
from pgcron_admin.once import once
from pgcron_admin.parameters import IdempotencyKey, Reason, checked_instant
from pgcron_admin.permissions import demand, requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.bulks import (
    Action,
    BulkAnswer,
    BulkItemAnswer,
    Outcome,
    bulk_of,
    jobs_matching,
    page_of_bulks,
    page_of_items,
)
from pgcron_admin.queries.jobs import JobFilter, State
from pgcron_admin.wire import Body
from pgcron_py.errors import InvalidArguments

NEEDS = {"tag": "tag", "untag": "tag", "notify": "value"}
Short = Annotated[str, msgspec.Meta(max_length=200)]


class FilterBody(Body):
    """As the filter of GET /cron-jobs: all that match now. With nothing in it: all jobs."""

    search: Short | None = None
    name: Short | None = None
    tags: Annotated[list[Short], msgspec.Meta(max_length=10)] | None = None
    handler: Annotated[str, msgspec.Meta(max_length=300)] | None = None
    queue: Short | None = None
    owner: Short | None = None
    state: State | None = None
    enabled: bool | None = None

    def job_filter(self) -> JobFilter:
        return JobFilter(
            search=self.search, name=self.name, tags=self.tags, handler=self.handler, queue=self.queue, owner=self.owner, state=self.state,
            is_enabled=self.enabled,
        )  # fmt: skip


class BulkBody(Body):
    """jobs: their ids; or filter: all that match. tag: of tag and untag. value: of notify. until: of disable. overlap, force: of run."""

    action: Action
    jobs: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    filter: FilterBody | None = None
    reason: Reason | None = None
    tag: Word | None = None
    value: bool | None = None
    until: datetime | None = None
    overlap: Overlap | None = None
    force: bool = False

    def params(self) -> dict[str, Any]:
        """Raises InvalidArguments for what is missing."""
        needed = NEEDS.get(self.action)
        if needed is not None and getattr(self, needed) is None:
            raise InvalidArguments(f"{needed}: the action {self.action} needs it", hint=f"give {needed}", field=needed)
        until = checked_instant(self.until, "until")
        told = {
            "tag": self.tag, "value": self.value, "until": until and until.isoformat(), "overlap": self.overlap, "force": self.force or None,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}

    def chosen(self) -> dict[str, Any]:
        """Raises InvalidArguments unless it is one of the two."""
        if (self.jobs is None) == (self.filter is None):
            raise InvalidArguments("jobs: give either jobs or a filter", hint='all jobs: {"filter": {}}', field="jobs")
        if self.jobs is not None:
            return {"ids": len(set(self.jobs))}
        told = msgspec.to_builtins(self.filter)
        return {"filter": {name: value for name, value in told.items() if value is not None}}


@post("/bulk", status_code=202, guards=[requires(Permission.VIEW)])
async def create_bulk(
    request: Request[Any, Any, Any],
    data: JSONBody[BulkBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    bulks: NamedDependency[BulkRunner],
    idempotency_key: IdempotencyKey = None,
) -> BulkAnswer:
    """Do one thing to many jobs. It needs the permission of what it does: cron.enable to enable and disable, cron.trigger to run and cancel, cron.schedule.edit else."""
    await demand(request, NEEDED[data.action])
    params, chosen = data.params(), data.chosen()
    async with database.transaction(principal, reason=data.reason) as connection:

        async def begin() -> BulkAnswer:
            jobs = (
                (data.jobs or []) if data.filter is None else await jobs_matching(connection, data.filter.job_filter())
            )
            id_ = await commands.begin_bulk(connection, principal, data.action, params, chosen, jobs, data.reason)
            return await bulk_of(connection, id_)

        answer = await once(connection, request, idempotency_key, BulkAnswer, begin)
    bulks.wake()
    return answer


@get("/bulk", guards=[requires(Permission.VIEW)])
async def list_bulks(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[BulkAnswer]]:
    """Bulk actions of the last 90 days, the newest first."""
    async with database.read() as connection:
        found, following = await page_of_bulks(connection, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))


@get("/bulk/{bulk_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_bulk(bulk_id: FromPath[UUID], database: NamedDependency[Database]) -> BulkAnswer:
    """A bulk action and how far it is."""
    async with database.read() as connection:
        return await bulk_of(connection, bulk_id)


@get("/bulk/{bulk_id:uuid}/jobs", guards=[requires(Permission.VIEW)])
async def list_bulk_jobs(
    request: Request[Any, Any, Any],
    bulk_id: FromPath[UUID],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    outcome: Annotated[Outcome | None, QueryParameter(description="With this outcome only.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[BulkItemAnswer]]:
    """What became of each job."""
    async with database.read() as connection:
        found, following = await page_of_items(connection, bulk_id, outcome, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))


@post("/bulk/{bulk_id:uuid}/cancel", status_code=200, guards=[requires(Permission.VIEW)])
async def cancel_bulk(
    request: Request[Any, Any, Any],
    bulk_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> BulkAnswer:
    """Leave alone the jobs that it has not come to. It needs the permission that the action needs."""
    reason = data.reason if data else None
    async with database.read() as connection:
        action = (await bulk_of(connection, bulk_id)).action
    await demand(request, NEEDED[action])
    async with database.transaction(principal, reason=reason) as connection:
        await commands.cancel_bulk(connection, bulk_id, reason)
        return await bulk_of(connection, bulk_id)
