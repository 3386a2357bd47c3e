"""What is changed: each one function of the database, in the transaction of the route, which the audit knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from pgcron_admin.database import Connection
from pgcron_admin.principal import Principal
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import JobLocked
from pgcron_py.storage.sqlstates import refusals_translated

LOCK: LiteralString = "SELECT (j.j).* FROM (SELECT pgcron.lock_job(%(id)s) AS j OFFSET 0) j"
VERSION: LiteralString = "SELECT pgcron.alter_job(%(name)s, '{}', %(version)s)"
ENABLE: LiteralString = "SELECT pgcron.enable(%(name)s)"
DISABLE: LiteralString = "SELECT pgcron.disable(%(name)s, %(reason)s, %(until)s)"
ALTER: LiteralString = "SELECT pgcron.alter_job(%(name)s, %(changes)s, %(version)s) AS version"
RUN_NOW: LiteralString = """
SELECT pgcron.run_now_limited(%(id)s, %(subject)s, %(own)s, %(all)s, %(args)s, %(overlap)s, %(force)s) AS id
"""

Row = dict[str, Any]


async def locked(connection: Connection, job_id: UUID, version: int | None = None) -> Row:
    """The job's row, locked until the transaction ends. Raises JobNotFound; StaleVersion when it has another version."""
    job = await _one(connection, LOCK, {"id": job_id})
    if version is not None:
        await connection.execute(VERSION, {"name": job["name"], "version": version})
    return job


def refuse_locked(job: Row) -> None:
    """Raises JobLocked. The database does too, but for owners; nobody on the web is one."""
    if job["is_locked"]:
        raise JobLocked(
            f"job {job['name']!r} is locked: its definition can't be changed",
            hint="change it in the code that declares it; it can be enabled and disabled",
        )


async def enable(connection: Connection, job: Row) -> None:
    await connection.execute(ENABLE, {"name": job["name"]})


async def disable(connection: Connection, job: Row, reason: str | None, until: datetime | None) -> None:
    """Raises InvalidArguments for a time that has passed."""
    await connection.execute(DISABLE, {"name": job["name"], "reason": reason, "until": until})


async def alter(connection: Connection, job: Row, changes: Row, version: int | None = None) -> None:
    """changes: by column. Raises JobLocked, StaleVersion, InvalidSchedule, UnknownTimeZone, InvalidArguments."""
    refuse_locked(job)
    await connection.execute(ALTER, {"name": job["name"], "changes": Jsonb(changes), "version": version})


async def run_now(
    connection: Connection, job_id: UUID, principal: Principal, settings: AdminSettings, *, args: Row | None, overlap: str | None, force: bool
) -> UUID:  # fmt: skip
    """The request's id. Raises JobNotFound, JobDisabled, AlreadyRunning, AlreadyRequested, NoLiveWorker, TooManyRequests."""
    params = {
        "id": job_id, "subject": principal.subject, "own": settings.runs_per_minute, "all": settings.all_runs_per_minute,
        "args": None if args is None else Jsonb(args), "overlap": overlap, "force": force,
    }  # fmt: skip
    with refusals_translated():  # in the block of the route, which words one of them itself
        id_: UUID = (await _one(connection, RUN_NOW, params))["id"]
    return id_


async def _one(connection: Connection, statement: LiteralString, params: Row) -> Row:
    row = await (await connection.execute(statement, params)).fetchone()
    assert row is not None
    return row
