"""Channels: where notifications go. URLs and secrets go in, and don't come back."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from psycopg.types.json import Jsonb

from pgcron_admin.cursors import Cursor, Cursors, Limit, link_to_next
from pgcron_admin.database import Database
from pgcron_admin.parameters import Reason, checked_instant
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.channels import (
    ChannelAnswer,
    DeliveryAnswer,
    DeliveryState,
    Event,
    MuteAnswer,
    channel_name_of,
    channel_of,
    channels_of,
    mutes_of,
    page_of_deliveries,
)
from pgcron_admin.queries.rules import job_name_of
from pgcron_admin.wire import Answer, Body
from pgcron_py.app.channels import check_url, new_secret
from pgcron_py.errors import InvalidArguments

ADD: LiteralString = "SELECT pgcron.add_channel(%(name)s, %(url)s, %(events)s, %(tags)s, %(jobs)s, %(secret)s) AS id"
EDIT: LiteralString = "SELECT pgcron.edit_channel(%(name)s, %(changes)s)"
REMOVE: LiteralString = "SELECT pgcron.remove_channel(%(name)s)"
TEST: LiteralString = "SELECT pgcron.test_channel(%(name)s) AS id"
MUTE: LiteralString = "SELECT pgcron.mute(%(channel)s, %(job)s, %(until)s, %(from)s, %(reason)s) AS id"
UNMUTE: LiteralString = "SELECT pgcron.unmute(%(channel)s, %(job)s) AS ended"
RETRY: LiteralString = "SELECT pgcron.retry_deliveries(%(channel)s) AS again"
CHECKS_AT_A_TIME = 2  # each is a process of its own, with the library that knows all services

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Url = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=4000, description="webhook+https://host/path, or a URL of apprise. It is not shown again."),
]  # fmt: skip
Secret = Annotated[
    str,
    msgspec.Meta(min_length=16, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$", description="What webhooks are signed with. It is not shown again."),
]  # fmt: skip
Words = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(min_length=1, max_length=50)]  # fmt: skip
Events = Annotated[list[Event], msgspec.Meta(min_length=1, max_length=20)]

_checks = asyncio.Semaphore(CHECKS_AT_A_TIME)


class NewChannelBody(Body):
    """events, tags, jobs (names, with *): what it wants; left out: all. makeSecret: have one made to sign webhooks with; the answer shows it once."""

    name: Name
    url: Url
    secret: Secret | None = None
    make_secret: bool = False
    events: Events | None = None
    tags: Words | None = None
    jobs: Words | None = None
    reason: Reason | None = None


class ChannelBody(Body):
    """What is left out stays; null takes a secret or a filter away."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    url: Url | msgspec.UnsetType = msgspec.UNSET
    secret: Secret | msgspec.UnsetType | None = msgspec.UNSET
    events: Events | msgspec.UnsetType | None = msgspec.UNSET
    tags: Words | msgspec.UnsetType | None = msgspec.UNSET
    jobs: Words | msgspec.UnsetType | None = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    reason: Reason | None = None


class NewChannelAnswer(ChannelAnswer):
    """secret: the one that was made, shown now and never again; null when none was made."""

    secret: str | None


class TestAnswer(Answer):
    """messageId: of the message that a worker is to send; see GET /api/deliveries for what became of it."""

    message_id: UUID


class MuteBody(Body):
    """Of a channel, about a job, or all. from: left out: now."""

    until: datetime
    from_: Annotated[datetime | None, msgspec.Meta(description="When it begins.")] = msgspec.field(
        default=None, name="from"
    )
    channel_id: UUID | None = None
    job_id: UUID | None = None
    reason: Reason | None = None


class UnmutedAnswer(Answer):
    """ended: how many windows."""

    ended: int


class AgainBody(Body):
    """channelId: left out: to all channels."""

    channel_id: UUID | None = None


class AgainAnswer(Answer):
    """again: how many messages are sent now."""

    again: int


@get("/channels", guards=[requires(Permission.VIEW)])
async def list_channels(database: NamedDependency[Database]) -> list[ChannelAnswer]:
    """All channels, by name, without their secrets."""
    async with database.read() as connection:
        return await channels_of(connection)


@post("/channels", status_code=201, guards=[requires(Permission.MANAGE)])
async def add_channel(
    data: JSONBody[NewChannelBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> NewChannelAnswer:
    """Add a channel. Its URL is checked; nothing is sent."""
    if data.secret is not None and data.make_secret:
        raise InvalidArguments("makeSecret: a secret is given", hint="leave one of them out", field="makeSecret")
    await _check(data.url)
    made = new_secret() if data.make_secret else None
    params: dict[str, Any] = {
        "name": data.name, "url": data.url, "events": data.events, "tags": data.tags, "jobs": data.jobs, "secret": made or data.secret,
    }  # fmt: skip
    async with database.transaction(principal, reason=data.reason) as connection:
        row = await (await connection.execute(ADD, params)).fetchone()
        assert row is not None
        added = await channel_of(connection, row["id"])
    return NewChannelAnswer(**msgspec.structs.asdict(added), secret=made)


@patch("/channels/{channel_id:uuid}", guards=[requires(Permission.MANAGE)])
async def edit_channel(
    channel_id: FromPath[UUID],
    data: JSONBody[ChannelBody],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> ChannelAnswer:
    """Change a channel."""
    if isinstance(data.url, str):
        await _check(data.url)
    names = ("name", "url", "secret", "events", "tags", "jobs", "is_enabled")
    changes = {name: value for name in names if (value := getattr(data, name)) is not msgspec.UNSET}
    async with database.transaction(principal, reason=data.reason) as connection:
        name = await channel_name_of(connection, channel_id)
        if changes:
            await connection.execute(EDIT, {"name": name, "changes": Jsonb(changes)})
        return await channel_of(connection, channel_id)


@delete("/channels/{channel_id:uuid}", guards=[requires(Permission.MANAGE)])
async def remove_channel(
    channel_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> None:
    """Remove a channel, and what waited to be sent to it."""
    async with database.transaction(principal) as connection:
        await connection.execute(REMOVE, {"name": await channel_name_of(connection, channel_id)})


@post("/channels/{channel_id:uuid}/test", status_code=202, guards=[requires(Permission.MANAGE)])
async def test_channel(
    channel_id: FromPath[UUID], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> TestAnswer:
    """Have a worker send a test message to a channel."""
    async with database.transaction(principal) as connection:
        name = await channel_name_of(connection, channel_id)
        row = await (await connection.execute(TEST, {"name": name})).fetchone()
    assert row is not None
    return TestAnswer(message_id=row["id"])


@get("/mutes", guards=[requires(Permission.VIEW)])
async def list_mutes(database: NamedDependency[Database]) -> list[MuteAnswer]:
    """Windows in which messages are held back: those that go on or are to come."""
    async with database.read() as connection:
        return await mutes_of(connection)


@post("/mutes", status_code=201, guards=[requires(Permission.MANAGE)])
async def mute(
    data: JSONBody[MuteBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> MuteAnswer:
    """Hold messages back for a time. What is still wrong at its end is told then; the rest is not."""
    async with database.transaction(principal, reason=data.reason) as connection:
        channel = None if data.channel_id is None else await channel_name_of(connection, data.channel_id, "channelId")
        job = None if data.job_id is None else await job_name_of(connection, data.job_id)
        params = {
            "channel": channel, "job": job, "until": checked_instant(data.until, "until"), "from": checked_instant(data.from_, "from"),
            "reason": data.reason,
        }  # fmt: skip
        row = await (await connection.execute(MUTE, params)).fetchone()
        assert row is not None
        return next(it for it in await mutes_of(connection) if it.id == row["id"])


@delete("/mutes", status_code=200, guards=[requires(Permission.MANAGE)])
async def unmute(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    channel_id: Annotated[UUID | None, QueryParameter(name="channelId", description="Windows of this channel.")] = None,
    job_id: Annotated[UUID | None, QueryParameter(name="jobId", description="Windows about this job.")] = None,
) -> UnmutedAnswer:
    """End the windows for just this: of a channel, about a job, both, or, without either, for all messages."""
    async with database.transaction(principal) as connection:
        channel = None if channel_id is None else await channel_name_of(connection, channel_id, "channelId")
        job = None if job_id is None else await job_name_of(connection, job_id)
        row = await (await connection.execute(UNMUTE, {"channel": channel, "job": job})).fetchone()
    assert row is not None
    return UnmutedAnswer(ended=row["ended"])


@get("/deliveries", guards=[requires(Permission.VIEW)])
async def list_deliveries(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
    delivery_state: Annotated[DeliveryState | None, QueryParameter(name="state", description="In this state.")] = None,
    channel_id: Annotated[UUID | None, QueryParameter(name="channelId", description="To this channel.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[list[DeliveryAnswer]]:
    """What was sent, waits or was given up, the newest first. Further pages: the header `Link`."""
    async with database.read() as connection:
        found, following = await page_of_deliveries(connection, delivery_state, channel_id, limit, cursor, cursors)
    return Response(found, headers=link_to_next(request, following))


@post("/deliveries/retry", status_code=200, guards=[requires(Permission.MANAGE)])
async def retry_deliveries(
    data: JSONBody[AgainBody], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> AgainAnswer:
    """Send at once what was given up, or waits for its next attempt."""
    async with database.transaction(principal) as connection:
        channel = None if data.channel_id is None else await channel_name_of(connection, data.channel_id, "channelId")
        row = await (await connection.execute(RETRY, {"channel": channel})).fetchone()
    assert row is not None
    return AgainAnswer(again=row["again"])


async def _check(url: str) -> None:
    """Raises InvalidArguments when no sender knows what to do with it."""
    async with _checks:
        try:
            await asyncio.to_thread(check_url, url)
        except InvalidArguments as error:
            raise InvalidArguments(str(error), hint=error.hint, field="url") from error
