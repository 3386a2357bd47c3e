"""Alerts, and the inbox in which they are told."""

from __future__ import annotations

from typing import Annotated, Any, LiteralString
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Database
from pgcron_admin.parameters import Reason
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.alerts import (
    AlertAnswer,
    AlertKind,
    AlertState,
    MessageAnswer,
    alert_of,
    page_of_alerts,
    page_of_messages,
)
from pgcron_admin.wire import Answer, Body

ACKNOWLEDGE: LiteralString = "SELECT pgcron.acknowledge(%(id)s)"
MARK_READ: LiteralString = "SELECT pgcron.mark_read(%(ids)s) AS marked"


class AcknowledgeBody(Body):
    """reason: for the audit."""

    reason: Reason | None = None


class ReadBody(Body):
    """ids: of messages; left out: all of them."""

    ids: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=1000)] | None = None


class ReadAnswer(Answer):
    """marked: how many were unread."""

    marked: int


@get("/alerts", guards=[requires(Permission.VIEW)])
async def list_alerts(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    alert_state: Annotated[AlertState, QueryParameter(name="state", description="In this state.")] = "open",
    kind: Annotated[AlertKind | None, QueryParameter(description="Of this kind.")] = None,
    job_id: Annotated[UUID | None, QueryParameter(name="jobId", description="About this job.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[AlertAnswer]]:
    """Alerts, the newest first. Further pages: the header `Link`."""
    async with database.read() as connection:
        alerts, following = await page_of_alerts(connection, alert_state, kind, job_id, limit, cursor, cursors)
    return Response(alerts, headers=link_to_next(request, following))


@post("/alerts/{alert_id:uuid}/acknowledge", status_code=200, guards=[requires(Permission.ENABLE)])
async def acknowledge_alert(
    alert_id: FromPath[UUID],
    data: JSONBody[AcknowledgeBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> AlertAnswer:
    """Say that one cares for it: it counts as trouble no more. Who said so first stays."""
    async with database.transaction(principal, reason=data.reason) as connection:
        await connection.execute(ACKNOWLEDGE, {"id": alert_id})
        return await alert_of(connection, alert_id)


@get("/inbox", guards=[requires(Permission.VIEW)])
async def list_messages(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    everything: Annotated[bool, QueryParameter(name="all", description="With those that were read, too.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[MessageAnswer]]:
    """Messages of the inbox, the newest first: all that was worth telling, whether or not a channel carried it."""
    async with database.read() as connection:
        messages, following = await page_of_messages(connection, everything, limit, cursor, cursors)
    return Response(messages, headers=link_to_next(request, following))


@post("/inbox/read", status_code=200, guards=[requires(Permission.ENABLE)])
async def mark_read(
    data: JSONBody[ReadBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> ReadAnswer:
    """Mark messages read, for everybody; the alerts that they tell of stay as they are."""
    async with database.transaction(principal) as connection:
        row = await (await connection.execute(MARK_READ, {"ids": data.ids})).fetchone()
    assert row is not None
    return ReadAnswer(marked=row["marked"])
