"""What people do to jobs: each one transaction, with its actor and reason in the audit."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pgcron_py.app.schedules import described, runs_of
from pgcron_py.app.session import Caller, Connection, transaction, value
from pgcron_py.domain.declaration import FIELDS, JobDeclaration
from pgcron_py.domain.declaration_check import check_declaration
from pgcron_py.errors import InvalidArguments, JobLocked, JobNotFound
from pgcron_py.timetable import Description

NOW = "SELECT clock_timestamp()"
NAMES = "SELECT name FROM pgcron.cron_job ORDER BY name"
LOCK = "SELECT * FROM pgcron.lock_jobs(%(names)s)"
ZONE = "SELECT timezone FROM pgcron.cron_job WHERE name = %(name)s"
HANDLER = "SELECT handler FROM pgcron.cron_job WHERE name = %(name)s"
_NOT_WRITTEN = ("name", "is_locked")
FOUND = "SELECT id FROM pgcron.cron_job WHERE name = %(name)s"

CREATE = "SELECT pgcron.create_job(%(name)s, %(definition)s, %(is_enabled)s, 'admin')"
ALTER = "SELECT pgcron.alter_job(%(name)s, %(changes)s)"
ENABLE = "SELECT pgcron.enable(%(name)s)"
DISABLE = "SELECT pgcron.disable(%(name)s, %(reason)s, %(until)s)"
SKIP_NEXT = "SELECT pgcron.skip_next(%(name)s)"
RUN_NOW = "SELECT pgcron.run_now(%(name)s, %(args)s, NULL, %(overlap)s)"
CANCEL_JOB = "SELECT runs, requests FROM pgcron.cancel_job(%(name)s, %(reason)s)"
DELETE = "SELECT pgcron.unschedule(%(name)s)"

LIVE_HANDLERS = """
SELECT DISTINCT h ->> 'name' FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
  CROSS JOIN LATERAL jsonb_array_elements(w.handlers) h
 WHERE w.state IN ('LIVE', 'DRAINING') AND e.lease_until > clock_timestamp() ORDER BY 1
"""
LIVE_WORKERS = """
SELECT count(*) FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
 WHERE w.state = 'LIVE' AND e.lease_until > clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Created:
    """cautions: what might keep it from running, in words."""

    id: UUID
    name: str
    timezone: str
    description: Description
    cautions: list[str]


@dataclass(frozen=True, slots=True)
class Change:
    """A field of the definition: column name, value before, value now."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Edited:
    """changes: empty when the job already was so. before, after: the next runs, by the old and the new definition."""

    name: str
    changes: list[Change]
    old_timezone: str
    timezone: str
    before: tuple[datetime, ...]
    after: tuple[datetime, ...]
    description: Description
    cautions: list[str]


def create(connection: Connection, declaration: JobDeclaration, caller: Caller, *, is_enabled: bool = True) -> Created:
    """Raises InvalidSchedule, UnknownTimeZone, InvalidDeclaration, InvalidArguments for a name that is taken."""
    with transaction(connection, caller):
        description = described(declaration, value(connection, NOW))
        check_declaration(declaration)
        definition = {field: it for field, it in declaration.values().items() if field not in _NOT_WRITTEN}
        params = {"name": declaration.name, "definition": Jsonb(definition), "is_enabled": is_enabled}
        job_id = value(connection, CREATE, params)
        cautions = handler_cautions(connection, declaration.handler)
    return Created(job_id, declaration.name, declaration.timezone, description, cautions)


def edit(connection: Connection, name: str, changes: Mapping[str, Any], caller: Caller) -> Edited:
    """changes: new values by column. Raises JobNotFound, JobLocked, and what `create` raises."""
    with transaction(connection, caller):
        row = locked(connection, [name])[name]
        if row["is_locked"]:
            raise JobLocked(
                f"job {name!r} is locked: its definition can't be changed",
                hint="change it in the code that declares it; it can be enabled and disabled",
            )
        old = JobDeclaration.from_values(row)
        new = replace(old, **changes)
        now, anchor = value(connection, NOW), row["anchor_at"]
        description = described(new, now, anchor)
        check_declaration(new)
        before_values, values = old.values(), new.values()
        altered = {field: values[field] for field in FIELDS if values[field] != before_values[field]}
        connection.execute(ALTER, {"name": name, "changes": Jsonb(altered)})
        cautions = handler_cautions(connection, new.handler) if new.handler != old.handler else []
        before, after = runs_of(old, now, anchor, 5), runs_of(new, now, anchor, 5)
    changed = list(_changes(old.values(), new.values()))
    return Edited(name, changed, old.timezone, new.timezone, before, after, description, cautions)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Change]:
    return (Change(field, old[field], new[field]) for field in FIELDS if old[field] != new[field])


def skip_next(connection: Connection, name: str, caller: Caller) -> tuple[datetime, str]:
    """The occurrence that will be skipped, and the job's zone. Raises JobNotFound, JobDisabled, InvalidArguments."""
    with transaction(connection, caller):
        require(connection, name)
        return value(connection, SKIP_NEXT, {"name": name}), str(value(connection, ZONE, {"name": name}))


def set_enabled(
    connection: Connection, names: Sequence[str], enabled: bool, caller: Caller, until: datetime | None = None
) -> dict[str, bool]:
    """All or none of them. The names, each with whether it changed. until: when disabled ones are enabled again.

    Raises JobNotFound, InvalidArguments for a time that has passed.
    """
    with transaction(connection, caller):
        found = locked(connection, names)
        changing = {
            name: found[name]["is_enabled"] != enabled or (until is not None and found[name]["disabled_until"] != until)
            for name in names
        }
        for name in [name for name, changes in changing.items() if changes]:
            connection.execute(ENABLE if enabled else DISABLE, {"name": name, "reason": caller.reason, "until": until})
    return changing


def run_now(
    connection: Connection, name: str, args: dict[str, Any] | None, caller: Caller, overlap: str | None = None
) -> UUID:
    """The request's id. args, overlap: in place of the job's own.

    Raises JobNotFound, JobDisabled, AlreadyRunning, AlreadyRequested, InvalidArguments for allow_all of an exclusive job.
    """
    with transaction(connection, caller):
        require(connection, name)
        params = {"name": name, "args": None if args is None else Jsonb(args), "overlap": overlap}
        request: UUID = value(connection, RUN_NOW, params)
    return request


def cancel(connection: Connection, name: str, caller: Caller) -> tuple[int, int]:
    """How many runs were asked to end, and how many waiting requests were cancelled. Raises JobNotFound."""
    with transaction(connection, caller):
        require(connection, name)
        row = connection.execute(CANCEL_JOB, {"name": name, "reason": caller.reason}).fetchone()
        assert row is not None
        return row[0], row[1]


def delete(connection: Connection, name: str, confirmation: str, caller: Caller) -> None:
    """With all its runs. Raises InvalidArguments unless confirmation is the name; JobIsRunning, JobDeclaredInCode."""
    with transaction(connection, caller):
        require(connection, name)
        if confirmation != name:
            raise InvalidArguments(
                f"{confirmation!r} is not the job's name: nothing was deleted", hint=f"confirm with {name!r}"
            )
        connection.execute(DELETE, {"name": name})


def locked(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The rows of these jobs, locked, by name. Raises JobNotFound for the first that is missing."""
    for name in names:
        require(connection, name)
    with connection.cursor(row_factory=dict_row) as cursor:
        found = {row["name"]: row for row in cursor.execute(LOCK, {"names": list(names)})}
    for name in names:
        if name not in found:  # deleted a moment ago
            raise JobNotFound(f"no job is named {name!r}")
    return found


def require(connection: Connection, name: str) -> UUID:
    """The id of the job. Raises JobNotFound with the names that look like it."""
    found: UUID | None = value(connection, FOUND, {"name": name})
    if found is None:
        known = [row[0] for row in connection.execute(NAMES)]
        raise JobNotFound(f"no job is named {name!r}", hint=did_you_mean(name, known) or "`pgcron jobs list` shows all")
    return found


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    close = difflib.get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else None


def handler_of(connection: Connection, name: str) -> str:
    return str(value(connection, HANDLER, {"name": name}))


def handler_cautions(connection: Connection, handler: str) -> list[str]:
    """Words about a handler that nobody alive has: the job would wait."""
    if not value(connection, LIVE_WORKERS):
        return [f"no worker is alive to say whether handler {handler!r} exists"]
    known = [row[0] for row in connection.execute(LIVE_HANDLERS)]
    if handler in known:
        return []
    hint = did_you_mean(handler, known)
    return [f"no live worker has handler {handler!r}: the job waits until one does{f'; {hint}' if hint else ''}"]
