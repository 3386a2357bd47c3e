"""Alerts: conditions that go on, or did; and messages of the inbox, which tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer
from pgcron_py.app.notifications import InboxRow
from pgcron_py.errors import NotFound

AlertKind = Literal["failing", "late", "missed", "slow", "unsuccessful", "no_worker", "fleet_silent"]
AlertState = Literal["open", "unacknowledged", "resolved", "all"]

COLUMNS: LiteralString = """
  a.id, a.kind, a.job_id, a.job_name AS job, a.opened_at, a.told_at, a.count, a.acknowledged_at, a.acknowledged_by, a.resolved_at, a.detail
"""
ALERTS: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.cron_alert a
WHERE CASE %(state)s::text WHEN 'all' THEN true WHEN 'resolved' THEN a.resolved_at IS NOT NULL WHEN 'open' THEN a.resolved_at IS NULL
        ELSE a.resolved_at IS NULL AND a.acknowledged_at IS NULL END
  AND (%(kind)s::text IS NULL OR a.kind = %(kind)s) AND (%(job)s::uuid IS NULL OR a.job_id = %(job)s)
  AND (%(before)s::uuid IS NULL OR a.id < %(before)s::uuid)
ORDER BY a.id DESC LIMIT %(limit)s
"""
ALERT: LiteralString = f"SELECT {COLUMNS} FROM pgcron.cron_alert a WHERE a.id = %(id)s"
OPEN: LiteralString = (
    f"SELECT {COLUMNS} FROM pgcron.cron_alert a WHERE a.resolved_at IS NULL ORDER BY a.id DESC LIMIT %(limit)s"
)
UNREAD: LiteralString = "SELECT count(*) AS unread FROM pgcron.cron_outbox WHERE read_at IS NULL"
MESSAGES: LiteralString = """
SELECT o.id, o.created_at, o.event, o.job_name AS job, o.job_id, o.run_id, o.alert_id, o.payload, o.read_at, o.read_by, current_database() AS database,
  a.resolved_at IS NULL AND a.id IS NOT NULL AS is_open, a.acknowledged_by, o.seq
FROM pgcron.cron_outbox o LEFT JOIN pgcron.cron_alert a ON a.id = o.alert_id
WHERE (%(all)s OR o.read_at IS NULL) AND (%(before)s::bigint IS NULL OR o.seq < %(before)s::bigint)
ORDER BY o.seq DESC LIMIT %(limit)s
"""


class AlertAnswer(Answer):
    """job: its name when the alert opened. toldAt: null for what was not told, or not yet. count: how often it was seen."""

    id: UUID
    kind: AlertKind
    job_id: UUID | None
    job: str | None
    opened_at: datetime
    told_at: datetime | None
    count: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    detail: dict[str, Any]


class MessageAnswer(Answer):
    """title: what it says, in a line. isOpen: what it tells of goes on. acknowledgedBy: who cares for its alert."""

    id: UUID
    title: str
    event: str
    created_at: datetime
    job_id: UUID | None
    job: str | None
    run_id: UUID | None
    alert_id: UUID | None
    is_open: bool
    acknowledged_by: str | None
    read_at: datetime | None
    read_by: str | None
    payload: dict[str, Any]


async def open_alerts(connection: Connection, limit: int) -> Sequence[AlertAnswer]:
    """The newest first."""
    rows = await (await connection.execute(OPEN, {"limit": limit})).fetchall()
    return [AlertAnswer(**row) for row in rows]


async def alert_of(connection: Connection, alert_id: UUID) -> AlertAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(ALERT, {"id": alert_id})).fetchone()
    if row is None:
        raise NotFound(f"there is no alert {alert_id}", hint="GET /api/alerts?state=all lists them")
    return AlertAnswer(**row)


async def page_of_alerts(
    connection: Connection, state: AlertState, kind: AlertKind | None, job: UUID | None, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[AlertAnswer], str | None]:  # fmt: skip
    """The newest first, and the cursor of the page that follows."""
    before = cursors.opened("alerts", cursor)
    params = {"state": state, "kind": kind, "job": job, "before": before[0] if before else None, "limit": limit + 1}
    rows = await (await connection.execute(ALERTS, params, prepare=False)).fetchall()
    alerts = [AlertAnswer(**row) for row in rows[:limit]]
    return alerts, cursors.sealed("alerts", [alerts[-1].id]) if len(rows) > limit else None


async def page_of_messages(
    connection: Connection, everything: bool, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[MessageAnswer], str | None]:
    """everything: with those that were read."""
    before = cursors.opened("inbox", cursor)
    params = {"all": everything, "before": before[0] if before else None, "limit": limit + 1}
    rows = await (await connection.execute(MESSAGES, params, prepare=False)).fetchall()
    following = cursors.sealed("inbox", [rows[limit - 1]["seq"]]) if len(rows) > limit else None
    return [_message(row) for row in rows[:limit]], following


async def unread_messages(connection: Connection) -> int:
    row = await (await connection.execute(UNREAD)).fetchone()
    assert row is not None
    unread: int = row["unread"]
    return unread


def _message(row: dict[str, Any]) -> MessageAnswer:
    of_inbox = InboxRow(**{key: value for key, value in row.items() if key not in ("job_id", "seq")})
    told = {key: value for key, value in row.items() if key not in ("database", "seq")}
    return MessageAnswer(**told, title=of_inbox.title)
