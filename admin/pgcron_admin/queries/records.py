"""Requests, misses and the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, LiteralString, TypeVar
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.queries.jobs import job_not_found
from pgcron_admin.wire import Answer
from pgcron_py.errors import NotFound

A = TypeVar("A", bound=Answer)
RequestState = Literal["PENDING", "CLAIMED", "CANCELLED", "EXPIRED"]

REQUEST_COLUMNS: LiteralString = """
  r.request_id AS id, r.job_id, r.job, r.cause, r.state, r.run_after, r.requested_by, r.scheduled_for, r.attempt, r.args, r.overlap_policy, r.run_id,
  r.cancelled_by, r.cancel_reason, r.created_at, r.ended_at
"""
REQUESTS: LiteralString = f"""
SELECT {REQUEST_COLUMNS} FROM pgcron.requests r
 WHERE (%(job)s::uuid IS NULL OR r.job_id = %(job)s) AND (%(state)s::text IS NULL OR r.state = %(state)s)
   AND (%(after)s::uuid IS NULL OR r.request_id < %(after)s::uuid) ORDER BY r.request_id DESC LIMIT %(limit)s
"""
REQUEST: LiteralString = f"SELECT {REQUEST_COLUMNS} FROM pgcron.requests r WHERE r.request_id = %(id)s"
MISS_COLUMNS: LiteralString = """
  m.miss_id AS id, m.job_id, m.job, m.reason, m.count, m.is_lower_bound, m.first_scheduled_for, m.last_scheduled_for, m.covers_from, m.covers_to,
  m.created_at, m.updated_at
"""
MISSES: LiteralString = f"""
SELECT {MISS_COLUMNS} FROM pgcron.misses m WHERE (%(reason)s::text IS NULL OR m.reason = %(reason)s)
   AND (%(after)s::uuid IS NULL OR m.miss_id < %(after)s::uuid) ORDER BY m.miss_id DESC LIMIT %(limit)s
"""
MISSES_OF_JOB: LiteralString = f"""
SELECT {MISS_COLUMNS} FROM pgcron.misses m WHERE m.job_id = %(job)s AND (%(reason)s::text IS NULL OR m.reason = %(reason)s)
   AND (%(after)s::timestamptz IS NULL OR m.covers_to < %(after)s::timestamptz) ORDER BY m.covers_to DESC LIMIT %(limit)s
"""
# The view `ledger`, newest first, a page of each part: the whole history is never sorted. Two rows never end at the same instant.
LEDGER: LiteralString = """
SELECT e.* FROM pgcron.cron_job j CROSS JOIN LATERAL (
  (SELECT l.covers_from, l.covers_to, 'run' AS kind, l.scheduled_for AS first_scheduled_for, l.scheduled_for AS last_scheduled_for, 1::bigint AS count,
          l.reason, l.id AS run_id, l.status FROM pgcron.cron_log l
    WHERE l.job_id = j.id AND l.covers_to IS NOT NULL AND (%(after)s::timestamptz IS NULL OR l.scheduled_for < %(after)s::timestamptz)
    ORDER BY l.scheduled_for DESC LIMIT %(limit)s)
  UNION ALL
  (SELECT m.covers_from, m.covers_to, 'miss', m.first_scheduled_for, m.last_scheduled_for, m.count, m.reason, NULL, NULL FROM pgcron.cron_miss m
    WHERE m.job_id = j.id AND (%(after)s::timestamptz IS NULL OR m.covers_to < %(after)s::timestamptz) ORDER BY m.covers_to DESC LIMIT %(limit)s)
  UNION ALL
  (SELECT r.covers_from, r.covers_to, 'waiting', r.scheduled_for, r.scheduled_for, 1, NULL, NULL, NULL FROM pgcron.cron_request r
    WHERE r.job_id = j.id AND r.state = 'PENDING' AND r.covers_to IS NOT NULL AND (%(after)s::timestamptz IS NULL OR r.covers_to < %(after)s::timestamptz)
    ORDER BY r.covers_to DESC LIMIT %(limit)s)) e
WHERE j.id = %(job)s AND e.covers_to > j.ledger_from AND (%(after)s::timestamptz IS NULL OR e.covers_to < %(after)s::timestamptz)
ORDER BY e.covers_to DESC LIMIT %(limit)s
"""
JOB_EXISTS: LiteralString = "SELECT FROM pgcron.cron_job WHERE id = %(job)s"


class RequestAnswer(Answer):
    """A wish for a run. runId: the run that answered it."""

    id: UUID
    job_id: UUID
    job: str
    cause: str
    state: RequestState
    run_after: datetime
    requested_by: str
    scheduled_for: datetime | None
    attempt: int
    args: dict[str, Any] | None
    overlap_policy: str | None
    run_id: UUID | None
    cancelled_by: str | None
    cancel_reason: str | None
    created_at: datetime
    ended_at: datetime | None


class MissAnswer(Answer):
    """count occurrences that became no run. isLowerBound: there were at least so many."""

    id: UUID
    job_id: UUID
    job: str
    reason: str
    count: int
    is_lower_bound: bool
    first_scheduled_for: datetime
    last_scheduled_for: datetime
    covers_from: datetime
    covers_to: datetime
    created_at: datetime
    updated_at: datetime


class LedgerAnswer(Answer):
    """kind: run, miss or waiting. coversFrom (exclusive) to coversTo: the time it accounts for. reason: of a miss, or why the run FAILED."""

    covers_from: datetime
    covers_to: datetime
    kind: Literal["run", "miss", "waiting"]
    first_scheduled_for: datetime
    last_scheduled_for: datetime
    count: int
    reason: str | None
    run_id: UUID | None
    status: str | None


async def page_of_requests(
    connection: Connection, job: UUID | None, state: RequestState | None, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[RequestAnswer], str | None]:  # fmt: skip
    """Newest first. Raises InvalidArguments for a cursor that is none."""
    params = {"job": job, "state": state}
    return await _page(connection, "requests", REQUESTS, params, RequestAnswer, "id", limit, cursor, cursors)


async def page_of_misses(
    connection: Connection, job: UUID | None, reason: str | None, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[MissAnswer], str | None]:
    """Newest first. Raises InvalidArguments for a cursor that is none."""
    params = {"job": job, "reason": reason}
    of, query, key = ("misses", MISSES, "id") if job is None else (f"misses of {job}", MISSES_OF_JOB, "covers_to")
    return await _page(connection, of, query, params, MissAnswer, key, limit, cursor, cursors)


async def page_of_ledger(
    connection: Connection, job: UUID, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[LedgerAnswer], str | None]:
    """Newest first. Raises JobNotFound, InvalidArguments for a cursor that is none."""
    if await (await connection.execute(JOB_EXISTS, {"job": job})).fetchone() is None:
        raise job_not_found(job)
    return await _page(
        connection, f"ledger of {job}", LEDGER, {"job": job}, LedgerAnswer, "covers_to", limit, cursor, cursors
    )


async def _page(
    connection: Connection, of: str, query: LiteralString, params: dict[str, Any], kind: type[A], key: str, limit: int,
    cursor: str | None, cursors: Cursors,
) -> tuple[list[A], str | None]:  # fmt: skip
    after = cursors.opened(of, cursor)
    asked = {**params, "after": None if after is None else after[0], "limit": limit + 1}
    rows = await all_rows(connection, query, asked)
    following = cursors.sealed(of, [str(rows[limit - 1][key])]) if len(rows) > limit else None
    return [kind(**row) for row in rows[:limit]], following


async def request_of(connection: Connection, request_id: UUID) -> RequestAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(REQUEST, {"id": request_id})).fetchone()
    if row is None:
        raise NotFound(f"Request with ID {request_id} not found", hint="old requests are deleted after a time")
    return RequestAnswer(**row)
