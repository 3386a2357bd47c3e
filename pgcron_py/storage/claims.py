"""The claim, statement by statement: lock due jobs, read their requests, write runs and advances.

Three statements of one transaction, on one connection. Between the second and the third, `domain.decide` decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection

from pgcron_py.domain.decide import Advance, Decision
from pgcron_py.domain.job import Job, NewRun, Request, Timing
from pgcron_py.domain.limits import NOTHING_FULL, Full, Room
from pgcron_py.domain.words import Cause, JobId, MissReason, RequestId, RunId, WorkerId
from pgcron_py.storage import rules
from pgcron_py.storage.json_text import json_text

# A process frozen inside a claim must not hold its rows for ever. The bitmap scan would revisit every page that was
# once due: only a plain index scan marks dead entries (measured: 4 ms against 0.07 ms for an empty claim). Before
# PostgreSQL 18 a forbidden scan that is the only one (cron_meta's) costs 1e10, and the statement would be compiled each time
# (measured on 15: 1.1 s).
BEGIN = (
    "BEGIN; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL jit = off"
)

TIMING_COLUMNS = """j.id, j.name, j.schedule, j.timezone, j.anchor_at, j.jitter_ms, j.dst_gap, j.dst_fold, j.extra_schedules,
    j.excluded_schedules, j.start_at, j.end_at, j.max_runs"""
JOB_COLUMNS = f"""{TIMING_COLUMNS}, j.version, j.handler, j.args, j.is_exclusive, j.max_running, j.overlap_policy, j.catchup_policy, j.catchup_window_ms, j.starting_deadline_ms, j.timeout_ms, j.max_attempts, j.backoff_ms,
    j.backoff_max_ms, j.retry_on, j.no_retry_on, j.memory_limit_mib, j.is_idempotent, j.next_scheduled_for, j.next_run_at, j.covers_from, j.run_seq, j.running_count,
    j.last_run_at, j.last_completed_at, j.skip_until, j.planned_from, j.scheduled_runs, j.queue, j.tags, j.log_level, j.next_request_at"""

_NAMES = [name.strip().removeprefix("j.") for name in JOB_COLUMNS.split(",")]
_OVERLAP, _CATCH_UP, _DUE_AT, _ASKED_AT = (
    1 + _NAMES.index(name) for name in ("overlap_policy", "catchup_policy", "next_run_at", "next_request_at")
)
_TIMING_ENDS = 1 + _NAMES.index("version")

# The worker's own row first: FOR SHARE against the reaper's FOR UPDATE, so a dead worker claims nothing. Then, for each
# route, the oldest due entries of the index, ordered over all routes with ageing (one point of priority = ten seconds);
# from these, lazily, as many as there are slots and as nobody else has locked. After a lock PostgreSQL checks the row
# again, as it is now; the sub-select of the clock makes it an index condition. Of what limits leave no room for, only jobs
# that run already are looked at: their occurrences overlap.
LOCK_DUE_JOBS = """
WITH me AS MATERIALIZED (
  SELECT w.id FROM pgcron.cron_worker w JOIN pgcron.cron_lease l ON l.worker_id = w.id
   WHERE w.id = %(worker)s AND w.state = 'LIVE' AND l.lease_until > clock_timestamp() FOR SHARE OF w
), candidate AS MATERIALIZED (
  SELECT d.id FROM unnest(%(queues)s::text[], %(handlers)s::text[]) AS route (queue, handler)
   CROSS JOIN LATERAL (
    SELECT j.id, j.claim_at, j.priority FROM pgcron.cron_job j
     WHERE j.is_enabled AND NOT j.needs_plan AND j.queue = route.queue AND j.handler = route.handler
       AND j.claim_at IS NOT NULL AND j.claim_at <= (SELECT clock_timestamp())
       AND j.runs_alone = (%(alone)s::uuid IS NOT NULL) AND (j.running_count > 0
         OR NOT (j.queue = ANY (%(full_queues)s::text[]) OR j.handler = ANY (%(full_handlers)s::text[]) OR j.tags && %(full_tags)s::text[]))
       AND (j.min_version IS NULL OR pgcron.release_numbers(%(release)s) >= pgcron.release_numbers(j.min_version))
     ORDER BY j.claim_at LIMIT %(window)s) d
   WHERE (SELECT count(*) FROM me) = 1 AND (SELECT m.paused_at FROM pgcron.cron_meta m) IS NULL
     AND CASE WHEN %(knows_rules)s THEN %(alone)s::uuid IS NOT NULL OR (SELECT pgcron.alone_gate()) IS NULL
         ELSE NOT (SELECT pgcron.has_rules()) END
   ORDER BY d.claim_at - d.priority * interval '10 s' LIMIT %(window)s
)
SELECT clock_timestamp() AS now, locked.* FROM candidate CROSS JOIN LATERAL (
  SELECT $JOB_COLUMNS FROM pgcron.cron_job j
   WHERE j.id = candidate.id AND j.is_enabled AND NOT j.needs_plan AND j.claim_at <= (SELECT clock_timestamp())
     AND NOT j.id = ANY (%(aside)s::uuid[]) AND j.id = coalesce(%(alone)s::uuid, j.id) AND j.runs_alone = (%(alone)s::uuid IS NOT NULL)
     AND (%(has_slots)s OR (j.running_count > 0 AND j.next_run_at <= (SELECT clock_timestamp())))
   FOR NO KEY UPDATE SKIP LOCKED) locked
LIMIT %(limit)s
""".replace("$JOB_COLUMNS", JOB_COLUMNS)

# A statement of its own: it sees what was committed before the lock was had.
DUE_REQUESTS = """
SELECT r.job_id, r.id, r.cause, r.scheduled_for, r.attempt, r.requested_by, r.args, r.covers_from, r.covers_to, r.overlap_policy
  FROM unnest(%(jobs)s::uuid[]) AS job (id) CROSS JOIN LATERAL (
    SELECT * FROM pgcron.cron_request p WHERE p.job_id = job.id AND p.state = 'PENDING' AND p.run_after <= (SELECT clock_timestamp())
    ORDER BY p.run_after, p.id LIMIT %(limit)s) r
 LIMIT %(limit)s
"""

POSTPONE = """
UPDATE pgcron.cron_request r SET run_after = p.until FROM json_to_recordset(%(requests)s) AS p (id uuid, until timestamptz)
 WHERE r.id = p.id AND r.state = 'PENDING'
"""
EXPIRE = "UPDATE pgcron.cron_request SET state = 'EXPIRED', ended_at = clock_timestamp() WHERE id = ANY (%(requests)s) AND state = 'PENDING'"
BUFFERED = """
SELECT r.job_id, count(*) FROM pgcron.cron_request r
 WHERE r.job_id = ANY (%(jobs)s::uuid[]) AND r.state = 'PENDING' AND r.cause = 'buffered' GROUP BY r.job_id
"""
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

# A run that conflicts is not inserted and is missing from the result: the caller rolls back and resolves it by name.
# The arrays bound what a plan may read that was made while the tables were empty: it would begin with the table.
WRITE_CLAIM = """
WITH run AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(runs)s) AS x (id uuid, job_id uuid, seq bigint, cause text, scheduled_for timestamptz,
    covers_from timestamptz, covers_to timestamptz, attempt integer, request_id uuid)
), miss AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(misses)s) AS x (job_id uuid, reason text, covers_from timestamptz, covers_to timestamptz,
    first timestamptz, last timestamptz, count bigint, is_lower_bound boolean)
), advance AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(jobs)s) AS x (id uuid, moves boolean, next_scheduled_for timestamptz, next_run_at timestamptz,
    covers_from timestamptz, runs integer, scheduled integer, is_waiting boolean)
), asked AS MATERIALIZED (
  SELECT q.id, q.requested_by, q.args FROM pgcron.cron_request q WHERE q.id = ANY (ARRAY(SELECT i.request_id FROM run i))
), inserted AS (
  INSERT INTO pgcron.cron_log (id, job_id, seq, is_exclusive, cause, scheduled_for, covers_from, covers_to, attempt, worker_id,
    request_id, requested_by, args, handler, job_version, schedule)
  SELECT r.id, r.job_id, r.seq, j.is_exclusive, r.cause, r.scheduled_for, r.covers_from, r.covers_to, r.attempt, %(worker)s,
    r.request_id, q.requested_by, coalesce(q.args, j.args), j.handler, j.version, j.schedule
    FROM run r JOIN pgcron.cron_job j ON j.id = r.job_id AND j.id = ANY (ARRAY(SELECT i.job_id FROM run i))
    LEFT JOIN asked q ON q.id = r.request_id
  ON CONFLICT DO NOTHING RETURNING id
), claimed AS (
  UPDATE pgcron.cron_request q SET state = 'CLAIMED', run_id = r.id, ended_at = clock_timestamp()
    FROM run r WHERE q.id = r.request_id AND q.id = ANY (ARRAY(SELECT i.request_id FROM run i)) AND q.state = 'PENDING'
), extended AS (
  UPDATE pgcron.cron_miss m SET covers_to = x.covers_to, last_scheduled_for = x.last, count = m.count + x.count,
      is_lower_bound = m.is_lower_bound OR x.is_lower_bound, updated_at = clock_timestamp()
    FROM miss x WHERE m.job_id = x.job_id AND m.covers_to = x.covers_from AND m.reason = x.reason
  RETURNING m.job_id, x.covers_from
), missed AS (
  INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count, is_lower_bound)
  SELECT x.job_id, x.reason, x.covers_from, x.covers_to, x.first, x.last, x.count, x.is_lower_bound FROM miss x
   WHERE NOT EXISTS (SELECT FROM extended e WHERE e.job_id = x.job_id AND e.covers_from = x.covers_from)
), advanced AS (
  UPDATE pgcron.cron_job j SET
    next_scheduled_for = CASE WHEN a.moves THEN a.next_scheduled_for ELSE j.next_scheduled_for END,
    next_run_at = CASE WHEN a.moves THEN a.next_run_at ELSE j.next_run_at END,
    covers_from = coalesce(a.covers_from, j.covers_from),
    run_seq = j.run_seq + a.runs, scheduled_runs = j.scheduled_runs + a.scheduled, running_count = j.running_count + a.runs,
    last_run_at = CASE WHEN a.runs > 0 THEN clock_timestamp() ELSE j.last_run_at END,
    requests_waiting = j.requests_waiting OR a.is_waiting,
    next_request_at = CASE WHEN j.next_request_at IS NULL OR a.is_waiting THEN NULL ELSE
      (SELECT p.run_after FROM pgcron.cron_request p WHERE p.job_id = j.id AND p.state = 'PENDING'
         AND p.id NOT IN (SELECT r.request_id FROM run r WHERE r.request_id IS NOT NULL) ORDER BY p.run_after LIMIT 1) END
  FROM advance a WHERE j.id = a.id AND j.id = ANY (ARRAY(SELECT i.id FROM advance i))
)
SELECT id FROM inserted
"""

LOOK = "SELECT clock_timestamp(), k.* FROM pgcron.look(%(handlers)s, %(queues)s) k"

# What comes due soon, read without a lock, so that its next occurrence is computed before it is needed.
UPCOMING = """
SELECT d.* FROM unnest(%(route_queues)s::text[], %(route_handlers)s::text[]) AS route (queue, handler) CROSS JOIN LATERAL (
  SELECT $TIMING_COLUMNS, j.version, j.next_scheduled_for
    FROM pgcron.cron_job j
   WHERE j.is_enabled AND NOT j.needs_plan AND j.queue = route.queue AND j.handler = route.handler AND j.claim_at IS NOT NULL
     AND j.claim_at <= (SELECT clock_timestamp() + %(ahead_ms)s * interval '1 ms') AND j.next_scheduled_for IS NOT NULL
   ORDER BY j.claim_at LIMIT %(limit)s) d
""".replace("$TIMING_COLUMNS", TIMING_COLUMNS)


@dataclass(frozen=True, slots=True)
class View:
    """What a worker may take: routes as two parallel lists; the earliest instant among them; whether plans wait,
    and whether there are blackouts, limits, or jobs that run alone."""

    at: datetime
    route_queues: list[str]
    route_handlers: list[str]
    next_claim_at: datetime | None
    plan_pending: bool
    has_rules: bool


async def begin(connection: AsyncConnection) -> None:
    """Begins a transaction with the limits of ours, in one message."""
    await connection.execute(BEGIN, prepare=False)


async def begin_claim(connection: AsyncConnection, *, alone: bool = False) -> None:
    """Begins a claim, beside other claims; alone: one that may keep all others from starting anything."""
    await connection.execute(BEGIN if alone else f"{BEGIN}; {rules.SHARE_CLAIMS}", prepare=False)


async def lock_due_jobs(
    connection: AsyncConnection,
    worker: WorkerId,
    view: View,
    *,
    limit: int,
    window: int,
    most_jobs: int | None = None,
    has_slots: bool = True,
    aside: Collection[JobId] = (),
    release: str | None = None,
    full: Full = NOTHING_FULL,
    alone: JobId | None = None,
) -> tuple[datetime | None, list[Job]]:
    """The database's now, and up to `limit` due jobs, locked, with as many requests. (None, []) when there is nothing to take.

    most_jobs: fewer than limit, where each has several requests: what is locked for nothing costs as much as a run. has_slots=False: only jobs that are due while they run, which need a decision but no slot. aside: jobs to leave.
    release: of the application. full: what limits leave no room for. alone: the only job to take, which runs alone.
    """
    cursor = await connection.execute(
        LOCK_DUE_JOBS,
        {"worker": worker, "queues": view.route_queues, "handlers": view.route_handlers, "limit": most_jobs or limit, "window": window, "has_slots": has_slots, "aside": list(aside),
         "release": release, "alone": alone, "knows_rules": view.has_rules, "full_queues": full.queues, "full_handlers": full.handlers, "full_tags": full.tags},
        binary=True,
    )  # fmt: skip
    rows = await cursor.fetchall()
    if not rows:
        return None, []
    now: datetime = rows[0][0]
    asking = [row[1] for row in rows if row[_ASKED_AT] is not None and row[_ASKED_AT] <= now]
    requests = await _due_requests(connection, asking, limit) if asking else {}
    if sum(map(len, requests.values())) >= limit:  # enough to do: the rest of those who only ask is for the next claim
        rows = [row for row in rows if row[1] in requests or (row[_DUE_AT] is not None and row[_DUE_AT] <= now)]
    buffered = await _buffered(connection, [row[1] for row in rows if _looks_at_buffer(row)])
    return now, [_job(row, requests.get(row[1], ()), buffered.get(row[1], 0)) for row in rows]


async def lock_by_rules(
    connection: AsyncConnection, worker: WorkerId, view: View, *, alone: JobId | None = None, **options: Any
) -> tuple[datetime | None, list[Job], Room, bool]:
    """lock_due_jobs, with the blackouts that concern the jobs and the room that limits leave, and whether they may start:
    a job that runs alone may not while others run."""
    may_start = alone is None or await rules.is_alone(connection, alone)
    full = await rules.full(connection) if view.has_rules else NOTHING_FULL
    now, jobs = await lock_due_jobs(connection, worker, view, full=full, alone=alone, **options)
    if not (view.has_rules and jobs):
        return now, jobs, Room(), may_start
    jobs, room = await rules.applied(connection, jobs)
    return now, jobs, room, may_start


def _looks_at_buffer(row: tuple[Any, ...]) -> bool:
    return row[_OVERLAP] not in ("skip", "allow_all") or row[_CATCH_UP] == "all"


async def _buffered(connection: AsyncConnection, jobs: list[JobId]) -> dict[JobId, int]:
    if not jobs:
        return {}
    cursor = await connection.execute(BUFFERED, {"jobs": jobs})
    return dict(await cursor.fetchall())


async def _due_requests(connection: AsyncConnection, jobs: list[JobId], limit: int) -> dict[JobId, tuple[Request, ...]]:
    cursor = await connection.execute(DUE_REQUESTS, {"jobs": jobs, "limit": limit}, binary=True)
    found: dict[JobId, tuple[Request, ...]] = {}
    for (
        job_id,
        id_,
        cause,
        scheduled_for,
        attempt,
        requested_by,
        args,
        covers_from,
        covers_to,
        overlap_policy,
    ) in await cursor.fetchall():
        covers = (covers_from, covers_to) if covers_from is not None else None
        request = Request(
            RequestId(id_), Cause(cause), scheduled_for, attempt, requested_by, args, covers, overlap_policy
        )
        found[job_id] = (*found.get(job_id, ()), request)
    return found


def _job(row: tuple[Any, ...], requests: tuple[Request, ...], buffered: int) -> Job:
    timing = Timing(*row[1:_TIMING_ENDS])
    return Job(timing, *(*row[_TIMING_ENDS:_ASKED_AT], requests, buffered))


async def warm_up(connection: AsyncConnection) -> None:
    """Prepares and plans the claim's statements, so that the first claim after a start or an outage is no slower.

    It commits, having written nothing: after a ROLLBACK psycopg drops every prepared statement.
    """
    nobody = WorkerId(UUID(int=0))
    await begin(connection)
    view = await look(connection, [], [])
    await lock_due_jobs(connection, nobody, view, limit=1, window=1)
    await _due_requests(connection, [], 1)
    await connection.execute(BUFFERED, {"jobs": []})
    await write_claim(connection, nobody, [])
    await upcoming(connection, view, ahead_ms=0, limit=0)
    await connection.execute("COMMIT", prepare=False)


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
    connection: AsyncConnection, worker: WorkerId, decisions: Iterable[tuple[Job, Decision]]
) -> set[RunId]:
    """Inserts runs and misses and advances the jobs; the ids that were inserted."""
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
    cursor = await connection.execute(
        WRITE_CLAIM,
        {"worker": worker, "runs": json_text(runs), "misses": json_text(misses), "jobs": json_text(jobs)},
        binary=True,
    )
    inserted = {row[0] for row in await cursor.fetchall()}
    if ending:
        await connection.execute(END_OTHERS, {"jobs": list(ending), "policies": list(ending.values())})
    return inserted


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


async def look(connection: AsyncConnection, handlers: list[str], queues: list[str] | None) -> View:
    cursor = await connection.execute(LOOK, {"handlers": handlers, "queues": queues})
    row = await cursor.fetchone()
    assert row is not None
    return View(*row)


async def upcoming(
    connection: AsyncConnection, view: View, *, ahead_ms: int, limit: int
) -> list[tuple[Timing, int, datetime]]:
    """(timing, version, next_scheduled_for) of what comes due within `ahead_ms`."""
    parameters: Mapping[str, Any] = {
        "route_queues": view.route_queues, "route_handlers": view.route_handlers, "ahead_ms": ahead_ms, "limit": limit,
    }  # fmt: skip
    cursor = await connection.execute(UPCOMING, parameters, binary=True)
    return [(Timing(*row[:-2]), row[-2], row[-1]) for row in await cursor.fetchall()]
