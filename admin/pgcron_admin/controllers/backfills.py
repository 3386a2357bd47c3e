"""Runs for occurrences of the past: asked for, watched, cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from pgcron_admin import commands
from pgcron_admin.controllers.job_changes import ReasonBody
from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Database
from pgcron_admin.definitions import Overlap
from pgcron_admin.once import once
from pgcron_admin.parameters import IdempotencyKey, Reason, checked_instant
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.backfills import BackfillAnswer, backfill_of, page_of_backfills
from pgcron_admin.wire import Body


class BackfillBody(Body):
    """from, to: both are part of the range, which has passed. overlap: what becomes of an occurrence whose turn comes while the job runs."""

    from_: datetime = msgspec.field(name="from")
    to: datetime
    overlap: Overlap = "buffer_all"
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="Most starts in a minute.")] | None = None
    reason: Reason | None = None

    def wanted(self) -> dict[str, Any]:
        return {
            "from_at": checked_instant(self.from_, "from"), "to_at": checked_instant(self.to, "to"), "overlap": self.overlap,
            "per_minute": self.per_minute, "reason": self.reason,
        }  # fmt: skip


@post("/cron-jobs/{job_id:uuid}/backfills", status_code=202, guards=[requires(Permission.MANAGE)])
async def create_backfill(
    request: Request[Any, Any, Any],
    job_id: FromPath[UUID],
    data: JSONBody[BackfillBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    idempotency_key: IdempotencyKey = None,
) -> BackfillAnswer:
    """Ask for a run of every occurrence in a range of the past, at most 10,000. It is not counted against the rate limit of runs now."""
    wanted = data.wanted()
    async with database.transaction(principal, reason=data.reason) as connection:

        async def make() -> BackfillAnswer:
            job = await commands.locked(connection, job_id)
            return await backfill_of(connection, await commands.backfill(connection, job, wanted))

        return await once(connection, request, idempotency_key, BackfillAnswer, make)


@get("/backfills", guards=[requires(Permission.VIEW)])
async def list_backfills(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    job: Annotated[UUID | None, QueryParameter(description="Of this job: its id.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[BackfillAnswer]]:
    """Backfills and how far they are, the newest first."""
    async with database.read() as connection:
        found, following = await page_of_backfills(connection, job, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))


@get("/backfills/{backfill_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_backfill(backfill_id: FromPath[UUID], database: NamedDependency[Database]) -> BackfillAnswer:
    """One backfill and how far it is."""
    async with database.read() as connection:
        return await backfill_of(connection, backfill_id)


@post("/backfills/{backfill_id:uuid}/cancel", status_code=200, guards=[requires(Permission.MANAGE)])
async def cancel_backfill(
    backfill_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> BackfillAnswer:
    """Cancel what of a backfill still waits; a run that goes on is not touched."""
    reason = data.reason if data else None
    async with database.transaction(principal, reason=reason) as connection:
        await commands.cancel_backfill(connection, backfill_id, reason)
        return await backfill_of(connection, backfill_id)
