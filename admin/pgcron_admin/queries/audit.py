"""The audit: filtered, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection, Database
from pgcron_admin.wire import Answer
from pgcron_py.errors import NotFound

EXPORT_PART = 1000

COLUMNS: LiteralString = """
  a.audit_id AS id, a.at, a.action, a.job_id, a.job, a.job_version, coalesce(a.actor, a.db_role) AS actor, a.reason, a.request_id, a.db_role,
  a.application, a.client_address, a.transaction_id, a.old_values, a.new_values
"""
FILTER: LiteralString = """
  (%(actor)s::text IS NULL OR coalesce(a.actor, a.db_role) = %(actor)s) AND (%(action)s::text IS NULL OR a.action = %(action)s)
  AND (%(job)s::uuid IS NULL OR a.job_id = %(job)s)
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR a.at < %(until)s)
  AND (%(search)s::text IS NULL OR concat_ws(' ', a.actor, a.db_role, a.action, a.job, a.reason, a.request_id, a.client_address,
         a.old_values::text, a.new_values::text) ILIKE %(search)s)
"""
ENTRIES: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.audit a WHERE {FILTER}
  AND (%(at)s::timestamptz IS NULL OR (a.at, a.audit_id) < (%(at)s::timestamptz, %(id)s::uuid))
ORDER BY a.at DESC, a.audit_id DESC LIMIT %(limit)s
"""
ENTRY: LiteralString = f"SELECT {COLUMNS} FROM pgcron.audit a WHERE a.audit_id = %(id)s"
SEAL: LiteralString = "SELECT position FROM pgcron.cron_audit_seal WHERE audit_id = %(id)s"


class EntryAnswer(Answer):
    """actor: who acted. oldValues, newValues: what changed; of what was made or deleted all of it. transactionId: shared by what was done together."""

    id: UUID
    at: datetime
    action: str
    job_id: UUID | None
    job: str | None
    job_version: int | None
    actor: str
    reason: str | None
    request_id: str | None
    db_role: str
    application: str | None
    client_address: str | None
    transaction_id: int
    old_values: dict[str, Any] | None
    new_values: dict[str, Any] | None


class ChangeAnswer(Answer):
    """One field. before, after: null where it was not, or is no more."""

    field: str
    before: Any
    after: Any


class EntryDetailAnswer(EntryAnswer):
    """changes: field by field. canRevert: whether POST …/revert could undo it. sealedAt: its place in the chain of hashes; null for now."""

    changes: list[ChangeAnswer]
    can_revert: bool
    seal_position: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """None: any. search: a part of anything in it. until: does not count."""

    actor: str | None = None
    action: str | None = None
    job: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None

    def params(self) -> dict[str, Any]:
        return {
            "actor": self.actor, "action": self.action, "job": self.job, "since": self.since, "until": self.until,
            "search": _contains(self.search),
        }  # fmt: skip


async def page_of_entries(
    connection: Connection, wanted: AuditFilter, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[EntryAnswer], str | None]:
    """The newest first, and the cursor of the page that follows."""
    at, id_ = cursors.opened("audit", cursor) or (None, None)
    params = wanted.params() | {"at": at, "id": id_, "limit": limit + 1}
    rows = await (await connection.execute(ENTRIES, params, prepare=False)).fetchall()
    entries = [EntryAnswer(**row) for row in rows[:limit]]
    return entries, cursors.sealed("audit", [entries[-1].at, entries[-1].id]) if len(rows) > limit else None


async def entry_of(connection: Connection, audit_id: UUID) -> EntryDetailAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(ENTRY, {"id": audit_id})).fetchone()
    if row is None:
        raise NotFound(f"there is no audit entry {audit_id}", hint="GET /api/audit lists them")
    seal = await (await connection.execute(SEAL, {"id": audit_id})).fetchone()
    return EntryDetailAnswer(
        **row, changes=_changes(row["old_values"] or {}, row["new_values"] or {}),
        can_revert=row["action"] in ("job_changed", "job_enabled", "job_disabled"), seal_position=seal["position"] if seal else None,
    )  # fmt: skip


async def all_entries(database: Database, wanted: AuditFilter) -> AsyncIterator[list[EntryAnswer]]:
    """In parts, each in a transaction of its own: an export that is read slowly holds nothing open."""
    at: datetime | None = None
    id_: UUID | None = None
    while True:
        params = wanted.params() | {"at": at, "id": id_, "limit": EXPORT_PART}
        async with database.read(20) as connection:
            rows = await (await connection.execute(ENTRIES, params, prepare=False)).fetchall()
        if rows:
            yield [EntryAnswer(**row) for row in rows]
        if len(rows) < EXPORT_PART:
            return
        at, id_ = rows[-1]["at"], rows[-1]["id"]


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[ChangeAnswer]:
    fields = sorted(old.keys() | new.keys())
    return [
        ChangeAnswer(field=field, before=old.get(field), after=new.get(field))
        for field in fields
        if old.get(field) != new.get(field)
    ]


def _contains(text: str | None) -> str | None:
    """The pattern of ILIKE for what contains this."""
    if not text:
        return None
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
