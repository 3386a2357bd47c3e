"""The fleet's rules: blackout windows and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.domain.blackout import Blackout
from pgcron_py.domain.words import JobId
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone

BLACKOUTS = """
SELECT b.name, b.action, b.job_id, j.name AS job, b.tag, b.starts_at, b.ends_at, b.schedule, b.timezone, b.duration_ms, b.reason, b.created_by
  FROM pgcron.cron_blackout b LEFT JOIN pgcron.cron_job j ON j.id = b.job_id ORDER BY b.name
"""
SET_BLACKOUT = """
SELECT pgcron.set_blackout(%(name)s, %(starts_at)s, %(ends_at)s, %(schedule)s, %(duration_ms)s * interval '1 ms', %(timezone)s,
  %(job)s, %(tag)s, %(action)s, %(reason)s)
"""
REMOVE_BLACKOUT = "SELECT pgcron.remove_blackout(%(name)s)"
LIMITS = """
SELECT m.kind, m.name, m.max_running, m.per_minute, m.burst, m.created_by, u.running
  FROM pgcron.cron_limit m CROSS JOIN LATERAL pgcron.limit_use(m) u ORDER BY m.kind, m.name
"""
SET_LIMIT = "SELECT pgcron.set_limit(%(kind)s, %(name)s, %(max_running)s, %(per_minute)s, %(burst)s)"
REMOVE_LIMIT = "SELECT pgcron.remove_limit(%(kind)s, %(name)s)"
NOW = "SELECT clock_timestamp()"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackoutRow:
    """Once (starts_at, ends_at), or for duration_ms whenever schedule fires; job and tag None = for all jobs."""

    name: str
    action: str
    job_id: JobId | None = None
    job: str | None
    tag: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    schedule: str | None
    timezone: str
    duration_ms: int | None
    reason: str | None
    created_by: str = ""

    def until(self, now: datetime) -> datetime | None:
        """The end of its window, while it is on. None also for a schedule or zone that can't be read here."""
        duration = None if self.duration_ms is None else timedelta(milliseconds=self.duration_ms)
        window = Blackout(
            self.name, self.action, starts_at=self.starts_at, ends_at=self.ends_at, schedule=self.schedule, timezone=self.timezone, duration=duration
        )  # fmt: skip
        try:
            return window.end_at(now)
        except (InvalidSchedule, UnknownTimeZone):
            return None


@dataclass(frozen=True, slots=True)
class LimitRow:
    """running: how many runs count for it now."""

    kind: str
    name: str
    max_running: int | None
    per_minute: int | None
    burst: int
    created_by: str
    running: int


def list_blackouts(connection: Connection) -> tuple[datetime, Sequence[BlackoutRow]]:
    """The database's now, and all windows by name."""
    with transaction(connection):
        return value(connection, NOW), rows(connection, BlackoutRow, BLACKOUTS)


def set_blackout(connection: Connection, blackout: BlackoutRow, caller: Caller) -> None:
    """Raises InvalidArguments, InvalidSchedule, UnknownTimeZone, JobNotFound."""
    with transaction(connection, caller):
        names = (
            "name",
            "starts_at",
            "ends_at",
            "schedule",
            "duration_ms",
            "timezone",
            "job",
            "tag",
            "action",
            "reason",
        )
        connection.execute(SET_BLACKOUT, {name: getattr(blackout, name) for name in names})


def remove_blackout(connection: Connection, name: str, caller: Caller) -> None:
    """Raises NotFound."""
    with transaction(connection, caller):
        connection.execute(REMOVE_BLACKOUT, {"name": name})


def list_limits(connection: Connection) -> Sequence[LimitRow]:
    with transaction(connection):
        return rows(connection, LimitRow, LIMITS)


def set_limit(
    connection: Connection, kind: str, name: str, caller: Caller, *, max_running: int | None, per_minute: int | None, burst: int
) -> None:  # fmt: skip
    """Raises InvalidArguments."""
    with transaction(connection, caller):
        params = {"kind": kind, "name": name, "max_running": max_running, "per_minute": per_minute, "burst": burst}
        connection.execute(SET_LIMIT, params)


def remove_limit(connection: Connection, kind: str, name: str, caller: Caller) -> None:
    """Raises NotFound."""
    with transaction(connection, caller):
        connection.execute(REMOVE_LIMIT, {"kind": kind, "name": name})
