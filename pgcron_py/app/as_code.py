"""Jobs as a file: all of them written as YAML, and such a file applied, with what it would change told first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import yaml
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pgcron_py.app.jobs import ALTER, CREATE, DELETE, DISABLE, ENABLE, did_you_mean
from pgcron_py.app.session import Caller, Connection, transaction
from pgcron_py.domain.declaration import FIELDS, JobDeclaration
from pgcron_py.domain.declaration_check import check_declaration
from pgcron_py.errors import InvalidArguments, InvalidDeclaration, InvalidSchedule, PgCronError
from pgcron_py.storage.sqlstates import translated

ALL = "SELECT * FROM pgcron.cron_job ORDER BY name"
LOCK_ALL = "SELECT * FROM pgcron.cron_job ORDER BY id FOR NO KEY UPDATE"

# Not in a file: names are its keys, and locks are the code's. Exclusive is what overlap_policy says.
_LEFT_OUT = ("name", "is_locked", "is_exclusive")
WRITTEN = tuple(name for name in FIELDS if name not in _LEFT_OUT)
_EXTRA = ("is_enabled", "app")


@dataclass(frozen=True, slots=True)
class Difference:
    """deed: create, change, delete, or left (declared in code, and not in the file). changes: field, old, new."""

    job: str
    deed: str
    changes: list[tuple[str, Any, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job of the file. given: the fields that it names."""

    declaration: JobDeclaration
    given: frozenset[str]
    is_enabled: bool


def export(connection: Connection) -> str:
    """All jobs, as YAML; fields that are at their defaults are left out."""
    with transaction(connection):
        rows = _rows(connection, ALL)
    return yaml.safe_dump(
        {"jobs": {row["name"]: _entry(row) for row in rows}}, sort_keys=False, allow_unicode=True, width=120
    )


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    values = JobDeclaration.from_values(row).values()
    defaults = JobDeclaration("", "", "").values()
    entry: dict[str, Any] = {"schedule": values["schedule"], "handler": values["handler"]}
    entry |= {name: values[name] for name in WRITTEN if name not in entry and values[name] != defaults[name]}
    if not row["is_enabled"]:
        entry["is_enabled"] = False
    return entry | ({"app": row["app"]} if row["app"] else {})


def parse(text: str) -> list[Wanted]:
    """Raises InvalidArguments, InvalidDeclaration naming job and field."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidArguments(f"the file is no YAML: {' '.join(str(error).split())}") from error
    jobs = content.get("jobs") if isinstance(content, dict) else None
    if not isinstance(jobs, dict) or set(content) != {"jobs"}:
        raise InvalidArguments(
            "the file has no jobs", hint="its one key is `jobs:`, with a name and fields for each: see `pgcron export`"
        )
    return [_wanted(str(name), entry) for name, entry in jobs.items()]


def _wanted(name: str, entry: Any) -> Wanted:
    if not isinstance(entry, dict) or not {"schedule", "handler"} <= entry.keys():
        raise InvalidDeclaration(name, "it needs a schedule and a handler")
    for key in entry:
        if key not in (*WRITTEN, *_EXTRA):
            raise InvalidDeclaration(
                name, f"there is no field {key!r}", hint=did_you_mean(str(key), [*WRITTEN, *_EXTRA])
            )
    if not isinstance(enabled := entry.get("is_enabled", True), bool):
        raise InvalidDeclaration(name, f"is_enabled is {enabled!r}: it must be true or false")
    values = {key: value for key, value in entry.items() if key in WRITTEN}
    values["is_exclusive"] = values.get("overlap_policy", "skip") != "allow_all"
    try:
        declaration = JobDeclaration.from_values({"name": name, **values})
        check_declaration(declaration)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidDeclaration(name, f"a field has a value of the wrong type: {error}") from error
    except InvalidSchedule as error:
        raise InvalidDeclaration(name, f"Invalid cron expression: {error}", hint=error.hint) from error
    return Wanted(declaration, frozenset(values) | {"is_exclusive"}, enabled)


def apply(
    connection: Connection, wanted: Sequence[Wanted], caller: Caller, *, dry_run: bool, prune: bool
) -> list[Difference]:
    """Makes the jobs what the file says, in one transaction, or only tells what that would change.

    Fields that the file leaves out get their defaults. prune: jobs that it leaves out are deleted, but for those of code.
    Raises what the database refuses, naming the job: then nothing was changed.
    """
    with transaction(connection, caller, "60s"):
        rows = {row["name"]: row for row in _rows(connection, ALL if dry_run else LOCK_ALL)}
        found = [difference for it in wanted if (difference := _difference(it, rows.get(it.declaration.name)))]
        names = {it.declaration.name for it in wanted}
        gone = (
            [Difference(name, "left" if row["app"] else "delete") for name, row in rows.items() if name not in names]
            if prune
            else []
        )
        if not dry_run:
            by_name = {it.declaration.name: it for it in wanted}
            for difference in found:
                _write(connection, by_name[difference.job], difference, caller)
            for difference in gone:
                if difference.deed == "delete":
                    _told(difference.job, connection, DELETE, {"name": difference.job})
    return found + gone


def _difference(it: Wanted, row: Mapping[str, Any] | None) -> Difference | None:
    new = it.declaration.values()
    if row is None:
        return Difference(
            it.declaration.name, "create", [(name, None, new[name]) for name in WRITTEN if name in it.given]
        )
    old = JobDeclaration.from_values(row).values()
    changes = [(name, old[name], new[name]) for name in WRITTEN if old[name] != new[name]]
    changes += [("is_enabled", row["is_enabled"], it.is_enabled)] if row["is_enabled"] != it.is_enabled else []
    return Difference(it.declaration.name, "change", changes) if changes else None


def _write(connection: Connection, it: Wanted, difference: Difference, caller: Caller) -> None:
    values, name = it.declaration.values(), it.declaration.name
    if difference.deed == "create":
        definition = {key: values[key] for key in (*WRITTEN, "is_exclusive")}
        _told(name, connection, CREATE, {"name": name, "definition": Jsonb(definition), "is_enabled": it.is_enabled})
        return
    changed = {key: new for key, _, new in difference.changes if key != "is_enabled"}
    if changed:
        _told(name, connection, ALTER, {"name": name, "changes": Jsonb(changed)})
    if any(key == "is_enabled" for key, _, _ in difference.changes):
        statement = ENABLE if it.is_enabled else DISABLE
        _told(name, connection, statement, {"name": name, "reason": caller.reason, "until": None})


def _told(name: str, connection: Connection, statement: Any, params: Mapping[str, Any]) -> None:
    """Says whose the refusal is."""
    try:
        connection.execute(statement, params)
    except psycopg.Error as error:
        ours = translated(error)
        if ours is None:
            raise
        raise PgCronError(f"job {name!r}: {ours}", hint=ours.hint) from error


def _rows(connection: Connection, statement: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement).fetchall()
