"""What keeps all jobs, or some, from running: the kill switch and blackout windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from pgcron_admin.controllers import kill_switch
from pgcron_admin.database import Connection
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.screens import queries
from pgcron_admin.screens.entry import safe_path
from pgcron_admin.screens.forms import (
    Filled,
    ManyForm,
    as_the_api,
    body_of,
    local_instant,
    milliseconds,
    reason,
    text,
)
from pgcron_admin.screens.jobs import Text, one_or_none
from pgcron_admin.screens.schedule import zones
from pgcron_admin.screens.visits import Visit
from pgcron_py.errors import InvalidArguments, PgCronError

SWITCH, BLACKOUTS = "/settings/kill-switch", "/settings/blackouts"
FIELDS = ("name", "startsAt", "endsAt", "schedule", "durationMs", "timezone", "jobId", "tag", "action", "reason")
NOTICES = {
    "paused": "Scheduling is paused.",
    "resumed": "Scheduling goes on.",
    "set": "The blackout is set.",
    "removed": "The blackout was removed.",
}


@get(SWITCH, guards=[requires(Permission.VIEW)])
async def show_switch(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    return await _switch(visit, Filled(), NOTICES.get(done))


@post(f"{SWITCH}/pause", guards=[requires(Permission.MANAGE)])
async def pause(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    """Over the API a reason may be left out; whoever sees the banner wants one."""
    try:
        if reason(data) is None:
            raise InvalidArguments(
                "the reason is missing", hint="say why: everybody sees it in the banner", field="reason"
            )
        body = body_of(kill_switch.SwitchBody, {"reason": reason(data)})
        await as_the_api(kill_switch.pause_fleet, data=body, principal=visit.principal, database=visit.database)
    except PgCronError as error:
        return await _switch(visit, Filled(data, error, ("reason",)))
    return visit.back(f"{SWITCH}?done=paused")


@post(f"{SWITCH}/resume", guards=[requires(Permission.MANAGE)])
async def resume(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    body = kill_switch.SwitchBody(reason=reason(data))
    await as_the_api(kill_switch.resume_fleet, data=body, principal=visit.principal, database=visit.database)
    back = safe_path(text(data, "back") or f"{SWITCH}?done=resumed")
    return visit.back(f"{SWITCH}?done=resumed" if back == SWITCH else back)


async def _switch(visit: Visit, form: Filled, told: str | None = None) -> Response[str]:
    state = await as_the_api(kill_switch.show_fleet, database=visit.database)
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "settings_kill_switch.html", title="Kill switch", told=told, refused=form.refused, form=form, state=state
        )  # fmt: skip


@get(BLACKOUTS, guards=[requires(Permission.VIEW)])
async def list_blackouts(visit: NamedDependency[Visit], done: Text = "") -> Response[str]:
    form = Filled({"comes": "once", "of": "all", "action": "skip", "timezone": visit.principal.preferences.timezone})
    return await _blackouts(visit, form, NOTICES.get(done))


@post(BLACKOUTS, guards=[requires(Permission.MANAGE)])
async def set_blackout(data: ManyForm, visit: NamedDependency[Visit]) -> Response[Any]:
    try:
        async with visit.database.read() as connection:
            said = await _said(connection, data)
        body = body_of(kill_switch.BlackoutBody, said)
        await as_the_api(kill_switch.set_blackout, data=body, principal=visit.principal, database=visit.database)
    except PgCronError as error:
        return await _blackouts(visit, Filled(data, error, FIELDS))
    return visit.back(f"{BLACKOUTS}?done=set")


@post(f"{BLACKOUTS}/{{blackout_id:uuid}}/delete", guards=[requires(Permission.MANAGE)])
async def remove_blackout(blackout_id: FromPath[UUID], visit: NamedDependency[Visit]) -> Response[Any]:
    await as_the_api(
        kill_switch.remove_blackout, blackout_id=blackout_id, principal=visit.principal, database=visit.database
    )
    return visit.back(f"{BLACKOUTS}?done=removed")


async def _said(connection: Connection, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says as the API's body: of the two kinds of windows the fields of the chosen one."""
    zone, of = text(data, "timezone") or "UTC", text(data, "of")
    is_once = text(data, "comes") != "schedule"
    said: dict[str, Any] = {
        "name": text(data, "name"), "action": text(data, "action"), "timezone": zone, "reason": reason(data),
        "tag": (text(data, "tag") or None) if of == "tag" else None, "jobId": None,
    }  # fmt: skip
    if is_once:
        said |= {name: local_instant(data, name, zone) for name in ("startsAt", "endsAt")}
    else:
        said |= {"schedule": text(data, "schedule"), "durationMs": milliseconds(data, "durationMs")}
    if of == "tag" and said["tag"] is None:
        raise InvalidArguments("the tag is missing", hint="name one, or choose all jobs", field="tag")
    if of == "job":
        said["jobId"] = await job_named(connection, text(data, "jobId"), "jobId")
    return said


async def job_named(connection: Connection, name: str, field: str) -> UUID:
    """Raises InvalidArguments."""
    row = await one_or_none(connection, queries.JOB_OF, {"key": name}) if name else None
    if row is None:
        raise InvalidArguments(f"no job is named {name!r}", hint="write its whole name", field=field)
    found: UUID = row["id"]
    return found


async def _blackouts(visit: Visit, form: Filled, told: str | None = None) -> Response[str]:
    windows = await as_the_api(kill_switch.list_blackouts, database=visit.database)
    async with visit.database.read() as connection:
        return await visit.show(
            connection, "settings_blackouts.html", title="Blackouts", told=told, refused=form.refused, form=form, windows=windows, zones=zones()
        )  # fmt: skip
