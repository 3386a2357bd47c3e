"""Who changed what, when, from where and why; and undoing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter
from litestar.response import Redirect

from pgcron_admin.database import Database
from pgcron_admin.front import facts_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.screens import queries
from pgcron_admin.screens.entry import Form
from pgcron_admin.screens.jobs import Text, many, one
from pgcron_admin.screens.rendering import Pages
from pgcron_admin.screens.views import Row, job_path
from pgcron_py.app.auditing import REVERT
from pgcron_py.errors import PgCronError

ENTRIES: LiteralString = """
SELECT audit_id, at, action, job, job_id, old_values, new_values, actor, reason, request_id, db_role, application, client_address FROM pgcron.audit
WHERE (%(job)s = '' OR job = %(job)s) AND (%(actor)s = '' OR strpos(lower(actor), lower(%(actor)s)) > 0) AND (%(action)s = '' OR action = %(action)s)
  AND (%(before)s::uuid IS NULL OR audit_id < %(before)s)
ORDER BY audit_id DESC LIMIT %(limit)s
"""
REVERTED = {"job_changed", "job_enabled", "job_disabled"}
ACTIONS = (
    "job_created", "job_changed", "job_enabled", "job_disabled", "job_deleted", "fleet_paused", "fleet_resumed", "signed_in", "sign_in_refused", "request_refused",
)  # fmt: skip


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


def entry_of(row: Row) -> Entry:
    old, new = row["old_values"] or {}, row["new_values"] or {}
    shown = [field for field in sorted(old.keys() | new.keys()) if old.get(field) != new.get(field)]
    job = row["job"]
    origin = " · ".join(str(part) for part in (row["client_address"], row["application"], row["db_role"]) if part)
    return Entry(
        row["audit_id"], row["at"], row["action"].replace("_", " "), job, job_path(job, row["job_id"]) if job and row["job_id"] else None,
        row["actor"] or row["db_role"], row["reason"], origin, [Change(field, _text(old.get(field)), _text(new.get(field))) for field in shown],
        row["action"] in REVERTED,
    )  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else str(value)


@get("/audit", guards=[requires(Permission.AUDIT_READ)])
async def list_entries(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], pages: NamedDependency[Pages], database: NamedDependency[Database],
    job: Text = "", actor: Text = "", action: Text = "", before: Annotated[UUID | None, Parameter()] = None, done: Text = "",
) -> Response[str]:  # fmt: skip
    asked = {"job": job.strip(), "actor": actor.strip(), "action": action if action in ACTIONS else ""}
    return await _page(
        request,
        principal,
        pages,
        database,
        asked,
        before,
        told="The change was undone." if done == "reverted" else None,
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
        asked = {"job": "", "actor": "", "action": ""}
        return await _page(request, principal, pages, database, asked, None, refused=error, http_status=409)
    return Redirect(facts_of(request.scope).base_path + "/audit?done=reverted", status_code=303)


async def _page(
    request: Request[Any, Any, Any], principal: Principal, pages: Pages, database: Database, asked: dict[str, str], before: UUID | None, *,
    told: str | None = None, refused: PgCronError | None = None, http_status: int = 200,
) -> Response[str]:  # fmt: skip
    async with database.read() as connection:
        fleet = await one(connection, queries.FLEET)
        rows = await many(connection, ENTRIES, asked | {"before": before, "limit": queries.PAGE + 1})
    entries = [entry_of(row) for row in rows[: queries.PAGE]]
    return pages.show(
        request, principal, "audit.html", http_status=http_status, title="Audit", fleet=fleet, now=fleet["now"], told=told, refused=refused, entries=entries,
        asked=asked, actions=ACTIONS, next_page=entries[-1].id if len(rows) > queries.PAGE else None,
    )  # fmt: skip
