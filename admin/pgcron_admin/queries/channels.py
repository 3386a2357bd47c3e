"""Channels without what is secret in them, windows in which messages are held back, and what became of each message."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer
from pgcron_py.app.notifications import MUTES
from pgcron_py.errors import InvalidArguments, NotFound

DeliveryState = Literal["PENDING", "DELIVERED", "GIVEN_UP", "SKIPPED"]
Event = Literal[
    "failed", "recovered", "auto_disabled", "late", "missed", "slow", "unsuccessful", "no_worker", "fleet_silent", "test"
]  # fmt: skip

CHANNEL_COLUMNS: LiteralString = """
SELECT c.id, c.name, c.address, c.events, c.tags, c.jobs, c.is_enabled, c.created_at, c.updated_at,
  (SELECT max(m.ends_at) FROM pgcron.cron_mute m WHERE m.job_id IS NULL AND (m.channel_id IS NULL OR m.channel_id = c.id)
     AND m.starts_at <= clock_timestamp() AND m.ends_at > clock_timestamp()) AS muted_until,
  (SELECT count(*) FROM pgcron.cron_delivery d WHERE d.channel_id = c.id AND d.state = 'PENDING') AS waiting,
  (SELECT count(*) FROM pgcron.cron_delivery d WHERE d.channel_id = c.id AND d.state = 'GIVEN_UP') AS given_up
FROM pgcron.cron_channel c
"""
CHANNELS: LiteralString = f"{CHANNEL_COLUMNS} ORDER BY c.name LIMIT 1000"
CHANNEL: LiteralString = f"{CHANNEL_COLUMNS} WHERE c.id = %(id)s"
CHANNEL_NAME: LiteralString = "SELECT name FROM pgcron.cron_channel WHERE id = %(id)s"
DELIVERIES: LiteralString = """
SELECT d.id, d.kind, d.channel_id, c.name AS channel, coalesce(o.event, 'ping ' || d.ping) AS event, coalesce(d.job_id, o.job_id) AS job_id,
  coalesce(o.job_name, j.name) AS job, d.state, d.is_muted, d.attempts, d.created_at, d.ended_at,
  CASE WHEN d.state = 'PENDING' THEN d.next_attempt_at END AS next_attempt_at, d.claim_token IS NOT NULL AS is_on_its_way, d.last_error, d.seq
FROM pgcron.cron_delivery d LEFT JOIN pgcron.cron_channel c ON c.id = d.channel_id LEFT JOIN pgcron.cron_outbox o ON o.id = d.outbox_id
  LEFT JOIN pgcron.cron_job j ON j.id = d.job_id
WHERE (%(state)s::text IS NULL OR d.state = %(state)s) AND (%(channel)s::uuid IS NULL OR d.channel_id = %(channel)s)
  AND (%(before)s::bigint IS NULL OR d.seq < %(before)s::bigint)
ORDER BY d.seq DESC LIMIT %(limit)s
"""


class ChannelAnswer(Answer):
    """address: its URL without what may be secret. events, tags, jobs: what it wants; null: all. waiting, givenUp: messages."""

    id: UUID
    name: str
    address: str
    events: list[str] | None
    tags: list[str] | None
    jobs: list[str] | None
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    muted_until: datetime | None
    waiting: int
    given_up: int


class MuteAnswer(Answer):
    """channel, job: null means any."""

    id: UUID
    channel: str | None
    job: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str | None
    muted_by: str


class DeliveryAnswer(Answer):
    """One message to one channel, or the ping of a run. nextAttemptAt: while it waits. lastError: without secrets."""

    id: UUID
    kind: Literal["notification", "ping"]
    channel_id: UUID | None
    channel: str | None
    event: str
    job_id: UUID | None
    job: str | None
    state: DeliveryState
    is_muted: bool
    attempts: int
    created_at: datetime
    ended_at: datetime | None
    next_attempt_at: datetime | None
    is_on_its_way: bool
    last_error: str | None


async def channels_of(connection: Connection) -> list[ChannelAnswer]:
    return [ChannelAnswer(**row) for row in await (await connection.execute(CHANNELS)).fetchall()]


async def channel_of(connection: Connection, channel_id: UUID) -> ChannelAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(CHANNEL, {"id": channel_id})).fetchone()
    if row is None:
        raise _no_channel(channel_id)
    return ChannelAnswer(**row)


async def channel_name_of(connection: Connection, channel_id: UUID, field: str | None = None) -> str:
    """Raises NotFound; InvalidArguments where a field names it."""
    row = await (await connection.execute(CHANNEL_NAME, {"id": channel_id})).fetchone()
    if row is not None:
        name: str = row["name"]
        return name
    if field is None:
        raise _no_channel(channel_id)
    raise InvalidArguments(
        f"{field}: there is no channel {channel_id}", hint="GET /api/channels lists them", field=field
    )


async def mutes_of(connection: Connection) -> list[MuteAnswer]:
    """Those that go on or are to come."""
    return [MuteAnswer(**row) for row in await (await connection.execute(MUTES)).fetchall()]


async def page_of_deliveries(
    connection: Connection, state: DeliveryState | None, channel: UUID | None, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[DeliveryAnswer], str | None]:  # fmt: skip
    """The newest first, and the cursor of the page that follows."""
    before = cursors.opened("deliveries", cursor)
    params: dict[str, Any] = {
        "state": state, "channel": channel, "before": before[0] if before else None, "limit": limit + 1,
    }  # fmt: skip
    rows = await (await connection.execute(DELIVERIES, params, prepare=False)).fetchall()
    following = cursors.sealed("deliveries", [rows[limit - 1]["seq"]]) if len(rows) > limit else None
    return [
        DeliveryAnswer(**{key: value for key, value in row.items() if key != "seq"}) for row in rows[:limit]
    ], following


def _no_channel(channel_id: UUID) -> NotFound:
    return NotFound(f"there is no channel {channel_id}", hint="GET /api/channels lists them")
