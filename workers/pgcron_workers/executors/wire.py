"""The messages of both sides of a channel, besides orders and ends themselves."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from pgcron_py.domain.words import Reason, Status
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.frames import Message
from pgcron_workers.executors.outcome import error_of, trace_of


class Cancel(Struct, frozen=True, tag_field="type", tag="cancel"):
    """Runs that are to end, and why."""

    run_ids: list[UUID]
    reason: Reason


class Ready(Struct, frozen=True, tag_field="type", tag="ready"):
    """Runs that begin together, once their claim is committed: what can be done before is done."""

    orders: list[Order]


class Go(Struct, frozen=True, tag_field="type", tag="go"):
    """Those that are ready begin."""


class Never(Struct, frozen=True, tag_field="type", tag="never"):
    """Those that are ready don't begin: their claim came to nothing."""


class BelongsTo(Struct, frozen=True, tag_field="type", tag="worker"):
    """Under which id the supervisor is registered from now on."""

    id: UUID


class Stop(Struct, frozen=True, tag_field="type", tag="stop"):
    """End: no run goes on."""


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """What the application is."""

    app: str
    release: str
    declarations: list[dict[str, Any]]
    handlers: list[dict[str, Any]]


class Failed(Struct, frozen=True, tag_field="type", tag="failed"):
    """Why the application can't be had."""

    error: str
    hint: str | None = None
    trace: str | None = None


class Output(Struct, frozen=True, tag_field="type", tag="output"):
    """News of what runs write."""

    runs: list[Message]


Asked = Order | Ready | Go | Never | Cancel | BelongsTo | Stop
Told = RunEnd | Output | Hello | Failed


def failed_to_begin(order: Order, error: Exception) -> RunEnd:
    """The end of an order whose handler or arguments could not be had."""
    return RunEnd(order.run_id, Status.FAILED, Reason.ERROR, error_of(error), trace_of(error))
