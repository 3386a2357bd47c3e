"""Alerts: conditions that go on, or did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer

Kind = Literal["failing", "late", "missed", "slow", "unsuccessful", "no_worker", "fleet_silent"]
State = Literal["open", "unacknowledged", "resolved", "all"]

COLUMNS: LiteralString = """
  a.id, a.kind, a.job_id, a.job_name AS job, a.opened_at, a.told_at, a.count, a.acknowledged_at, a.acknowledged_by, a.resolved_at, a.detail
"""
ALERTS: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.cron_alert a
WHERE (%(state)s = 'all' OR %(state)s = 'resolved' AND a.resolved_at IS NOT NULL
    OR %(state)s IN ('open', 'unacknowledged') AND a.resolved_at IS NULL AND (%(state)s = 'open' OR a.acknowledged_at IS NULL))
  AND (%(kind)s::text IS NULL OR a.kind = %(kind)s) AND (%(job)s::uuid IS NULL OR a.job_id = %(job)s)
  AND (%(before)s::uuid IS NULL OR a.id < %(before)s)
ORDER BY a.id DESC LIMIT %(limit)s
"""
ALERT: LiteralString = f"SELECT {COLUMNS} FROM pgcron.cron_alert a WHERE a.id = %(id)s"
OPEN: LiteralString = (
    f"SELECT {COLUMNS} FROM pgcron.cron_alert a WHERE a.resolved_at IS NULL ORDER BY a.id DESC LIMIT %(limit)s"
)
UNREAD: LiteralString = "SELECT count(*) AS unread FROM pgcron.cron_outbox WHERE read_at IS NULL"


class AlertAnswer(Answer):
    """job: its name when the alert opened. toldAt: null for what was not told, or not yet. count: how often it was seen."""

    id: UUID
    kind: Kind
    job_id: UUID | None
    job: str | None
    opened_at: datetime
    told_at: datetime | None
    count: int
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    detail: dict[str, Any]


async def open_alerts(connection: Connection, limit: int) -> Sequence[AlertAnswer]:
    """The newest first."""
    rows = await (await connection.execute(OPEN, {"limit": limit})).fetchall()
    return [AlertAnswer(**row) for row in rows]


async def unread_messages(connection: Connection) -> int:
    row = await (await connection.execute(UNREAD)).fetchone()
    assert row is not None
    unread: int = row["unread"]
    return unread
