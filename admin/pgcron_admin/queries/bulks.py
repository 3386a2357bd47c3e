"""Bulk actions: how far they are, and what became of each job."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.problems import code_of
from pgcron_admin.queries.asking import Row, all_rows
from pgcron_admin.queries.jobs import JobFilter
from pgcron_admin.wire import Answer
from pgcron_py.errors import InvalidArguments, LockNotAvailable, NotFound
from pgcron_py.storage.sqlstates import ERROR_OF_SQLSTATE

Action = Literal["enable", "disable", "run", "cancel", "tag", "untag", "notify"]
Outcome = Literal["done", "unchanged", "refused", "cancelled"]

COLUMNS: LiteralString = """
  b.id, b.action, b.params, b.chosen, b.state, b.total, b.done, b.unchanged, b.refused, b.cancelled, b.requested_by, b.reason, b.created_at, b.started_at,
  CASE WHEN b.state IN ('PENDING', 'RUNNING') AND b.not_before > clock_timestamp() THEN b.not_before END AS waits_until, b.ended_at, b.ended_by, b.end_reason
"""
BULK: LiteralString = f"SELECT {COLUMNS} FROM pgcron.cron_bulk b WHERE b.id = %(id)s"
BULKS: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.cron_bulk b WHERE (%(after)s::uuid IS NULL OR b.id < %(after)s::uuid) ORDER BY b.id DESC LIMIT %(limit)s
"""
ITEMS: LiteralString = """
SELECT i.n, i.job_id, i.job_name AS job, i.outcome, i.code, i.message, i.request_id, i.at FROM pgcron.cron_bulk_item i
 WHERE i.bulk_id = %(id)s AND i.n > %(after)s AND (%(outcome)s::text IS NULL OR i.outcome = %(outcome)s) ORDER BY i.n LIMIT %(limit)s
"""
MATCHING: LiteralString = "SELECT j.id FROM pgcron.cron_job j WHERE {condition} ORDER BY j.id LIMIT 20001"
OTHER_CODES = {"23514": InvalidArguments, "55P03": LockNotAvailable}


class BulkAnswer(Answer):
    """A bulk action. total: jobs; done, unchanged, refused, cancelled: what became of them so far.

    waitsUntil: runs now wait for room in the rate limit of who asked.
    """

    id: UUID
    action: Action
    params: dict[str, Any]
    chosen: dict[str, Any]
    state: Literal["PENDING", "RUNNING", "DONE", "CANCELLED"]
    total: int
    done: int
    unchanged: int
    refused: int
    cancelled: int
    requested_by: str
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    waits_until: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None


class BulkItemAnswer(Answer):
    """A job of a bulk action. outcome: null = not yet. code, message: of what refused it. requestId: of its run."""

    n: int
    job_id: UUID
    job: str | None
    outcome: Outcome | None
    code: str | None
    message: str | None
    request_id: UUID | None
    at: datetime | None


async def bulk_of(connection: Connection, bulk_id: UUID) -> BulkAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(BULK, {"id": bulk_id})).fetchone()
    if row is None:
        raise NotFound(f"Bulk action with ID {bulk_id} not found", hint="they are kept for 90 days")
    return BulkAnswer(**row)


async def jobs_matching(connection: Connection, wanted: JobFilter) -> list[UUID]:
    """One more than a bulk action takes, if there are more."""
    rows = await all_rows(connection, MATCHING.format(condition=wanted.condition()), wanted.params())
    return [row["id"] for row in rows]


async def page_of_bulks(
    connection: Connection, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[BulkAnswer], str | None]:
    """Newest first. Raises InvalidArguments for a cursor that is none."""
    after = cursors.opened("bulks", cursor)
    rows = await all_rows(connection, BULKS, {"after": None if after is None else after[0], "limit": limit + 1})
    following = cursors.sealed("bulks", [str(rows[limit - 1]["id"])]) if len(rows) > limit else None
    return [BulkAnswer(**row) for row in rows[:limit]], following


async def page_of_items(
    connection: Connection, bulk_id: UUID, outcome: Outcome | None, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[BulkItemAnswer], str | None]:
    """In the order in which they are done. Raises NotFound, InvalidArguments for a cursor that is none."""
    await bulk_of(connection, bulk_id)
    after = cursors.opened(f"items of {bulk_id}", cursor)
    params = {"id": bulk_id, "outcome": outcome, "after": 0 if after is None else after[0], "limit": limit + 1}
    rows = await all_rows(connection, ITEMS, params)
    following = cursors.sealed(f"items of {bulk_id}", [rows[limit - 1]["n"]]) if len(rows) > limit else None
    return [_item(row) for row in rows[:limit]], following


def _item(row: Row) -> BulkItemAnswer:
    state = row["code"]
    error = ERROR_OF_SQLSTATE.get(state) or OTHER_CODES.get(state)
    return BulkItemAnswer(**{**row, "code": None if error is None else code_of(error)})
