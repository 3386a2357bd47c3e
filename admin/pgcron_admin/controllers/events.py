"""Live events over Server-Sent Events: what happened to jobs, runs, workers, alerts and the fleet, as it happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream as StreamedAnswer

from pgcron_admin.database import Database
from pgcron_admin.identity import Identity
from pgcron_admin.live.events import EndReason
from pgcron_admin.live.hub import Hub
from pgcron_admin.live.output import positions_of
from pgcron_admin.live.stream import Stream, sent
from pgcron_admin.live.topics import Kind, ids_of, topics_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal

ABORT = "pgcron.abort"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
TYPE = "text/event-stream"


@get(
    "/events", guards=[requires(Permission.VIEW)], media_type=TYPE,
    responses={200: ResponseSpec(data_container=str, media_type=TYPE, description="Events, until one side ends it.")},
)  # fmt: skip
async def stream_events(
    request: Request[Any, Any, Any],
    topics: Annotated[
        str,
        QueryParameter(
            description="What to tell of, comma-separated: jobs, job:<id>, runs, run:<id> (with its output), workers, alerts, fleet.",
            max_length=6000, min_length=1, examples=[],
        ),
    ],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    identity: NamedDependency[Identity],
    hub: NamedDependency[Hub],
    last_event_id: Annotated[
        str | None,
        HeaderParameter(name="Last-Event-ID", description="Of the last event that was seen: output goes on behind it.", max_length=2000),
    ] = None,
) -> StreamedAnswer:  # fmt: skip
    """Follow what happens. First comes the whole of each topic, then what changes, at most four times a second; `docs/api.md` has the events."""
    wanted = topics_of(topics)
    stream = Stream(wanted, positions_of(last_event_id, ids_of(wanted, Kind.RUN)), _abort(request))

    async def check() -> EndReason | None:
        permissions = await identity.still(principal)
        if permissions is None:
            return "signed_out"
        return None if Permission.VIEW in permissions else "not_permitted"

    async def events() -> AsyncIterator[bytes]:
        hub.join(stream)
        try:
            async for piece in sent(stream, database, check):
                yield piece
        finally:
            hub.leave(stream)

    return StreamedAnswer(events(), media_type=TYPE, headers=HEADERS)


def _abort(request: Request[Any, Any, Any]) -> Callable[[], None] | None:
    """What cuts the connection of this request: our own server gives it, others don't."""
    extensions: dict[str, Any] = dict(request.scope.get("extensions") or {})
    abort: Callable[[], None] | None = extensions.get(ABORT, {}).get("abort")
    return abort
