"""The claim's third statement: what was decided of the locked jobs, written at once; and what has to be written before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import repeat
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from pgcron_py.domain.decide import Advance, Decision
from pgcron_py.domain.job import Job, NewRun
from pgcron_py.domain.words import Cause, JobId, MissReason, RequestId, WorkerId
from pgcron_py.storage.json_text import array_text, json_text

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

WRITE_CLAIM = """
SELECT pgcron.write_claim(%(worker)s, %(ids)s, %(job_ids)s, %(seqs)s, %(causes)s, %(attempts)s, %(scheduled_for)s, %(covers_from)s,
  %(covers_to)s, %(requests)s, %(jobs)s, %(ahead)s)
"""
# After a conflict: whose runs are there already, or would be the second that goes on of an exclusive job.
CONFLICTING = """
SELECT DISTINCT r.job_id FROM unnest(%(job_ids)s::uuid[], %(seqs)s::bigint[], %(scheduled_for)s::timestamptz[], %(covers_to)s::timestamptz[])
  AS r (job_id, seq, scheduled_for, covers_to)
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
    runs: list[tuple[JobId, NewRun]] = []
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
        runs.extend(zip(repeat(id_), decision.runs))
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
    parameters = {"worker": worker, **_columns(runs), "jobs": json_text(jobs), "ahead": ahead}
    await connection.execute(WRITE_CLAIM, parameters)
    if ending:
        await connection.execute(END_OTHERS, {"jobs": list(ending), "policies": list(ending.values())})


async def conflicting(connection: AsyncConnection, decisions: Iterable[tuple[Job, Decision]]) -> set[JobId]:
    """Jobs whose decided runs can't be written, because of runs that are there."""
    runs = [(job.id, run) for job, decision in decisions for run in decision.runs]
    cursor = await connection.execute(CONFLICTING, _columns(runs))
    return {JobId(row[0]) for row in await cursor.fetchall()}


async def warm_up(connection: AsyncConnection, nobody: WorkerId) -> None:
    """Plans what a claim writes, while there is nothing to write."""
    await connection.execute(WRITE_CLAIM, {"worker": nobody, **_columns([]), "jobs": "[]", "ahead": None})


def _columns(runs: list[tuple[JobId, NewRun]]) -> dict[str, str]:
    """Of runs and their jobs, as parallel arrays."""
    covers = [run.covers or _NO_COVERS for _, run in runs]
    columns: dict[str, list[Any]] = {
        "ids": [run.id for _, run in runs],
        "job_ids": [job_id for job_id, _ in runs],
        "seqs": [run.seq for _, run in runs],
        "causes": [run.cause for _, run in runs],
        "attempts": [run.attempt for _, run in runs],
        "scheduled_for": [run.scheduled_for for _, run in runs],
        "covers_from": [covers_from for covers_from, _ in covers],
        "covers_to": [covers_to for _, covers_to in covers],
        "requests": [run.request and run.request.id for _, run in runs],
    }
    return {name: array_text(values) for name, values in columns.items()}


def _advance(job_id: JobId, decision: Decision) -> _Advance:
    advance = decision.advance or _STAYS
    scheduled = sum(run.cause is Cause.SCHEDULE for run in decision.runs) + len(decision.requests)
    return _Advance(
        job_id, decision.advance is not None, advance.next_scheduled_for, advance.next_run_at, decision.covers_from,
        len(decision.runs), scheduled, decision.is_waiting,
    )  # fmt: skip


_STAYS = Advance(None, None)
_NO_COVERS = (None, None)
