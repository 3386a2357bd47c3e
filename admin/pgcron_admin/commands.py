"""What is changed: each one function of the database, in the transaction of the route, which the audit knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from pgcron_admin.database import Connection
from pgcron_admin.parameters import checked_zone
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

CREATE: LiteralString = "SELECT pgcron.create_job(%(name)s, %(definition)s, %(is_enabled)s, 'admin') AS id"
DELETE: LiteralString = "SELECT pgcron.unschedule(%(name)s)"
SKIP_NEXT: LiteralString = "SELECT pgcron.skip_next(%(name)s) AS at"
CANCEL_JOB: LiteralString = "SELECT runs, requests FROM pgcron.cancel_job(%(name)s, %(reason)s)"
CANCEL_RUN: LiteralString = "SELECT pgcron.cancel_run(%(id)s, %(reason)s, %(force)s) AS is_new"
RETRY_RUN: LiteralString = "SELECT pgcron.retry_run(%(id)s, %(reason)s) AS id"
CANCEL_REQUEST: LiteralString = "SELECT pgcron.cancel_request(%(id)s, %(reason)s)"
DRAIN: LiteralString = "SELECT pgcron.drain_worker(%(id)s, %(reason)s) AS is_new"
BACKFILL: LiteralString = """
SELECT pgcron.backfill(%(name)s, %(from_at)s, %(to_at)s, %(overlap)s, %(per_minute)s, %(reason)s) AS id
"""
BEGIN_BULK: LiteralString = """
SELECT pgcron.begin_bulk(%(action)s, %(params)s, %(chosen)s, %(jobs)s, %(subject)s, %(user)s, %(reason)s) AS id
"""
CANCEL_BULK: LiteralString = "SELECT pgcron.cancel_bulk(%(id)s, %(reason)s)"
CANCEL_BACKFILL: LiteralString = "SELECT pgcron.cancel_backfill(%(id)s, %(reason)s) AS cancelled"
SET_PREFERENCES: LiteralString = "SELECT pgcron.set_preferences(%(user)s, %(changes)s)"

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


async def create(connection: Connection, name: str, definition: Row, *, is_enabled: bool) -> UUID:
    """The job's id. Raises InvalidArguments for a name that is taken, and what `alter` raises."""
    params = {"name": name, "definition": Jsonb(definition), "is_enabled": is_enabled}
    id_: UUID = (await _one(connection, CREATE, params))["id"]
    return id_


async def delete(connection: Connection, job: Row) -> None:
    """With all its runs. Raises JobLocked, JobIsRunning, JobDeclaredInCode."""
    refuse_locked(job)
    await connection.execute(DELETE, {"name": job["name"]})


async def skip_next(connection: Connection, job: Row) -> datetime:
    """The instant that is skipped. Raises JobDisabled, InvalidArguments when it has none."""
    at: datetime = (await _one(connection, SKIP_NEXT, {"name": job["name"]}))["at"]
    return at


async def cancel_job(connection: Connection, job: Row, reason: str | None) -> Row:
    """How many `runs` were asked to end, how many `requests` no longer wait."""
    return await _one(connection, CANCEL_JOB, {"name": job["name"], "reason": reason})


async def cancel_run(connection: Connection, run_id: UUID, reason: str | None, *, force: bool) -> bool:
    """False when somebody asked before. Raises NotFound, AlreadyEnded."""
    return bool((await _one(connection, CANCEL_RUN, {"id": run_id, "reason": reason, "force": force}))["is_new"])


async def retry_run(connection: Connection, run_id: UUID, reason: str | None) -> UUID:
    """The request's id. Raises NotFound, AlreadyRunning, JobDisabled."""
    id_: UUID = (await _one(connection, RETRY_RUN, {"id": run_id, "reason": reason}))["id"]
    return id_


async def cancel_request(connection: Connection, request_id: UUID, reason: str | None) -> None:
    """Raises NotFound, AlreadyEnded."""
    await connection.execute(CANCEL_REQUEST, {"id": request_id, "reason": reason})


async def drain_worker(connection: Connection, worker_id: UUID, reason: str | None) -> bool:
    """False when it drains already. Raises NotFound, AlreadyEnded."""
    return bool((await _one(connection, DRAIN, {"id": worker_id, "reason": reason}))["is_new"])


async def backfill(connection: Connection, job: Row, wanted: Row) -> UUID:
    """wanted: from_at, to_at, overlap, per_minute, reason. Raises JobDisabled, InvalidArguments."""
    id_: UUID = (await _one(connection, BACKFILL, {"name": job["name"], **wanted}))["id"]
    return id_


async def cancel_backfill(connection: Connection, backfill_id: UUID, reason: str | None) -> int:
    """How many occurrences no longer wait. Raises NotFound."""
    return int((await _one(connection, CANCEL_BACKFILL, {"id": backfill_id, "reason": reason}))["cancelled"])


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


async def begin_bulk(
    connection: Connection,
    principal: Principal,
    action: str,
    params: Row,
    chosen: Row,
    jobs: Sequence[UUID],
    reason: str | None,
) -> UUID:
    """The bulk action's id. chosen: how its jobs were, for the record. Raises InvalidArguments for none, and for more than 20,000."""
    told = {
        "action": action, "params": Jsonb(params), "chosen": Jsonb(chosen), "jobs": list(jobs), "subject": principal.subject,
        "user": principal.user_id, "reason": reason,
    }  # fmt: skip
    id_: UUID = (await _one(connection, BEGIN_BULK, told))["id"]
    return id_


async def cancel_bulk(connection: Connection, bulk_id: UUID, reason: str | None) -> None:
    """Raises AlreadyEnded."""
    await connection.execute(CANCEL_BULK, {"id": bulk_id, "reason": reason})


async def set_preferences(connection: Connection, user: UUID, changes: Row) -> None:
    """changes: by name; what is left out stays. Raises InvalidArguments, with the field."""
    if isinstance(zone := changes.get("timezone"), str):
        checked_zone(zone, "timezone")  # PostgreSQL would take `FOO-3` too
    await connection.execute(SET_PREFERENCES, {"user": user, "changes": Jsonb(changes)})


async def _one(connection: Connection, statement: LiteralString, params: Row) -> Row:
    row = await (await connection.execute(statement, params)).fetchone()
    assert row is not None
    return row
