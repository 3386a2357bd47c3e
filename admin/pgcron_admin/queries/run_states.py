"""How runs stand: what people look at while they go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer

RUN_COLUMNS: LiteralString = """
  run_id AS id, job_id, job, seq, status, reason, cause, attempt, scheduled_for, started_at, completed_at, duration_ms, error, skip_reason, progress,
  worker_id, requested_by, cancel_requested_at, cancel_requested_by
"""
RUNS: LiteralString = f"SELECT {RUN_COLUMNS} FROM pgcron.runs WHERE run_id = ANY (%(ids)s) ORDER BY run_id DESC"


class RunState(Answer):
    """error: type and message, never the trace."""

    id: UUID
    job_id: UUID
    job: str
    seq: int
    status: str
    reason: str | None
    cause: str
    attempt: int
    scheduled_for: datetime | None
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    error: str | None
    skip_reason: str | None
    progress: dict[str, Any] | None
    worker_id: UUID
    requested_by: str | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None


async def runs_of(connection: Connection, ids: Sequence[UUID]) -> list[RunState]:
    """The newest first."""
    rows = await (await connection.execute(RUNS, {"ids": list(ids)})).fetchall()
    return [RunState(**row) for row in rows]
