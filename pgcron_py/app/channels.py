"""Channels: where notifications go. Their URLs and secrets go in, and are read only to send."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.errors import InvalidArguments, NotFound
from pgcron_py.notify import once

LIST = """
SELECT c.id, c.name, c.address, c.events, c.tags, c.jobs, c.is_enabled, c.updated_at,
  (SELECT max(m.ends_at) FROM pgcron.cron_mute m WHERE (m.channel_id IS NULL AND m.job_id IS NULL OR m.channel_id = c.id AND m.job_id IS NULL)
     AND m.starts_at <= clock_timestamp() AND m.ends_at > clock_timestamp()) AS muted_until,
  (SELECT count(*) FROM pgcron.cron_delivery d WHERE d.channel_id = c.id AND d.state = 'PENDING') AS waiting,
  (SELECT count(*) FROM pgcron.cron_delivery d WHERE d.channel_id = c.id AND d.state = 'GIVEN_UP') AS given_up
FROM pgcron.cron_channel c ORDER BY c.name LIMIT 1000
"""
ADD = "SELECT pgcron.add_channel(%(name)s, %(url)s, %(events)s, %(tags)s, %(jobs)s, %(secret)s)"
EDIT = "SELECT pgcron.edit_channel(%(name)s, %(changes)s)"
REMOVE = "SELECT pgcron.remove_channel(%(name)s)"
TARGET = "SELECT url, secret, current_database() FROM pgcron.cron_channel WHERE name = %(name)s"
TEST = "SELECT pgcron.test_channel(%(name)s)"
NOW = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """A channel without its secrets. events, tags, jobs: None means all."""

    id: UUID
    name: str
    address: str
    events: Sequence[str] | None
    tags: Sequence[str] | None
    jobs: Sequence[str] | None
    is_enabled: bool
    updated_at: datetime
    muted_until: datetime | None
    waiting: int
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewChannel:
    """url and secret are nobody's business but the receiver's."""

    name: str
    url: str
    secret: str | None = None
    events: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    jobs: Sequence[str] | None = None


def list_channels(connection: Connection) -> list[ChannelRow]:
    with transaction(connection):
        return rows(connection, ChannelRow, LIST)


def add_channel(connection: Connection, channel: NewChannel, caller: Caller) -> UUID:
    """Its id. Raises InvalidArguments; for a URL that nothing here can send to, too."""
    check_url(channel.url)
    fields = {name: getattr(channel, name) for name in ("name", "url", "secret", "events", "tags", "jobs")}
    with transaction(connection, caller):
        added: UUID = value(
            connection, ADD, {key: list(it) if isinstance(it, tuple) else it for key, it in fields.items()}
        )
        return added


def edit_channel(connection: Connection, name: str, changes: Mapping[str, Any], caller: Caller) -> None:
    """changes: of name, url, secret, events, tags, jobs, is_enabled; None takes a secret or a filter away."""
    if url := changes.get("url"):
        check_url(url)
    with transaction(connection, caller):
        value(connection, EDIT, {"name": name, "changes": json.dumps(dict(changes))})


def remove_channel(connection: Connection, name: str, caller: Caller) -> None:
    with transaction(connection, caller):
        value(connection, REMOVE, {"name": name})


def new_secret() -> str:
    """For signing webhooks."""
    return f"pgcron_{secrets.token_urlsafe(32)}"


def check_url(url: str) -> None:
    """Raises InvalidArguments when no sender here knows what to do with it. Sends nothing."""
    if "://" not in url:
        hint = "write webhook+https://host/path, or a URL of apprise such as mailtos://user:password@host"
        raise InvalidArguments("url: that is no URL of a channel", hint=hint)
    if failure := once.failure_of({"kind": "check", "key": "check", "url": url}):
        raise InvalidArguments(f"url: {failure}", hint="apprise's pages say how a service's URL is written")


def send_test(connection: Connection, name: str, caller: Caller) -> str | None:
    """Sends a test message from here, now; why that failed, None: it did not. Raises NotFound."""
    with transaction(connection):
        row = connection.execute(TARGET, {"name": name}).fetchone()
        at = value(connection, NOW)
    if row is None:
        raise NotFound(f"no channel is named {name!r}", hint="`pgcron notify channels list` shows them")
    message = {"event": "test", "at": at, "database": row[2], "payload": {"by": caller.actor}}
    order = {"kind": "notification", "key": str(uuid4()), "url": row[0], "secret": row[1], "message": message}
    return once.failure_of(order)


def ask_for_test(connection: Connection, name: str, caller: Caller) -> UUID:
    """Has a worker send it; the id of the message. Raises NotFound."""
    with transaction(connection, caller):
        message: UUID = value(connection, TEST, {"name": name})
        return message
