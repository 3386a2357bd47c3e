"""One deed on many jobs: chosen in the list, confirmed on a page of its own, then watched while it is done in the background."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, LiteralString, get_args
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter, QueryParameter
from litestar.response import Redirect

from pgcron_admin import commands
from pgcron_admin.bulk_runner import NEEDED, BulkRunner
from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection, Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import demand, requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.bulks import Action, bulk_of, jobs_matching, page_of_bulks, page_of_items
from pgcron_admin.queries.jobs import JobFilter
from pgcron_admin.screens import queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.jobs import ID, Text, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.views import job_path
from pgcron_py.errors import InvalidArguments, PgCronError
from pgcron_py.storage.sqlstates import http_status

ACTIONS: dict[Action, tuple[str, str]] = {
    "run": ("Run now", "play"), "enable": ("Enable", "power"), "disable": ("Disable", "circle-pause"), "cancel": ("Cancel what runs and waits", "octagon-x"),
    "tag": ("Add a tag", "tag"), "untag": ("Remove a tag", "tag"), "notify": ("Notify of failures, or not", "bell"),
}  # fmt: skip
LEAVES_LOCKED_OUT = ("tag", "untag", "notify")
TYPED_ABOVE = 25
SHOWN = 20
UNTIL = {
    "": "until somebody enables them",
    "1": "for an hour",
    "8": "for eight hours",
    "24": "for a day",
    "168": "for a week",
}
CHOSEN: LiteralString = """
SELECT count(*) AS count, count(*) FILTER (WHERE is_locked) AS locked, (array_agg(name ORDER BY name))[:20] AS names
FROM pgcron.cron_job WHERE id = ANY (%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which jobs: these, or all that match."""

    ids: list[UUID]
    filter: JobFilter | None

    @classmethod
    def of(cls, jobs: list[str], everything: str, search: str, tag: str, show: str) -> Choice:
        if not everything:
            return cls([UUID(text) for text in dict.fromkeys(jobs) if ID.fullmatch(text)], None)
        state = next((name for name in queries.CHIPS if name == show), None)
        return cls([], JobFilter(search=search.strip() or None, tags=[tag] if tag else None, state=state))

    async def jobs(self, connection: Connection) -> list[UUID]:
        return self.ids if self.filter is None else await jobs_matching(connection, self.filter)

    def told(self) -> dict[str, Any]:
        """For the record of the action."""
        wanted = self.filter
        if wanted is None:
            return {"ids": len(self.ids)}
        told = {"search": wanted.search, "tags": wanted.tags, "state": wanted.state}
        return {"filter": {name: value for name, value in told.items() if value}}


@get("/jobs/bulk", guards=[requires(Permission.VIEW)])
async def confirm_bulk(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    action: Text = "", job: Annotated[list[str] | None, Parameter(max_items=1000)] = None, everything: Annotated[str, QueryParameter(name="all", max_length=1)] = "",
    search: Text = "", tag: Text = "", show: Text = "",
) -> Response[str]:  # fmt: skip
    choice = Choice.of(job or [], everything, search, tag, show)
    fields = {"action": action, "all": everything, "search": search, "tag": tag, "show": show}
    return await _confirmation(request, principal, pages, database, choice, fields)


async def _confirmation(
    request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, choice: Choice, fields: dict[str, str],
    refused: PgCronError | None = None,
) -> Response[str]:  # fmt: skip
    action = next((known for known in get_args(Action) if known == fields.get("action")), None)
    if action is not None:
        await demand(request, NEEDED[action])
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        chosen = await one(connection, CHOSEN, {"ids": await choice.jobs(connection)})
    offered = [(name, words, icon) for name, (words, icon) in ACTIONS.items() if principal.may(NEEDED[name])]
    kept = {name: value for name, value in fields.items() if name in ("all", "search", "tag", "show") and value}
    again = urlencode([*kept.items(), *(("job", str(id_)) for id_ in choice.ids)])
    return pages.show(
        request, principal, "bulk_confirm.html", http_status=200 if refused is None else http_status(refused), title="Many jobs at once", fleet=fleet,
        now=fleet["now"], told=None, refused=refused, action=action, words=ACTIONS[action][0] if action else "", actions=offered, chosen=chosen, kept=kept,
        ids=choice.ids, again=f"/jobs/bulk?{again}", fields=fields, until=UNTIL, has_to_type=chosen["count"] > TYPED_ABOVE, shown=SHOWN,
        left_out=chosen["locked"] if action in LEAVES_LOCKED_OUT else 0,
    )  # fmt: skip


@post("/jobs/bulk", guards=[requires(Permission.VIEW)])
async def begin_bulk(
    data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    bulks: NamedDependency[BulkRunner],
) -> Response[Any]:  # fmt: skip
    ids = data.get("jobs", "").split()
    choice = Choice.of(ids, data.get("all", ""), data.get("search", ""), data.get("tag", ""), data.get("show", ""))
    action = next((known for known in get_args(Action) if known == data.get("action")), None)
    if action is None:
        return await _confirmation(request, principal, pages, database, choice, data)
    await demand(request, NEEDED[action])
    reason = data.get("reason", "").strip()[:1000] or None
    try:
        async with database.transaction(principal, reason=reason) as connection:
            jobs = await choice.jobs(connection)
            params = _checked(action, data, len(jobs))
            bulk = await commands.begin_bulk(connection, principal, action, params, choice.told(), jobs, reason)
    except PgCronError as error:
        return await _confirmation(request, principal, pages, database, choice, data, refused=error)
    bulks.wake()
    return Redirect(f"{facts_of(request.scope).base_path}/bulk/{bulk}", status_code=303)


def _checked(action: Action, data: dict[str, str], count: int) -> dict[str, Any]:
    """What the action needs. Raises InvalidArguments naming the field."""
    if count > TYPED_ABOVE and data.get("typed", "").strip() != str(count):
        raise InvalidArguments(f"typed: these are {count} jobs", hint=f"type {count} to confirm", field="typed")
    if action in ("tag", "untag"):
        if not (word := data.get("word", "").strip()):
            raise InvalidArguments("word: which tag?", hint="give one", field="word")
        return {"tag": word}
    if action == "notify":
        return {"value": data.get("value") == "on"}
    if action == "disable" and (hours := data.get("until", "")) in UNTIL and hours:
        return {"until": (datetime.now(UTC) + timedelta(hours=int(hours))).isoformat()}
    return {}


@get("/bulk", guards=[requires(Permission.VIEW)])
async def list_bulks(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    cursors: NamedDependency[Cursors],
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        bulks, _ = await page_of_bulks(connection, queries.PAGE, None, cursors)
    return pages.show(
        request, principal, "bulks.html", title="Bulk actions", fleet=fleet, now=fleet["now"], told=None, bulks=bulks, actions=ACTIONS
    )  # fmt: skip


@get("/bulk/{bulk_id:uuid}", guards=[requires(Permission.VIEW)])
async def show_bulk(
    bulk_id: FromPath[UUID], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], cursors: NamedDependency[Cursors],
) -> Response[str]:  # fmt: skip
    return await _bulk_page(bulk_id, request, principal, pages, database, cursors)


async def _bulk_page(
    bulk_id: UUID, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, cursors: Cursors,
    refused: PgCronError | None = None,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        bulk = await bulk_of(connection, bulk_id)
        troubles, _ = await page_of_items(connection, bulk_id, "refused", 200, None, cursors)
        items = [
            item
            for item in (await page_of_items(connection, bulk_id, None, 200, None, cursors))[0]
            if item.outcome != "refused"
        ]
    came_to = bulk.done + bulk.unchanged + bulk.refused + bulk.cancelled
    return pages.show(
        request, principal, "bulk.html", http_status=200 if refused is None else http_status(refused), title="Bulk action", fleet=fleet, now=fleet["now"],
        told=None, refused=refused, bulk=bulk, words=ACTIONS[bulk.action][0], troubles=troubles, items=items, came_to=came_to,
        is_over=bulk.ended_at is not None, may_cancel=principal.may(NEEDED[bulk.action]), path=job_path,
    )  # fmt: skip


@post("/bulk/{bulk_id:uuid}/cancel", guards=[requires(Permission.VIEW)])
async def cancel_bulk(
    bulk_id: FromPath[UUID], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], cursors: NamedDependency[Cursors],
) -> Response[Any]:  # fmt: skip
    async with database.read() as connection:
        action = (await bulk_of(connection, bulk_id)).action
    await demand(request, NEEDED[action])
    try:
        async with database.transaction(principal) as connection:
            await commands.cancel_bulk(connection, bulk_id, None)
    except PgCronError as error:
        return await _bulk_page(bulk_id, request, principal, pages, database, cursors, refused=error)
    return Redirect(f"{facts_of(request.scope).base_path}/bulk/{bulk_id}", status_code=303)
