"""Workers: who is there, what they do, and asking them to leave. Handlers: what they take."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from pgcron_admin import commands
from pgcron_admin.controllers.job_changes import ReasonBody
from pgcron_admin.database import Database
from pgcron_admin.parameters import words
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries import fleet
from pgcron_admin.queries.fleet import HandlerAnswer, WorkerAnswer, WorkerDetailAnswer


@get("/workers", guards=[requires(Permission.VIEW)])
async def list_workers(
    database: NamedDependency[Database],
    with_ended: Annotated[bool, QueryParameter(name="withEnded", description="Those too that ended in the last 24 hours.")] = False,
) -> list[WorkerAnswer]:  # fmt: skip
    """Workers, the newest first."""
    async with database.read() as connection:
        return await fleet.workers(connection, with_ended=with_ended)


@get("/workers/{worker_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_worker(worker_id: FromPath[UUID], database: NamedDependency[Database]) -> WorkerDetailAnswer:
    """A worker and its runs."""
    async with database.read() as connection:
        return await fleet.worker_of(connection, worker_id)


@post("/workers/{worker_id:uuid}/drain", status_code=202, guards=[requires(Permission.MANAGE)])
async def drain_worker(
    worker_id: FromPath[UUID],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    data: JSONBody[ReasonBody | None] = None,
) -> WorkerDetailAnswer:
    """Ask a worker to claim nothing more, to let its runs end, and to leave."""
    reason = data.reason if data else None
    async with database.transaction(principal, reason=reason) as connection:
        await commands.drain_worker(connection, worker_id, reason)
        return await fleet.worker_of(connection, worker_id)


@get("/handlers", guards=[requires(Permission.VIEW)])
async def list_handlers(
    database: NamedDependency[Database],
    name: Annotated[str | None, words("Exactly this one.", most=300)] = None,
) -> list[HandlerAnswer]:
    """Handlers with JSON schemas of their arguments; those too that only a job names."""
    async with database.read() as connection:
        return await fleet.handlers(connection, name)
