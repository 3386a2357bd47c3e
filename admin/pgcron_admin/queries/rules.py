"""Blackout windows and limits."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer
from pgcron_py.app.rules import BlackoutRow
from pgcron_py.errors import InvalidArguments, NotFound

BlackoutAction = Literal["skip", "delay"]
LimitKind = Literal["queue", "tag", "handler"]

BLACKOUT_COLUMNS: LiteralString = """
SELECT b.id, b.name, b.action, b.job_id, j.name AS job, b.tag, b.starts_at, b.ends_at, b.schedule, b.timezone, b.duration_ms, b.reason, b.created_by,
  b.created_at, clock_timestamp() AS now
FROM pgcron.cron_blackout b LEFT JOIN pgcron.cron_job j ON j.id = b.job_id
"""
BLACKOUTS: LiteralString = f"{BLACKOUT_COLUMNS} ORDER BY b.name"
BLACKOUT: LiteralString = f"{BLACKOUT_COLUMNS} WHERE b.id = %(id)s"
BLACKOUT_NAMED: LiteralString = f"{BLACKOUT_COLUMNS} WHERE b.name = %(name)s"
LIMIT_COLUMNS: LiteralString = """
SELECT m.kind, m.name, m.max_running, m.per_minute, m.burst, u.running, m.created_by, m.created_at
FROM pgcron.cron_limit m CROSS JOIN LATERAL pgcron.limit_use(m) u
"""
LIMITS: LiteralString = f"{LIMIT_COLUMNS} ORDER BY m.kind, m.name"
LIMIT: LiteralString = f"{LIMIT_COLUMNS} WHERE m.kind = %(kind)s AND m.name = %(name)s"
JOB_NAME: LiteralString = "SELECT name FROM pgcron.cron_job WHERE id = %(id)s"


class BlackoutAnswer(Answer):
    """Once (startsAt, endsAt), or for durationMs whenever schedule fires. jobId and tag null: for all jobs. isOnUntil: while it is on."""

    id: UUID
    name: str
    action: BlackoutAction
    job_id: UUID | None
    job: str | None
    tag: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    schedule: str | None
    timezone: str
    duration_ms: int | None
    reason: str | None
    created_by: str
    created_at: datetime
    is_on_until: datetime | None


class LimitAnswer(Answer):
    """maxRunning: at a time. perMinute: starts on average, `burst` at once. null: no such limit. running: how many runs count for it now."""

    kind: LimitKind
    name: str
    max_running: int | None
    per_minute: int | None
    burst: int
    running: int
    created_by: str
    created_at: datetime


async def blackouts_of(connection: Connection) -> list[BlackoutAnswer]:
    return [_blackout(row) for row in await (await connection.execute(BLACKOUTS)).fetchall()]


async def blackout_of(connection: Connection, blackout_id: UUID) -> BlackoutAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(BLACKOUT, {"id": blackout_id})).fetchone()
    if row is None:
        raise NotFound(f"there is no blackout {blackout_id}", hint="GET /api/blackouts lists them")
    return _blackout(row)


async def blackout_named(connection: Connection, name: str) -> BlackoutAnswer:
    row = await (await connection.execute(BLACKOUT_NAMED, {"name": name})).fetchone()
    assert row is not None
    return _blackout(row)


async def limits_of(connection: Connection) -> list[LimitAnswer]:
    return [LimitAnswer(**row) for row in await (await connection.execute(LIMITS)).fetchall()]


async def limit_of(connection: Connection, kind: str, name: str) -> LimitAnswer:
    row = await (await connection.execute(LIMIT, {"kind": kind, "name": name})).fetchone()
    assert row is not None
    return LimitAnswer(**row)


async def job_name_of(connection: Connection, job_id: UUID, field: str = "jobId") -> str:
    """Of a job that a body names. Raises InvalidArguments."""
    row = await (await connection.execute(JOB_NAME, {"id": job_id})).fetchone()
    if row is None:
        raise InvalidArguments(f"{field}: there is no job {job_id}", hint="GET /api/cron-jobs lists them", field=field)
    name: str = row["name"]
    return name


def _blackout(row: dict[str, Any]) -> BlackoutAnswer:
    told = {key: value for key, value in row.items() if key != "now"}
    window = BlackoutRow(**{key: value for key, value in told.items() if key not in ("id", "created_at")})
    return BlackoutAnswer(**told, is_on_until=window.until(row["now"]))
