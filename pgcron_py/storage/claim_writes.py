"""The claim's third statement: what was decided of the locked jobs, written at once; and what has to be written before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import repeat

from msgspec import Struct
from psycopg import AsyncConnection

from pgcron_py.domain.decide import Advance, Decision
from pgcron_py.domain.job import Job, NewRun
from pgcron_py.domain.words import Cause, JobId, MissReason, RequestId, RunId, WorkerId
from pgcron_py.storage.json_text import json_text

POSTPONE = """
UPDATE pgcron.cron_request r SET run_after = p.until FROM json_to_recordset(%(requests)s) AS p (id uuid, until timestamptz)
 WHERE r.id = p.id AND r.state = 'PENDING'
"""
EXPIRE = "UPDATE pgcron.cron_request SET state = 'EXPIRED', ended_at = clock_timestamp() WHERE id = ANY (%(requests)s) AND state = 'PENDING'"
# A statement of its own, before the claim is written: its trigger and the advance would touch the same row.
BUFFER = """
INSERT INTO pgcron.cron_request (job_id, cause, run_after, requested_by, scheduled_for, covers_from, covers_to)
SELECT x.job_id, 'buffered', x.scheduled_for, 'pgcron', x.scheduled_for, x.covers_from, x.covers_to
  FROM json_to_recordset(%(requests)s) AS x (job_id uuid, scheduled_for timestamptz, covers_from timestamptz, covers_to timestamptz)
 ORDER BY x.job_id, x.scheduled_for
"""
END_OTHERS = """
SELECT pgcron.cancel_run(l.id, 'the next occurrence is due: ' || job.policy, job.policy = 'terminate_other')
  FROM unnest(%(jobs)s::uuid[], %(policies)s::text[]) AS job (id, policy)
  JOIN pgcron.cron_log l ON l.job_id = job.id AND l.status = 'RUNNING' ORDER BY l.id
"""

WRITE_CLAIM = "SELECT pgcron.write_claim(%(worker)s, %(runs)s, %(jobs)s, %(ahead)s)"
# After a conflict: whose runs are there already, or would be the second that goes on of an exclusive job.
CONFLICTING = """
SELECT DISTINCT r.job_id FROM json_to_recordset(%(runs)s) AS r (job_id uuid, seq bigint, scheduled_for timestamptz, covers_to timestamptz)
  JOIN pgcron.cron_log l ON l.job_id = r.job_id
   AND (l.seq = r.seq OR (r.covers_to IS NOT NULL AND l.covers_to IS NOT NULL AND l.scheduled_for = r.scheduled_for) OR (l.status = 'RUNNING' AND l.is_exclusive))
"""

WRITE_MISSES = """
WITH miss AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(misses)s) AS x (job_id uuid, reason text, covers_from timestamptz, covers_to timestamptz,
    first timestamptz, last timestamptz, count bigint, is_lower_bound boolean)
), extended AS (
  UPDATE pgcron.cron_miss m SET covers_to = x.covers_to, last_scheduled_for = x.last, count = m.count + x.count,
      is_lower_bound = m.is_lower_bound OR x.is_lower_bound, updated_at = clock_timestamp()
    FROM miss x WHERE m.job_id = x.job_id AND m.covers_to = x.covers_from AND m.reason = x.reason
  RETURNING m.job_id, x.covers_from
)
INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count, is_lower_bound)
SELECT x.job_id, x.reason, x.covers_from, x.covers_to, x.first, x.last, x.count, x.is_lower_bound FROM miss x
 WHERE NOT EXISTS (SELECT FROM extended e WHERE e.job_id = x.job_id AND e.covers_from = x.covers_from)
"""


class _Run(Struct, omit_defaults=True):
    id: RunId
    job_id: JobId
    seq: int
    cause: Cause
    attempt: int
    scheduled_for: datetime | None = None
    covers_from: datetime | None = None
    covers_to: datetime | None = None
    request_id: RequestId | None = None


class _Miss(Struct):
    job_id: JobId
    reason: MissReason
    covers_from: datetime
    covers_to: datetime
    first: datetime
    last: datetime
    count: int
    is_lower_bound: bool


class _Advance(Struct):
    id: JobId
    moves: bool
    next_scheduled_for: datetime | None
    next_run_at: datetime | None
    covers_from: datetime | None
    runs: int
    scheduled: int
    is_waiting: bool


class _Waiting(Struct):
    job_id: JobId
    scheduled_for: datetime
    covers_from: datetime
    covers_to: datetime


class _Postponed(Struct):
    id: RequestId
    until: datetime


async def write_claim(
    connection: AsyncConnection,
    worker: WorkerId,
    decisions: Iterable[tuple[Job, Decision]],
    *,
    ahead: datetime | None = None,
) -> None:
    """Inserts runs and misses and advances the jobs. ahead: the instant to come at which the runs start.

    Raises UniqueViolation when a run is there already: `conflicting` tells whose.
    """
    runs: list[_Run] = []
    misses: list[_Miss] = []
    jobs: list[_Advance] = []
    waiting: list[_Waiting] = []
    ending: dict[JobId, str] = {}
    expired: list[RequestId] = []
    postponed: list[_Postponed] = []
    for job, decision in decisions:
        id_ = job.id
        waiting.extend(_Waiting(id_, request.scheduled_for, *request.covers) for request in decision.requests)
        if decision.ends_others:
            ending[id_] = decision.ends_others
        expired.extend(request.id for request in decision.expired)
        postponed.extend(_Postponed(request.id, until) for request, until in decision.postponed)
        runs.extend(map(_run, repeat(id_), decision.runs))
        misses.extend(
            _Miss(id_, it.reason, it.covers_from, it.covers_to, it.first, it.last, it.count, it.is_lower_bound)
            for it in decision.misses
        )
        jobs.append(_advance(id_, decision))
    if expired:
        await connection.execute(EXPIRE, {"requests": expired})
    if postponed:
        await connection.execute(POSTPONE, {"requests": json_text(postponed)})
    if waiting:
        await connection.execute(BUFFER, {"requests": json_text(waiting)})
    if misses:
        await connection.execute(WRITE_MISSES, {"misses": json_text(misses)})
    await connection.execute(
        WRITE_CLAIM, {"worker": worker, "runs": json_text(runs), "jobs": json_text(jobs), "ahead": ahead}
    )
    if ending:
        await connection.execute(END_OTHERS, {"jobs": list(ending), "policies": list(ending.values())})


async def conflicting(connection: AsyncConnection, decisions: Iterable[tuple[Job, Decision]]) -> set[JobId]:
    """Jobs whose decided runs can't be written, because of runs that are there."""
    runs = [_run(job.id, run) for job, decision in decisions for run in decision.runs]
    cursor = await connection.execute(CONFLICTING, {"runs": json_text(runs)})
    return {JobId(row[0]) for row in await cursor.fetchall()}


async def warm_up(connection: AsyncConnection, nobody: WorkerId) -> None:
    """Plans what a claim writes, while there is nothing to write."""
    await connection.execute(WRITE_CLAIM, {"worker": nobody, "runs": "[]", "jobs": "[]", "ahead": None})


def _run(job_id: JobId, run: NewRun) -> _Run:
    covers_from, covers_to = run.covers or (None, None)
    return _Run(
        run.id, job_id, run.seq, run.cause, run.attempt, run.scheduled_for, covers_from, covers_to, run.request.id if run.request else None
    )  # fmt: skip


def _advance(job_id: JobId, decision: Decision) -> _Advance:
    advance = decision.advance or _STAYS
    scheduled = sum(run.cause is Cause.SCHEDULE for run in decision.runs) + len(decision.requests)
    return _Advance(
        job_id, decision.advance is not None, advance.next_scheduled_for, advance.next_run_at, decision.covers_from,
        len(decision.runs), scheduled, decision.is_waiting,
    )  # fmt: skip


_STAYS = Advance(None, None)
