"""Who changed what, when, from where and why; and undoing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, LiteralString
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter
from litestar.response import Redirect
from msgspec import structs

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.front import facts_of
from pgcron_admin.parameters import instant_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.audit import AuditFilter, EntryAnswer, page_of_entries
from pgcron_admin.queries.audit import entry_of as entry_detail
from pgcron_admin.screens import queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.jobs import Text, many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.views import Row, job_path
from pgcron_py.app.auditing import REVERT
from pgcron_py.errors import InvalidArguments, PgCronError

REVERTED = {"job_changed", "job_enabled", "job_disabled"}
# Those that were ever written, by how often: a look at the newest is enough to offer them.
ACTIONS: LiteralString = """
SELECT action FROM (SELECT action FROM pgcron.audit ORDER BY audit_id DESC LIMIT 5000) a GROUP BY action ORDER BY action
"""
FIELDS = ("search", "actor", "action", "since", "until")


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after, as text."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the audit."""

    id: UUID
    at: datetime
    action: str
    job: str | None
    job_path: str | None
    actor: str
    reason: str | None
    origin: str
    changes: list[Change]
    can_be_reverted: bool
    was_denied: bool


def entry_of(row: Row) -> Entry:
    old, new = row["old_values"] or {}, row["new_values"] or {}
    shown = [field for field in sorted(old.keys() | new.keys()) if old.get(field) != new.get(field)]
    job = row["job"]
    origin = " · ".join(str(part) for part in (row["client_address"], row["application"], row["db_role"]) if part)
    return Entry(
        row["audit_id"], row["at"], row["action"].replace("_", " "), job, job_path(job, row["job_id"]) if job and row["job_id"] else None,
        row["actor"] or row["db_role"], row["reason"], origin, [Change(field, _text(old.get(field)), _text(new.get(field))) for field in shown],
        row["action"] in REVERTED, row["action"].endswith("_refused"),
    )  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else str(value)


@get("/audit", guards=[requires(Permission.AUDIT_READ)])
async def list_entries(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    cursors: NamedDependency[Cursors], search: Text = "", actor: Text = "", action: Text = "", since: Text = "", until: Text = "",
    cursor: Annotated[str | None, Parameter(max_length=1000)] = None,
) -> Response[str]:  # fmt: skip
    asked = dict(zip(FIELDS, (text.strip() for text in (search, actor, action, since, until)), strict=True))
    wrong: InvalidArguments | None = None
    try:
        wanted = AuditFilter(
            search=asked["search"] or None, actor=asked["actor"] or None, action=asked["action"] or None,
            since=instant_of(asked["since"] or None, "since"), until=instant_of(asked["until"] or None, "until"),
        )  # fmt: skip
    except InvalidArguments as error:
        wanted, wrong = AuditFilter(), error
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        actions = [row["action"] for row in await many(connection, ACTIONS)]
        found, following = (
            ([], None) if wrong else await page_of_entries(connection, wanted, queries.PAGE, cursor, cursors)
        )
    query = urlencode({name: value for name, value in asked.items() if value})
    return pages.show(
        request, principal, "audit.html", http_status=400 if wrong else 200, title="Audit", fleet=fleet, now=fleet["now"], told=None, wrong=wrong, asked=asked,
        actions=actions, entries=[entry_of(_row(entry)) for entry in found], export=f"/api/audit/export?{query}",
        following=f"/audit?{query}&cursor={following}" if following else None,
    )  # fmt: skip


@get("/audit/{entry:uuid}", guards=[requires(Permission.AUDIT_READ)])
async def show_entry(
    entry: FromPath[UUID], request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database], done: Text = "",
) -> Response[str]:  # fmt: skip
    return await _entry_page(
        entry, request, principal, pages, database, told="The change was undone." if done == "reverted" else None
    )


@post("/audit/{entry:uuid}/revert", guards=[requires(Permission.SCHEDULE_EDIT)])
async def revert_entry(
    entry: FromPath[UUID], data: Form, request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages],
    database: NamedDependency[Database],
) -> Response[Any]:  # fmt: skip
    try:
        async with database.transaction(principal, reason=f"undoes {entry}") as connection:
            await connection.execute(REVERT, {"id": entry})
    except PgCronError as error:
        return await _entry_page(entry, request, principal, pages, database, refused=error, http_status=409)
    return Redirect(f"{facts_of(request.scope).base_path}/audit/{entry}?done=reverted", status_code=303)


async def _entry_page(
    entry: UUID, request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, *, told: str | None = None,
    refused: PgCronError | None = None, http_status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        detail = await entry_detail(connection, entry)
    return pages.show(
        request, principal, "audit_entry.html", http_status=http_status, title="Audit entry", fleet=fleet, now=fleet["now"], told=told, refused=refused,
        entry=entry_of(_row(detail)), detail=detail,
    )  # fmt: skip


def _row(entry: EntryAnswer) -> Row:
    return structs.asdict(entry) | {"audit_id": entry.id}
