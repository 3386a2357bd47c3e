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

# The arrays bound what a plan may read that was made while the tables were empty: it would begin with the table.
_RUNS_AND_ADVANCES = """
WITH run AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(runs)s) AS x (id uuid, job_id uuid, seq bigint, cause text, scheduled_for timestamptz,
    covers_from timestamptz, covers_to timestamptz, attempt integer, request_id uuid)
), advance AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(jobs)s) AS x (id uuid, moves boolean, next_scheduled_for timestamptz, next_run_at timestamptz,
    covers_from timestamptz, runs integer, scheduled integer, is_waiting boolean)
), $ASKED inserted AS (
  INSERT INTO pgcron.cron_log (id, job_id, seq, is_exclusive, cause, scheduled_for, covers_from, covers_to, attempt, worker_id,
    request_id, requested_by, args, handler, job_version, schedule, started_at)
  SELECT r.id, r.job_id, r.seq, j.is_exclusive, r.cause, r.scheduled_for, r.covers_from, r.covers_to, r.attempt, %(worker)s,
    $ANSWERED, j.handler, j.version, j.schedule, GREATEST(clock_timestamp(), %(ahead)s::timestamptz)
    FROM run r JOIN pgcron.cron_job j ON j.id = r.job_id AND j.id = ANY (ARRAY(SELECT i.job_id FROM run i)) $FROM_ASKED
  $ON_CONFLICT RETURNING id
), advanced AS (
  UPDATE pgcron.cron_job j SET
    next_scheduled_for = CASE WHEN a.moves THEN a.next_scheduled_for ELSE j.next_scheduled_for END,
    next_run_at = CASE WHEN a.moves THEN a.next_run_at ELSE j.next_run_at END,
    covers_from = coalesce(a.covers_from, j.covers_from),
    run_seq = j.run_seq + a.runs, scheduled_runs = j.scheduled_runs + a.scheduled, running_count = j.running_count + a.runs,
    last_run_at = CASE WHEN a.runs > 0 THEN GREATEST(clock_timestamp(), %(ahead)s::timestamptz) ELSE j.last_run_at END,
    requests_waiting = j.requests_waiting OR a.is_waiting,
    next_request_at = CASE WHEN j.next_request_at IS NULL OR a.is_waiting THEN NULL ELSE
      (SELECT p.run_after FROM pgcron.cron_request p WHERE p.job_id = j.id AND p.state = 'PENDING'
         AND p.id NOT IN (SELECT r.request_id FROM run r WHERE r.request_id IS NOT NULL) ORDER BY p.run_after LIMIT 1) END
  FROM advance a WHERE j.id = a.id AND j.id = ANY (ARRAY(SELECT i.id FROM advance i))
)
SELECT id FROM inserted
"""
_ASKED = """asked AS MATERIALIZED (
  SELECT q.id, q.requested_by, q.args FROM pgcron.cron_request q WHERE q.id = ANY (ARRAY(SELECT i.request_id FROM run i))
), claimed AS (
  UPDATE pgcron.cron_request q SET state = 'CLAIMED', run_id = r.id, ended_at = clock_timestamp()
    FROM run r WHERE q.id = r.request_id AND q.id = ANY (ARRAY(SELECT i.request_id FROM run i)) AND q.state = 'PENDING'
),"""


def _statement(*, with_requests: bool, on_conflict: str = "") -> str:
    parts = {
        "$ASKED": _ASKED if with_requests else "",
        "$ANSWERED": "r.request_id, q.requested_by, coalesce(q.args, j.args)"
        if with_requests
        else "NULL, NULL, j.args",
        "$FROM_ASKED": "LEFT JOIN asked q ON q.id = r.request_id" if with_requests else "",
        "$ON_CONFLICT": on_conflict,
    }
    statement = _RUNS_AND_ADVANCES
    for mark, text in parts.items():
        statement = statement.replace(mark, text)
    return statement


# Most claims find no request, or nothing but requests, and every table that a statement names costs, whether it is written or not.
WRITE_RUNS, WRITE_ANSWERS = _statement(with_requests=False), _statement(with_requests=True)
# After a conflict: a run that conflicts is not inserted and is missing from the result, so that the caller can resolve it by name.
WRITE_WITHOUT_CONFLICTS = _statement(with_requests=True, on_conflict="ON CONFLICT DO NOTHING")

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
    leaves_conflicts: bool = False,
) -> set[RunId]:
    """Inserts runs and misses and advances the jobs; the ids that were inserted.

    ahead: the instant to come at which the runs start. leaves_conflicts: runs that conflict are not inserted; else raises UniqueViolation.
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
    statement = WRITE_ANSWERS if any(run.request_id for run in runs) else WRITE_RUNS
    cursor = await connection.execute(
        WRITE_WITHOUT_CONFLICTS if leaves_conflicts else statement,
        {"worker": worker, "runs": json_text(runs), "jobs": json_text(jobs), "ahead": ahead},
        binary=True,
    )
    inserted = {row[0] for row in await cursor.fetchall()}
    if ending:
        await connection.execute(END_OTHERS, {"jobs": list(ending), "policies": list(ending.values())})
    return inserted


async def warm_up(connection: AsyncConnection, nobody: WorkerId) -> None:
    """Plans what a claim writes, while there is nothing to write."""
    for statement in (WRITE_RUNS, WRITE_ANSWERS):
        await connection.execute(statement, {"worker": nobody, "runs": "[]", "jobs": "[]", "ahead": None}, binary=True)


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
