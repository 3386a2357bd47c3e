"""Where notifications go, what holds them back, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.controllers import channels
from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.channels import (
    ChannelAnswer,
    DeliveryState,
    Event,
    channel_of,
    channels_of,
    page_of_deliveries,
)
from pgcron_admin.screens import queries
from pgcron_admin.screens.alerts import StateWord
from pgcron_admin.screens.forms import (
    Filled,
    ManyForm,
    as_the_api,
    body_of,
    local_instant,
    milliseconds,
    reason,
    text,
    texts,
    words,
)
from pgcron_admin.screens.jobs import Text, one
from pgcron_admin.screens.marks import Mark
from pgcron_admin.screens.stopping import job_named
from pgcron_admin.screens.visits import Visit
from pgcron_py.errors import InvalidArguments, NotFound, PgCronError

HERE, MUTES = "/alerts/channels", "/alerts/mutes"
PAGE = 50
FIELDS = ("name", "url", "secret", "events", "tags", "jobs", "reason")
MUTE_FIELDS = ("channelId", "jobId", "lasts", "until", "reason")
EVENTS = {
    "failed": "a job began to fail", "recovered": "it is well again", "auto_disabled": "it was disabled after failures in a row", "late": "it did not start in time",
    "missed": "an occurrence was missed", "slow": "a run takes unusually long", "unsuccessful": "no success for too long",
    "no_worker": "no live worker has a handler", "fleet_silent": "no worker lives",
}  # fmt: skip
STATES = {"": "All", "PENDING": "Waiting", "DELIVERED": "Delivered", "GIVEN_UP": "Given up", "SKIPPED": "Skipped"}
MARKS = {
    "PENDING": Mark("Waiting", "clock", "waiting"), "DELIVERED": Mark("Delivered", "circle-check", "success"),
    "GIVEN_UP": Mark("Given up", "circle-x", "failed"), "SKIPPED": Mark("Skipped", "circle-slash", "idle"),
}  # fmt: skip
NOTICES = {
    "added": "The channel was added.", "changed": "The channel was changed.", "removed": "The channel was removed.", "muted": "Messages are held back.",
    "unmuted": "Messages are sent again.", "tested": "A worker sends a test message; it is listed here.", "again": "They are sent now.",
}  # fmt: skip


@get(HERE, guards=[requires(Permission.VIEW)])
async def list_channels(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    async with visit.database.read() as connection:
        found = await channels_of(connection)
        return await visit.show(connection, "alerts_channels.html", title="Channels", told=NOTICES.get(done), channels=found)  # fmt: skip


@get(f"{HERE}/new", guards=[requires(Permission.MANAGE)])
async def new_channel(visit: NamedDependency[Visit]) -> Response[str]:
    return await _form(visit, None, Filled())


@post(HERE, guards=[requires(Permission.MANAGE)], status_code=200)
async def add_channel(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """With a secret that was made the page shows it, once."""
    said = _said(data) | {"url": text(data, "url"), "makeSecret": "makeSecret" in data}
    try:
        body = body_of(channels.NewChannelBody, said | {"secret": text(data, "secret") or None})
        made = await as_the_api(channels.add_channel, data=body, principal=visit.principal, database=visit.database)
    except PgCronError as error:
        return await _form(visit, None, Filled(data, error, FIELDS))
    if made.secret is not None:
        return await _form(visit, made.id, None, secret=made.secret)
    return visit.back(f"{HERE}?done=added")


@get(HERE + "/{channel_id:uuid}", guards=[requires(Permission.MANAGE)])
async def show_channel(channel_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[str]:
    return await _form(visit, channel_id)


@post(HERE + "/{channel_id:uuid}", guards=[requires(Permission.MANAGE)])
async def edit_channel(channel_id: FromPath[UUID], data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """URL and secret are not shown: an empty field leaves them as they are."""
    said = _said(data) | {"isEnabled": text(data, "isEnabled") == "on"}
    said |= {name: text(data, name) for name in ("url", "secret") if text(data, name)}
    try:
        body = body_of(channels.ChannelBody, said)
        await as_the_api(
            channels.edit_channel, channel_id=channel_id, data=body, principal=visit.principal, database=visit.database
        )
    except NotFound:
        raise
    except PgCronError as error:
        return await _form(visit, channel_id, Filled(data, error, FIELDS))
    return visit.back(f"{HERE}?done=changed")


@post(HERE + "/{channel_id:uuid}/delete", guards=[requires(Permission.MANAGE)])
async def remove_channel(channel_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[Any]:
    await as_the_api(channels.remove_channel, channel_id=channel_id, principal=visit.principal, database=visit.database)
    return visit.back(f"{HERE}?done=removed")


@post(HERE + "/{channel_id:uuid}/test", guards=[requires(Permission.MANAGE)])
async def test_channel(channel_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[Any]:
    await as_the_api(channels.test_channel, channel_id=channel_id, principal=visit.principal, database=visit.database)
    return visit.back(f"/alerts/deliveries?channel={channel_id}&done=tested")


@get(MUTES, guards=[requires(Permission.VIEW)])
async def list_mutes(
    visit: NamedDependency[Visit], job: Text = "", channel: Text = "", done: Text = ""
) -> Response[str]:
    return await _mutes(visit, Filled({"jobId": job, "channelId": channel, "lasts": "1h"}), NOTICES.get(done))


@post(MUTES, guards=[requires(Permission.MANAGE)])
async def mute(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    try:
        async with visit.database.read() as connection:
            said = await _window(connection, data, visit.principal.preferences.zone("UTC"))
        body = body_of(channels.MuteBody, said)
        await as_the_api(channels.mute, data=body, principal=visit.principal, database=visit.database)
    except PgCronError as error:
        return await _mutes(visit, Filled(data, error, MUTE_FIELDS))
    return visit.back(f"{MUTES}?done=muted")


@post(f"{MUTES}/end", guards=[requires(Permission.MANAGE)])
async def unmute(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """All windows for the same channel and the same job."""
    async with visit.database.read() as connection:
        job = await job_named(connection, text(data, "job"), "job") if text(data, "job") else None
        named = text(data, "channel")
        channel = next((it.id for it in await channels_of(connection) if it.name == named), None) if named else None
    if named and channel is None:
        raise NotFound(f"no channel is named {named!r}", hint="it was removed, and its windows with it")
    await as_the_api(
        channels.unmute, principal=visit.principal, database=visit.database, channel_id=channel, job_id=job
    )
    return visit.back(f"{MUTES}?done=unmuted")


@get("/alerts/deliveries", guards=[requires(Permission.VIEW)])
async def list_deliveries(
    visit: NamedDependency[Visit], cursors: NamedDependency[Cursors], wanted: StateWord = "", channel: Text = "", after: Text = "", done: Text = ""
) -> Response[str]:  # fmt: skip
    chosen: DeliveryState | None = wanted if wanted in get_args(DeliveryState) else None  # type: ignore[assignment]  # checked
    async with visit.database.read() as connection:
        known = await channels_of(connection)
        of = next((it.id for it in known if str(it.id) == channel), None)
        found, following = await page_of_deliveries(connection, chosen, of, PAGE, after or None, cursors)
        return await visit.show(
            connection, "alerts_deliveries.html", title="Deliveries", told=NOTICES.get(done), deliveries=[(it, MARKS[it.state]) for it in found],
            states=STATES, chosen=chosen or "", channels=known, channel=of, following=following, is_first=not after,
            waits=done == "tested" or any(it.state == "PENDING" for it in found),
        )  # fmt: skip


@post("/alerts/deliveries/retry", guards=[requires(Permission.MANAGE)])
async def retry_deliveries(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    body = body_of(channels.AgainBody, {"channelId": text(data, "channel") or None})
    await as_the_api(channels.retry_deliveries, data=body, principal=visit.principal, database=visit.database)
    return visit.back("/alerts/deliveries?done=again" + (f"&channel={body.channel_id}" if body.channel_id else ""))


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    """All events that there are, or none, are no filter: what is new later is told too."""
    events = texts(data, "events")
    return {
        "name": text(data, "name"), "events": None if set(events) >= EVENTS.keys() else events or None, "tags": words(data, "tags"),
        "jobs": words(data, "jobs"), "reason": reason(data),
    }  # fmt: skip


async def _window(connection: Connection, data: Mapping[str, Any], zone: str) -> dict[str, Any]:
    until = local_instant(data, "until", zone)
    if until is None:
        lasts = milliseconds(data, "lasts")
        if lasts is None:
            raise InvalidArguments(
                "when it ends is missing", hint="choose how long, or write until when", field="until"
            )
        now = (await one(connection, queries.FLEET))["now"]
        until = now + timedelta(milliseconds=lasts)
    job = text(data, "jobId")
    return {
        "until": until, "channelId": text(data, "channelId") or None, "jobId": await job_named(connection, job, "jobId") if job else None,
        "reason": reason(data),
    }  # fmt: skip


async def _mutes(visit: Visit, form: Filled, told: str | None = None) -> Response[str]:
    windows = await as_the_api(channels.list_mutes, database=visit.database)
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "alerts_mutes.html", title="Mute windows", told=told, refused=form.refused, form=form, windows=windows,
            channels=await channels_of(connection), zone=visit.principal.preferences.zone("UTC"),
        )  # fmt: skip


async def _form(visit: Visit, channel_id: UUID | None, form: Filled | None = None, *, secret: str | None = None) -> Response[str]:  # fmt: skip
    async with visit.database.read() as connection:
        channel = None if channel_id is None else await channel_of(connection, channel_id)
        if form is None:
            assert channel is not None
            form = Filled(_kept(channel))
        return await visit.show(
            connection, "alerts_channel.html", title=channel.name if channel else "New channel", refused=form.refused, form=form, channel=channel,
            events=[(event, event.replace("_", " "), EVENTS[event]) for event in get_args(Event) if event in EVENTS], secret=secret,
        )  # fmt: skip


def _kept(channel: ChannelAnswer) -> dict[str, Any]:
    return {
        "name": channel.name, "events": list(EVENTS) if channel.events is None else channel.events, "tags": ", ".join(channel.tags or ()),
        "jobs": ", ".join(channel.jobs or ()), "isEnabled": "on" if channel.is_enabled else "off",
    }  # fmt: skip
