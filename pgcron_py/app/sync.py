"""Start-up registration: what code declares becomes rows; what admins edited stays; nothing of others is touched."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from pgcron_py.domain.declaration import FIELDS, JobDeclaration, is_older, merged
from pgcron_py.errors import InvalidDeclaration

# Workers that start together take turns; all but the first find nothing to do.
LOCK_APP = "SELECT pg_advisory_xact_lock(hashtextextended('pgcron app ' || %(app)s, 0))"
EXISTING = """
SELECT j.*, j.is_idempotent FROM pgcron.cron_job j
 WHERE j.app = %(app)s OR j.name = ANY (%(names)s) ORDER BY j.id FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Names by what became of them. kept: fields of admins' edits that stayed, by job."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    undeclared: list[str] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.created or self.updated or self.undeclared)


async def sync_declarations(
    connection: AsyncConnection[Any], app: str, release: str, declarations: list[JobDeclaration]
) -> SyncReport:
    """Makes the jobs of `app` what `release` declares, in one transaction.

    Raises InvalidDeclaration for a name that belongs to another app or was made by hand.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '10s'")
        await connection.execute("SET LOCAL statement_timeout = '60s'")
        await connection.execute(
            "SELECT set_config('pgcron.actor', %s, true), set_config('pgcron.silent', 'on', true)",
            (f"app {app} {release}",),
        )
        await connection.execute(LOCK_APP, {"app": app})
        rows = await _existing(connection, app, [declaration.name for declaration in declarations])
        report = SyncReport()
        values = [
            v
            for declaration in declarations
            if (v := _values(declaration, rows.get(declaration.name), app, release, report))
        ]
        if values:
            await connection.execute("SELECT pgcron.declare_jobs(%s, %s, %s)", (app, release, json.dumps(values)))
        await _undeclare(connection, app, release, rows, {d.name for d in declarations}, report)
        if report.changed:
            await connection.execute("SELECT pg_notify('pgcron', 'sync')")
    return report


async def _existing(connection: AsyncConnection[Any], app: str, names: list[str]) -> dict[str, dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(EXISTING, {"app": app, "names": names})
        rows = await cursor.fetchall()
    return {row["name"]: row | JobDeclaration.from_values(row).values() for row in rows}


def _values(
    declaration: JobDeclaration, row: dict[str, Any] | None, app: str, release: str, report: SyncReport
) -> dict[str, Any] | None:
    """The values to write for one declaration; None when there is nothing to write."""
    declared = declaration.values()
    if row is None:
        report.created.append(declaration.name)
        return declared | {"declaration": declared}
    if row["origin"] != "code" or row["app"] != app:
        owner = f"app {row['app']!r} declares" if row["origin"] == "code" else "was made by hand as"
        raise InvalidDeclaration(
            declaration.name, f"{owner} a job of this name", hint="choose another name, or delete that job first"
        )
    if is_older(release, row["release"]):
        report.ignored.append(declaration.name)
        return None
    values = merged(declaration, row, row["declaration"])
    kept = [name for name in FIELDS if values[name] != declared[name]]
    if kept:
        report.kept[declaration.name] = kept
    same = all(row[name] == values[name] for name in FIELDS)
    if same and row["declaration"] == declared and row["release"] == release and row["undeclared_at"] is None:
        return None
    report.updated.append(declaration.name)
    return values | {"declaration": declared}


async def _undeclare(
    connection: AsyncConnection[Any], app: str, release: str, rows: dict[str, dict[str, Any]], declared: set[str], report: SyncReport
) -> None:  # fmt: skip
    gone = [
        name
        for name, row in rows.items()
        if row["origin"] == "code" and row["app"] == app and name not in declared and row["undeclared_at"] is None
        and not is_older(release, row["release"])
    ]  # fmt: skip
    if gone:
        await connection.execute("SELECT pgcron.undeclare_jobs(%s, %s, %s)", (app, release, gone))
        report.undeclared.extend(gone)
