"""The schedule editor: what a text means while it is typed, what it would change, and saving it against what others do meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.database import Connection, Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.preview import PreviewAnswer, Wanted, preview
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries import schedules
from pgcron_admin.queries.schedules import EffectAnswer
from pgcron_admin.screens import queries, views
from pgcron_admin.screens.draft import Draft
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.jobs import job_of, many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_py.errors import InvalidArguments, InvalidSchedule, PgCronError, StaleVersion, UnknownTimeZone
from pgcron_py.storage.sqlstates import http_status as status_of
from pgcron_py.timetable import load_zone

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Told:
    """What a draft means: either its preview and what it would change, or what is wrong with it."""

    preview: PreviewAnswer | None = None
    effects: list[EffectAnswer] | None = None
    error: InvalidSchedule | UnknownTimeZone | InvalidArguments | None = None

    @property
    def marked(self) -> tuple[str, str, str] | None:
        """The text before the faulty column, the character there, and the rest."""
        column = self.error.column if isinstance(self.error, InvalidSchedule) else None
        return None if column is None else (" " * (column - 1), "^", "")


@cache
def zones() -> list[str]:
    return sorted(
        zone for zone in available_timezones() if not zone.startswith(("Etc/", "SystemV/")) and zone != "localtime"
    )


async def told_of(connection: Connection, draft: Draft, job: UUID) -> Told:
    try:
        load_zone(draft.view_zone)
        old, now = await schedules.job_timing(connection, job)
        new = draft.timing(old)
        first = await asyncio.to_thread(lambda: new.plan().next_after(now))
        others = [] if first is None else await schedules.others_near(connection, first, job, old.anchor)
        shown = await asyncio.to_thread(preview, Wanted(new, now, draft.view_zone), others)
        effects = await schedules.effects_of(connection, old, draft.schedule, draft.zone, SHOWN)
        return Told(shown, effects)
    except (InvalidSchedule, UnknownTimeZone, InvalidArguments) as error:
        return Told(error=error)


@get("/jobs/{key:str}/schedule", guards=[requires(Permission.VIEW)])
async def edit_schedule(
    key: FromPath[str], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database]
) -> Response[str]:  # fmt: skip
    return await _editor(key, request, principal, pages, database)


@post("/jobs/{key:str}/schedule/preview", guards=[requires(Permission.VIEW)], status_code=200)
async def preview_draft(
    key: FromPath[str], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database],
) -> Response[str]:  # fmt: skip
    """The part of the editor below its fields, while they are typed."""
    draft = Draft.typed(data)
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        _, job = await job_of(connection, key)
        told = await told_of(connection, draft, job)
    return pages.show(request, principal, "schedule_preview.html", now=fleet["now"], draft=draft, told_of=told)


@post("/jobs/{key:str}/schedule", guards=[requires(Permission.SCHEDULE_EDIT)])
async def save_schedule(
    key: FromPath[str], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database],
) -> Response[Any]:  # fmt: skip
    draft = Draft.typed(data)
    if "look" in data:  # without JavaScript: a look before it is saved
        return await _editor(key, request, principal, pages, database, draft=draft)
    try:
        async with database.transaction(principal, reason=draft.reason or None) as connection:
            name, job = await job_of(connection, key)
            row = await commands.locked(connection, job)
            old, _ = await schedules.job_timing(connection, job)
            await commands.alter(connection, row, draft.changes(row, old), draft.version)
    except StaleVersion as error:
        return await _editor(key, request, principal, pages, database, draft=draft, conflict=error, http_status=409)
    except PgCronError as error:
        return await _editor(
            key, request, principal, pages, database, draft=draft, refused=error, http_status=status_of(error)
        )
    return Redirect(
        facts_of(request.scope).base_path + f"{views.job_path(name, job)}?done=rescheduled", status_code=303
    )


async def _editor(
    key: str, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, draft: Draft | None = None,
    conflict: StaleVersion | None = None, refused: PgCronError | None = None, http_status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        name, job = await job_of(connection, key)
        row = await one(connection, queries.JOB, {"job": job})
        if draft is None:
            draft = replace(Draft.of(row), view_zone=principal.preferences.timezone)
        told = await told_of(connection, draft, job)
        blackouts = await many(connection, queries.BLACKOUTS_OF_JOB, {"job": job})
    return pages.show(
        request, principal, "schedule.html", http_status=http_status, title=f"Schedule of {name}", fleet=fleet, now=fleet["now"], told=None, job=row,
        draft=draft, told_of=told, conflict=conflict, refused=None if told.error else refused, blackouts=blackouts,
        path=views.job_path(name, job), zones=zones(), can_edit=principal.may(Permission.SCHEDULE_EDIT) and not row["is_locked"],
    )  # fmt: skip
