"""Rows of pg_cron's cron.job as jobs of pgcron.sql. Pure. The schedules are those that cron.stored_schedule() takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.foreign import Entry, Note, looked_at, numbered, refused, translated

_SECONDS = re.compile(r"(\d{1,9})[ \t]*seconds?", re.IGNORECASE)
_ALIASES = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_MONTHS = "|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEKDAYS = "|sun|mon|tue|wed|thu|fri|sat"
UTC_NAMES = frozenset({"GMT", "UTC", "Etc/UTC", "Etc/GMT"})


def _field(names: str = "", alone: str = "") -> re.Pattern[str]:
    item = rf"(?:{alone}(?:\*|\d+{names})(?:-(?:\d+{names}))?(?:/\d+)?)"
    return re.compile(rf"{item}(?:,{item})*", re.IGNORECASE)


_FIELDS = (_field(), _field(), _field(alone=r"\$|"), _field(_MONTHS), _field(_WEEKDAYS))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cron.job."""

    jobid: int
    schedule: str
    command: str
    nodename: str
    database: str
    username: str
    active: bool
    jobname: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """timezone: cron.timezone of the source. database: the source, whose jobs take `connection`; connections: for others, by database."""

    database: str
    timezone: str = "UTC"
    connection: str = "default"
    connections: Mapping[str, str] = field(default_factory=dict)
    are_disabled: bool = False


def stored_schedule(text: str) -> str | None:
    """As pgcron writes it; None when pg_cron would not take it."""
    body = text.strip(" \t\r\n")
    if seconds := _SECONDS.fullmatch(body):
        return f"{int(seconds[1])} seconds" if 1 <= int(seconds[1]) <= 59 else None
    if body in ("@restart", "@reboot"):
        return "@reboot"
    if body in _ALIASES:
        return body
    fields = body.split()
    if len(fields) != 5 or not all(p.fullmatch(f) for p, f in zip(_FIELDS, fields, strict=True)):
        return None
    return translated(body)[0]


def entries_of(rows: Iterable[Row], options: Options, now: datetime) -> list[Entry]:
    """Of each row."""
    return [looked_at(entry, now) for entry in numbered(_entry(row, options) for row in rows)]


def _entry(row: Row, options: Options) -> Entry:
    where, source = f"job {row.jobid}", f"{row.schedule} {' '.join(row.command.split())}"
    schedule = stored_schedule(row.schedule)
    connection = options.connections.get(row.database) or (
        options.connection if row.database == options.database else None
    )
    if schedule is None:
        return refused(where, source, f"{row.schedule!r} is no schedule of pg_cron's")
    if connection is None:
        return refused(where, source, f"it is for database {row.database!r}: say --map {row.database}=CONNECTION")
    is_interval = schedule.endswith("seconds")
    zone = "UTC" if options.timezone in UTC_NAMES else options.timezone
    has_changes = zone != "UTC" and not is_interval and schedule != "@reboot"
    disabled = "imported from pg_cron" if options.are_disabled else "not active in pg_cron"
    declaration = JobDeclaration(
        name=(row.jobname or f"pg_cron job {row.jobid}").strip()[:200],
        schedule=schedule,
        handler="pgcron.sql",
        description=f"from pg_cron: job {row.jobid} of {row.username}",
        timezone=zone,
        args={"command": row.command, "connection": connection},
        owner=row.username,
        tags=("pg_cron",),
        overlap_policy="skip" if is_interval else "buffer_all",
        catchup_policy="skip",
        max_consecutive_failures=None,
        # pg_cron looks at the clock each minute: what it skips is skipped, what it repeats is repeated.
        dst_gap="skip" if has_changes else None,
        dst_fold="both" if has_changes else None,
    )
    notes = [*translated(row.schedule)[1], *_notes(row, schedule, connection)]
    return Entry(
        where, source, declaration, tuple(notes), None if row.active and not options.are_disabled else disabled
    )


def _notes(row: Row, schedule: str, connection: str) -> Iterable[Note]:
    yield Note("role", f"ran as {row.username} in {row.database}; here as the role of connection {connection!r}")
    if row.nodename not in ("", "localhost"):
        yield Note("role", f"ran on {row.nodename}; here where connection {connection!r} leads")
    if schedule == "@reboot":
        yield Note("reboot", "fired when the server started; here when the first worker starts while no other is alive")
    elif schedule.endswith("seconds"):
        yield Note("interval", "was counted from the run before; here from the job's creation, whatever runs take")
