"""Backfills and how far they are."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.queries.asking import Row, all_rows
from pgcron_admin.wire import Answer
from pgcron_py.errors import NotFound

COLUMNS: LiteralString = """
  b.id, b.job_id, j.name AS job, b.from_at, b.to_at, b.overlap_policy, b.per_minute, b.total, b.requested_by, b.reason, b.created_at, b.cancelled_at,
  b.cancelled_by, p.waiting, p.running, p.succeeded, p.failed, p.left_out
FROM pgcron.cron_backfill b JOIN pgcron.cron_job j ON j.id = b.job_id CROSS JOIN LATERAL pgcron.backfill_progress(b.id) p
"""
BACKFILL: LiteralString = f"SELECT {COLUMNS} WHERE b.id = %(id)s"
BACKFILLS: LiteralString = f"""
SELECT {COLUMNS} WHERE b.id = ANY (ARRAY(SELECT x.id FROM pgcron.cron_backfill x WHERE (%(job)s::uuid IS NULL OR x.job_id = %(job)s)
  AND (%(after)s::uuid IS NULL OR x.id < %(after)s::uuid) ORDER BY x.id DESC LIMIT %(limit)s)) ORDER BY b.id DESC
"""


class BackfillAnswer(Answer):
    """total: occurrences that were asked for; waiting to leftOut: what became of them (of those whose rows retention took away, nothing is known)."""

    id: UUID
    job_id: UUID
    job: str
    state: Literal["RUNNING", "DONE", "CANCELLED"]
    from_at: datetime
    to_at: datetime
    overlap_policy: str
    per_minute: int | None
    total: int
    requested_by: str
    reason: str | None
    created_at: datetime
    cancelled_at: datetime | None
    cancelled_by: str | None
    waiting: int
    running: int
    succeeded: int
    failed: int
    left_out: int


def _answer(row: Row) -> BackfillAnswer:
    goes_on = row["waiting"] + row["running"] > 0
    return BackfillAnswer(**row, state="RUNNING" if goes_on else "DONE" if row["cancelled_at"] is None else "CANCELLED")


async def backfill_of(connection: Connection, backfill_id: UUID) -> BackfillAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(BACKFILL, {"id": backfill_id})).fetchone()
    if row is None:
        raise NotFound(f"Backfill with ID {backfill_id} not found")
    return _answer(row)


async def page_of_backfills(
    connection: Connection, job: UUID | None, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[BackfillAnswer], str | None]:
    """Newest first. Raises InvalidArguments for a cursor that is none."""
    after = cursors.opened("backfills", cursor)
    params = {"job": job, "after": None if after is None else after[0], "limit": limit + 1}
    rows = await all_rows(connection, BACKFILLS, params)
    following = cursors.sealed("backfills", [str(rows[limit - 1]["id"])]) if len(rows) > limit else None
    return [_answer(row) for row in rows[:limit]], following
