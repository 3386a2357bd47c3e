"""The inbox, open alerts, what waits to be sent, and mute windows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.errors import InvalidArguments, NotFound, PgCronError
from pgcron_py.notify.message import Message, title

INBOX = """
SELECT o.id, o.created_at, o.event, o.job_name AS job, o.run_id, o.alert_id, o.payload, o.read_at, o.read_by, current_database() AS database,
  a.resolved_at IS NULL AND a.id IS NOT NULL AS is_open, a.acknowledged_by
FROM pgcron.cron_outbox o LEFT JOIN pgcron.cron_alert a ON a.id = o.alert_id
WHERE %(all)s OR o.read_at IS NULL ORDER BY o.seq DESC LIMIT %(limit)s
"""
ALERTS = """
SELECT a.id, a.kind, a.job_name AS job, a.opened_at, a.told_at, a.count, a.acknowledged_by, a.resolved_at, a.detail
FROM pgcron.cron_alert a WHERE %(all)s OR a.resolved_at IS NULL ORDER BY a.id DESC LIMIT %(limit)s
"""
DELIVERIES = """
SELECT d.id, c.name AS channel, coalesce(o.event, 'ping ' || d.ping) AS event, coalesce(o.job_name, j.name) AS job, d.state, d.is_muted, d.attempts,
  d.created_at, d.ended_at, CASE WHEN d.state = 'PENDING' THEN d.next_attempt_at END AS next_attempt_at, d.claim_token IS NOT NULL AS is_on_its_way, d.last_error
FROM pgcron.cron_delivery d LEFT JOIN pgcron.cron_channel c ON c.id = d.channel_id LEFT JOIN pgcron.cron_outbox o ON o.id = d.outbox_id
  LEFT JOIN pgcron.cron_job j ON j.id = d.job_id
WHERE (%(all)s OR d.state IN ('PENDING', 'GIVEN_UP')) AND (%(channel)s::text IS NULL OR c.name = %(channel)s) ORDER BY d.seq DESC LIMIT %(limit)s
"""
MUTES = """
SELECT m.id, c.name AS channel, j.name AS job, m.starts_at, m.ends_at, m.reason, m.muted_by FROM pgcron.cron_mute m
  LEFT JOIN pgcron.cron_channel c ON c.id = m.channel_id LEFT JOIN pgcron.cron_job j ON j.id = m.job_id
WHERE m.ends_at > clock_timestamp() ORDER BY m.ends_at, m.id LIMIT 1000
"""
BY_PREFIX = (
    "SELECT id FROM pgcron.cron_outbox WHERE id::text LIKE %(prefix)s AND read_at IS NULL ORDER BY id DESC LIMIT 2"
)
ALERTS_OF = "SELECT DISTINCT alert_id FROM pgcron.cron_outbox WHERE id = ANY (%(ids)s) AND alert_id IS NOT NULL"
UNREAD = "SELECT id FROM pgcron.cron_outbox WHERE read_at IS NULL"
MARK_READ = "SELECT pgcron.mark_read(%(ids)s)"
ACKNOWLEDGE = "SELECT pgcron.acknowledge(id) FROM pgcron.cron_alert WHERE id = ANY (%(ids)s) AND resolved_at IS NULL"
MUTE = "SELECT pgcron.mute(%(channel)s, %(job)s, %(until)s, %(from)s, %(reason)s)"
UNMUTE = "SELECT pgcron.unmute(%(channel)s, %(job)s)"
RETRY = "SELECT pgcron.retry_deliveries(%(channel)s)"
STATE_OF = "SELECT d.state, d.last_error FROM pgcron.cron_delivery d WHERE d.outbox_id = %(message)s AND (d.state <> 'PENDING' OR d.last_error IS NOT NULL)"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """One message. is_open: what it tells of goes on."""

    id: UUID
    created_at: datetime
    event: str
    job: str | None
    run_id: UUID | None
    alert_id: UUID | None
    payload: dict[str, Any]
    read_at: datetime | None
    read_by: str | None
    database: str
    is_open: bool
    acknowledged_by: str | None

    @property
    def title(self) -> str:
        at = self.created_at.isoformat()
        text = title(Message(str(self.id), self.event, at, self.job, None, None, self.database, self.payload))
        return text.removeprefix("[pgcron] ")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """told_at: None for what was not told, or is not yet."""

    id: UUID
    kind: str
    job: str | None
    opened_at: datetime
    told_at: datetime | None
    count: int
    acknowledged_by: str | None
    resolved_at: datetime | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """channel: None for a ping."""

    id: UUID
    channel: str | None
    event: str
    job: str | None
    state: str
    is_muted: bool
    attempts: int
    created_at: datetime
    ended_at: datetime | None
    next_attempt_at: datetime | None
    is_on_its_way: bool
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteRow:
    """channel, job: None means any."""

    id: UUID
    channel: str | None
    job: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str | None
    muted_by: str


def inbox(connection: Connection, *, read: bool, limit: int) -> list[InboxRow]:
    """The newest first. read: with those that were read."""
    with transaction(connection):
        return rows(connection, InboxRow, INBOX, {"all": read, "limit": limit})


def alerts(connection: Connection, *, resolved: bool, limit: int) -> list[AlertRow]:
    with transaction(connection):
        return rows(connection, AlertRow, ALERTS, {"all": resolved, "limit": limit})


def deliveries(connection: Connection, *, ended: bool, channel: str | None, limit: int) -> list[DeliveryRow]:
    """What waits and what was given up; ended: with what was delivered or skipped."""
    with transaction(connection):
        return rows(connection, DeliveryRow, DELIVERIES, {"all": ended, "channel": channel, "limit": limit})


def mutes(connection: Connection) -> list[MuteRow]:
    """Windows that go on or are to come."""
    with transaction(connection):
        return rows(connection, MuteRow, MUTES)


def acknowledge(connection: Connection, texts: Sequence[str], every: bool, caller: Caller) -> tuple[int, int]:
    """Marks messages read and says of their alerts that somebody cares; how many of each. Raises NotFound."""
    with transaction(connection, caller):
        if every:
            ids = [row[0] for row in connection.execute(UNREAD)]
        else:
            ids = [_message(connection, text) for text in texts]
        open_alerts = [row[0] for row in connection.execute(ALERTS_OF, {"ids": ids})]
        taken = sum(row[0] for row in connection.execute(ACKNOWLEDGE, {"ids": open_alerts}))
        return value(connection, MARK_READ, {"ids": ids}), taken


def _message(connection: Connection, text: str) -> UUID:
    prefix = text.strip().lower()
    if len(prefix) < 4 or set(prefix) - set("0123456789abcdef-"):
        hint = "give an id, or at least 4 characters of its beginning"
        raise InvalidArguments(f"{text!r} names no message", hint=hint)
    found = [row[0] for row in connection.execute(BY_PREFIX, {"prefix": f"{prefix}%"})]
    if len(found) > 1:
        raise InvalidArguments(f"several messages' ids begin with {text!r}", hint="give more of it")
    if not found:
        raise NotFound(f"no unread message is {text!r}", hint="`pgcron notify inbox` lists them")
    message: UUID = found[0]
    return message


@dataclass(frozen=True, slots=True)
class Window:
    """channel, job: None means any. begins: None means now."""

    channel: str | None
    job: str | None
    until: datetime
    begins: datetime | None = None


def mute(connection: Connection, window: Window, caller: Caller) -> UUID:
    """Raises NotFound, JobNotFound, InvalidArguments."""
    params = {"channel": window.channel, "job": window.job, "until": window.until, "from": window.begins}
    with transaction(connection, caller):
        made: UUID = value(connection, MUTE, params | {"reason": caller.reason})
        return made


def unmute(connection: Connection, channel: str | None, job: str | None, caller: Caller) -> int:
    """How many windows ended."""
    with transaction(connection, caller):
        ended: int = value(connection, UNMUTE, {"channel": channel, "job": job})
        return ended


def retry(connection: Connection, channel: str | None, caller: Caller) -> int:
    """How many deliveries are tried at once."""
    with transaction(connection, caller):
        count: int = value(connection, RETRY, {"channel": channel})
        return count


def wait_for_test(connection: Connection, message: UUID, timeout_s: float, pause_s: float = 0.1) -> str | None:
    """Until a worker has sent the test message; why that failed, None: it did not. Raises PgCronError when nobody did in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        row = connection.execute(STATE_OF, {"message": message}).fetchone()
        if row is not None:
            return None if row[0] == "DELIVERED" else str(row[1])
        if time.monotonic() >= deadline:
            raise PgCronError(
                f"no worker sent the test message within {timeout_s:g} s",
                hint="`pgcron workers list` shows who is alive",
            )
        time.sleep(pause_s)
