"""The kill switch, and the rules that claims obey: blackout windows and limits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from pgcron_admin.database import Database
from pgcron_admin.parameters import Reason, checked_instant, checked_zone
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.kill_switch import FleetAnswer, fleet_of
from pgcron_admin.queries.rules import (
    BlackoutAction,
    BlackoutAnswer,
    LimitAnswer,
    LimitKind,
    blackout_named,
    blackout_of,
    blackouts_of,
    job_name_of,
    limit_of,
    limits_of,
)
from pgcron_admin.wire import Body
from pgcron_py.errors import InvalidArguments

PAUSE: LiteralString = "SELECT pgcron.pause_all(%(reason)s)"
RESUME: LiteralString = "SELECT pgcron.resume_all()"
SET_BLACKOUT: LiteralString = """
SELECT pgcron.set_blackout(%(name)s, %(starts_at)s, %(ends_at)s, %(schedule)s, %(duration_ms)s * interval '1 ms', %(timezone)s, %(job)s, %(tag)s,
  %(action)s, %(reason)s)
"""
REMOVE_BLACKOUT: LiteralString = "SELECT pgcron.remove_blackout(%(name)s)"
SET_LIMIT: LiteralString = "SELECT pgcron.set_limit(%(kind)s, %(name)s, %(max_running)s, %(per_minute)s, %(burst)s)"
REMOVE_LIMIT: LiteralString = "SELECT pgcron.remove_limit(%(kind)s, %(name)s)"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
LimitName = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class SwitchBody(Body):
    """reason: why, for the audit, and for whoever sees that the fleet is paused."""

    reason: Reason | None = None


class BlackoutBody(Body):
    """Once, from startsAt to endsAt, or for durationMs whenever schedule fires in timezone. jobId or tag: for these jobs only.

    action: skip (an occurrence in it is a miss) or delay (it starts at the end). The window of this name is made, or replaced.
    """

    name: Name
    action: BlackoutAction = "skip"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    schedule: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    timezone: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "UTC"
    duration_ms: Annotated[int, msgspec.Meta(ge=1000, le=2_678_400_000)] | None = None
    job_id: UUID | None = None
    tag: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    reason: Reason | None = None


class LimitBody(Body):
    """kind and name: what is limited, such as queue and mail. maxRunning: at a time, 0 = none. perMinute: starts, with `burst` at once."""

    kind: LimitKind
    name: LimitName
    max_running: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    reason: Reason | None = None


@get("/fleet", guards=[requires(Permission.VIEW)])
async def show_fleet(database: NamedDependency[Database]) -> FleetAnswer:
    """Whether the fleet is paused, who is alive, and how much it carries."""
    async with database.read() as connection:
        return await fleet_of(connection)


@post("/fleet/pause", status_code=200, guards=[requires(Permission.MANAGE)])
async def pause_fleet(
    data: JSONBody[SwitchBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> FleetAnswer:
    """Pull the kill switch: no worker claims anything until it is resumed; runs that go on are not touched. Paused already, it stays as it is."""
    async with database.transaction(principal, reason=data.reason) as connection:
        await connection.execute(PAUSE, {"reason": data.reason})
        return await fleet_of(connection)


@post("/fleet/resume", status_code=200, guards=[requires(Permission.MANAGE)])
async def resume_fleet(
    data: JSONBody[SwitchBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> FleetAnswer:
    """Let workers claim again; what was due meanwhile follows each job's catch-up policy."""
    async with database.transaction(principal, reason=data.reason) as connection:
        await connection.execute(RESUME)
        return await fleet_of(connection)


@get("/blackouts", guards=[requires(Permission.VIEW)])
async def list_blackouts(database: NamedDependency[Database]) -> list[BlackoutAnswer]:
    """All blackout windows, by name."""
    async with database.read() as connection:
        return await blackouts_of(connection)


@put("/blackouts", guards=[requires(Permission.MANAGE)])
async def set_blackout(
    data: JSONBody[BlackoutBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> BlackoutAnswer:
    """Make the blackout window of this name, or replace it."""
    _check_window(data)
    params: dict[str, Any] = {
        "name": data.name.strip(), "starts_at": checked_instant(data.starts_at, "startsAt"), "ends_at": checked_instant(data.ends_at, "endsAt"),
        "schedule": data.schedule, "duration_ms": data.duration_ms, "timezone": checked_zone(data.timezone, "timezone"), "tag": data.tag,
        "action": data.action, "reason": data.reason,
    }  # fmt: skip
    if params["ends_at"] is not None and params["ends_at"] <= params["starts_at"]:
        raise InvalidArguments("endsAt: this is not after startsAt", hint="give a later end", field="endsAt")
    async with database.transaction(principal, reason=data.reason) as connection:
        job = None if data.job_id is None else await job_name_of(connection, data.job_id)
        await connection.execute(SET_BLACKOUT, params | {"job": job})
        return await blackout_named(connection, params["name"])


@delete("/blackouts/{blackout_id:uuid}", guards=[requires(Permission.MANAGE)])
async def remove_blackout(
    blackout_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> None:
    """Remove a blackout window. Jobs that it delayed start at the time that was set."""
    async with database.transaction(principal) as connection:
        found = await blackout_of(connection, blackout_id)
        await connection.execute(REMOVE_BLACKOUT, {"name": found.name})


@get("/limits", guards=[requires(Permission.VIEW)])
async def list_limits(database: NamedDependency[Database]) -> list[LimitAnswer]:
    """All limits of queues, tags and handlers, and how much of each is used."""
    async with database.read() as connection:
        return await limits_of(connection)


@put("/limits", guards=[requires(Permission.MANAGE)])
async def set_limit(
    data: JSONBody[LimitBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> LimitAnswer:
    """Set the limit of a queue, a tag or a handler in the whole fleet."""
    if data.max_running is None and data.per_minute is None:
        raise InvalidArguments(
            "maxRunning: nothing is limited", hint="give maxRunning, perMinute, or both", field="maxRunning"
        )
    params: dict[str, Any] = {
        "kind": data.kind, "name": data.name, "max_running": data.max_running, "per_minute": data.per_minute, "burst": data.burst,
    }  # fmt: skip
    async with database.transaction(principal, reason=data.reason) as connection:
        await connection.execute(SET_LIMIT, params)
        return await limit_of(connection, data.kind, params["name"])


@delete("/limits", guards=[requires(Permission.MANAGE)])
async def remove_limit(
    kind: Annotated[LimitKind, QueryParameter(description="What it limits.")],
    name: Annotated[str, QueryParameter(description="Its queue, tag or handler.", min_length=1, max_length=300)],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> None:
    """Remove a limit."""
    async with database.transaction(principal) as connection:
        await connection.execute(REMOVE_LIMIT, {"kind": kind, "name": name})


def _check_window(body: BlackoutBody) -> None:
    """As the database does, with the names that the body has. Raises InvalidArguments."""
    problem: tuple[str, str, str] | None = None
    if body.job_id is not None and body.tag is not None:
        problem = ("tag", "a window is for a job or for a tag", "leave one of them out")
    elif body.schedule is None and body.starts_at is None:
        problem = ("schedule", "this window never comes", "give startsAt and endsAt, or schedule and durationMs")
    elif body.schedule is not None and (body.starts_at is not None or body.ends_at is not None):
        problem = ("schedule", "a window comes once or by a schedule", "leave schedule out, or startsAt and endsAt")
    elif body.schedule is not None and body.duration_ms is None:
        problem = ("durationMs", "how long each window lasts is missing", "give durationMs, in milliseconds")
    elif body.schedule is None and body.duration_ms is not None:
        problem = ("durationMs", "a window that comes once ends at endsAt", "leave durationMs out")
    elif body.schedule is None and (body.starts_at is None or body.ends_at is None):
        problem = ("endsAt" if body.ends_at is None else "startsAt", "it is missing", "give both startsAt and endsAt")
    if problem is not None:
        field, message, hint = problem
        raise InvalidArguments(f"{field}: {message}", hint=hint, field=field)
