"""The claim, statement by statement: lock due jobs, read their requests, write runs and advances.

Three statements of one transaction, on one connection. Between the second and the third, which stands in claim_writes.py,
`domain.decide` decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import SerializationFailure

from pgcron_py.domain.job import Job, NewRun, Request, Timing
from pgcron_py.domain.limits import NOTHING_FULL, Full, Room
from pgcron_py.domain.words import Cause, JobId, RequestId, RunId, WorkerId
from pgcron_py.storage import claim_writes, rules
from pgcron_py.storage.json_text import array_text

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

_CAUSES = {cause.value: cause for cause in Cause}
_NAMES = [name.strip().removeprefix("j.") for name in JOB_COLUMNS.split(",")]
_OVERLAP, _CATCH_UP, _DUE_AT, _ASKED_AT = (
    1 + _NAMES.index(name) for name in ("overlap_policy", "catchup_policy", "next_run_at", "next_request_at")
)
_TIMING_ENDS = 1 + _NAMES.index("version")

# The worker's own row first: FOR SHARE against the reaper's FOR UPDATE, so a dead worker claims nothing. Then, for each
# route, the oldest due entries of the index, ordered over all routes with ageing (one point of priority = ten seconds);
# from these, lazily, as many as there are slots and as nobody else has locked. After a lock PostgreSQL checks the row
# again, as it is now; the sub-select of the clock makes it an index condition. Of what limits leave no room for, only jobs
# that run already are looked at: their occurrences overlap. ahead: an instant to come, of which only jobs are taken that nobody
# else has to do with: no run of theirs goes on that will end, no request waits.
LOCK_DUE_JOBS = """
WITH me AS MATERIALIZED (
  SELECT w.id FROM pgcron.cron_worker w JOIN pgcron.cron_lease l ON l.worker_id = w.id
   WHERE w.id = %(worker)s AND w.state = 'LIVE' AND l.lease_until > clock_timestamp() FOR SHARE OF w
), span AS MATERIALIZED (
  SELECT CASE WHEN %(narrow)s::bigint IS NULL OR EXISTS (SELECT FROM pgcron.cron_job p WHERE p.priority <> 0) THEN %(window)s::bigint ELSE %(narrow)s::bigint END AS entries
), candidate AS MATERIALIZED (
  SELECT d.id FROM unnest(%(queues)s::text[], %(handlers)s::text[]) AS route (queue, handler)
   CROSS JOIN LATERAL (
    SELECT j.id, j.claim_at, j.priority FROM pgcron.cron_job j
     WHERE j.is_enabled AND NOT j.needs_plan AND j.queue = route.queue AND j.handler = route.handler
       AND j.claim_at IS NOT NULL AND j.claim_at <= (SELECT GREATEST(clock_timestamp(), %(ahead)s::timestamptz)) AND $QUIET
       AND j.runs_alone = (%(alone)s::uuid IS NOT NULL) AND (j.running_count > 0
         OR NOT (j.queue = ANY (%(full_queues)s::text[]) OR j.handler = ANY (%(full_handlers)s::text[]) OR j.tags && %(full_tags)s::text[]))
       AND (j.min_version IS NULL OR pgcron.release_numbers(%(release)s) >= pgcron.release_numbers(j.min_version))
     ORDER BY j.claim_at LIMIT (SELECT entries FROM span)) d
   WHERE (SELECT count(*) FROM me) = 1 AND (SELECT m.paused_at FROM pgcron.cron_meta m) IS NULL
     AND CASE WHEN %(knows_rules)s THEN %(alone)s::uuid IS NOT NULL OR (SELECT pgcron.alone_gate()) IS NULL
         ELSE NOT (SELECT pgcron.has_rules()) END
   ORDER BY d.claim_at - d.priority * interval '10 s' LIMIT (SELECT entries FROM span)
)
SELECT GREATEST(clock_timestamp(), %(ahead)s::timestamptz) AS now, locked.* FROM candidate CROSS JOIN LATERAL (
  SELECT $JOB_COLUMNS FROM pgcron.cron_job j
   WHERE j.id = candidate.id AND j.is_enabled AND NOT j.needs_plan AND j.claim_at <= (SELECT GREATEST(clock_timestamp(), %(ahead)s::timestamptz)) AND $QUIET
     AND NOT j.id = ANY (%(aside)s::uuid[]) AND j.id = coalesce(%(alone)s::uuid, j.id) AND j.runs_alone = (%(alone)s::uuid IS NOT NULL)
     AND (%(has_slots)s OR (j.running_count > 0 AND j.next_run_at <= (SELECT clock_timestamp())))
   FOR NO KEY UPDATE SKIP LOCKED) locked
LIMIT %(limit)s
""".replace("$JOB_COLUMNS", JOB_COLUMNS).replace(
    "$QUIET",
    "(%(ahead)s::timestamptz IS NULL OR (j.running_count = 0 AND (j.next_request_at IS NULL OR j.next_request_at > %(ahead)s)))",
)

# A statement of its own: it sees what was committed before the lock was had.
DUE_REQUESTS = """
SELECT job.number, r.id, r.cause, r.scheduled_for, r.attempt, r.requested_by, r.args, r.covers_from, r.covers_to, r.overlap_policy
  FROM unnest(%(jobs)s::uuid[]) WITH ORDINALITY AS job (id, number) CROSS JOIN LATERAL (
    SELECT * FROM pgcron.cron_request p WHERE p.job_id = job.id AND p.state = 'PENDING' AND p.run_after <= (SELECT clock_timestamp())
    ORDER BY p.run_after, p.id LIMIT %(limit)s) r
 LIMIT %(limit)s
"""

# What a notification named, in one statement and one transaction.
CLAIM_ASKED = """
SELECT clock_timestamp(), c.run_id, $JOB, (c.request).id, (c.request).scheduled_for, (c.request).attempt, (c.request).requested_by, (c.request).args
  FROM pgcron.claim_asked(%(worker)s, %(jobs)s, %(runs)s, %(handlers)s, %(queues)s, %(release)s) c
""".replace("$JOB", JOB_COLUMNS.replace("j.", "(c.job)."))

BUFFERED = """
SELECT r.job_id, count(*) FROM pgcron.cron_request r
 WHERE r.job_id = ANY (%(jobs)s::uuid[]) AND r.state = 'PENDING' AND r.cause = 'buffered' GROUP BY r.job_id
"""
LOOK = "SELECT clock_timestamp(), k.* FROM pgcron.look(%(handlers)s, %(queues)s) k"

# The counter of transactions that write, of the whole server; and how many workers share it.
LOAD = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, GREATEST((SELECT count(*) FROM pgcron.cron_worker w WHERE w.state = 'LIVE'), 1)
"""

# What comes due soon, read without a lock, so that its next occurrence is computed before it is needed.
UPCOMING = """
SELECT d.* FROM unnest(%(route_queues)s::text[], %(route_handlers)s::text[]) AS route (queue, handler) CROSS JOIN LATERAL (
  SELECT $TIMING_COLUMNS, j.version, j.next_scheduled_for, j.claim_at
    FROM pgcron.cron_job j
   WHERE j.is_enabled AND NOT j.needs_plan AND j.queue = route.queue AND j.handler = route.handler AND j.claim_at IS NOT NULL
     AND j.claim_at <= (SELECT clock_timestamp() + %(ahead_ms)s * interval '1 ms') AND j.next_scheduled_for IS NOT NULL
   ORDER BY j.claim_at LIMIT %(limit)s) d
""".replace("$TIMING_COLUMNS", TIMING_COLUMNS)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A job that comes due soon, as it is now. due: its occurrence. claim_at: when it can be claimed."""

    timing: Timing
    version: int
    due: datetime
    claim_at: datetime


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
    narrow: int | None = None,
    most_jobs: int | None = None,
    has_slots: bool = True,
    aside: Collection[JobId] = (),
    release: str | None = None,
    full: Full = NOTHING_FULL,
    alone: JobId | None = None,
    ahead: datetime | None = None,
) -> tuple[datetime | None, list[Job]]:
    """The database's now, and up to `limit` due jobs, locked, with as many requests. (None, []) when there is nothing to take.

    window: how many due entries of each route are looked at, for their order and for what others have not locked; narrow: how many where
    no job has a priority, so that the oldest are the next. most_jobs: fewer than limit, where each has several requests: what is locked for nothing costs as much as a run. has_slots=False: only jobs that are due while they run, which need a decision but no slot. aside: jobs to leave.
    release: of the application. full: what limits leave no room for. alone: the only job to take, which runs alone.
    ahead: an instant to come; jobs that will be due then, as if it were then.
    """
    cursor = await connection.execute(
        LOCK_DUE_JOBS,
        {"worker": worker, "queues": view.route_queues, "handlers": view.route_handlers, "limit": most_jobs or limit, "window": window, "narrow": narrow, "has_slots": has_slots, "aside": list(aside),
         "release": release, "alone": alone, "ahead": ahead, "knows_rules": view.has_rules, "full_queues": full.queues, "full_handlers": full.handlers, "full_tags": full.tags},
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


async def claim_asked(
    connection: AsyncConnection,
    worker: WorkerId,
    asked: Mapping[JobId, RunId],
    handlers: list[str],
    queues: list[str] | None,
    release: str | None,
) -> list[tuple[datetime, Job, NewRun]]:
    """Claims and commits runs by hand of jobs that a notification named, each under the id that is given for it, where that
    needs no decision (see claim_asked in SQL). The database's now, the job before, and its run."""
    parameters = {
        "worker": worker,
        "jobs": list(asked),
        "runs": list(asked.values()),
        "handlers": handlers,
        "queues": queues,
        "release": release,
    }
    cursor = await connection.execute(CLAIM_ASKED, parameters, binary=True)
    found = []
    for now, run_id, *row in await cursor.fetchall():
        id_, scheduled_for, attempt, requested_by, args = row[-5:]
        request = Request(RequestId(id_), Cause.MANUAL, scheduled_for, attempt, requested_by, args)
        job = _job((now, *row[:-5]), (request,), 0)
        found.append(
            (now, job, NewRun(RunId(run_id), job.run_seq + 1, Cause.MANUAL, scheduled_for, None, attempt, request))
        )
    return found


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
    """number: the job's place among those that were asked about; an int is read and compared faster than an id."""
    cursor = await connection.execute(DUE_REQUESTS, {"jobs": array_text(jobs), "limit": limit}, binary=True)
    found: dict[int, list[Request]] = {}
    for (
        number,
        id_,
        cause,
        scheduled_for,
        attempt,
        requested_by,
        args,
        covers_from,
        covers_to,
        policy,
    ) in await cursor.fetchall():
        covers = (covers_from, covers_to) if covers_from is not None else None
        request = Request(id_, _CAUSES[cause], scheduled_for, attempt, requested_by, args, covers, policy)
        found.setdefault(number, []).append(request)
    return {jobs[number - 1]: tuple(requests) for number, requests in found.items()}


def _job(row: tuple[Any, ...], requests: tuple[Request, ...], buffered: int) -> Job:
    timing = Timing(*row[1:_TIMING_ENDS])
    return Job(timing, *(*row[_TIMING_ENDS:_ASKED_AT], requests, buffered))


async def load(connection: AsyncConnection) -> tuple[int, int]:
    """The number of the server's newest transaction that writes, and of live workers."""
    row = await (await connection.execute(LOAD)).fetchone()
    assert row is not None
    return row[0], row[1]


async def commit_at(connection: AsyncConnection, instant: datetime) -> None:
    """Ends a claim ahead of its time: committed at that instant of the database's clock, never before. Raises
    SerializationFailure, with nothing committed, when people did something that comes first (see claim_stands in SQL)."""
    await connection.execute(f"SELECT pgcron.claim_stands('{instant.isoformat()}'); COMMIT", prepare=False)


async def warm_up(connection: AsyncConnection) -> None:
    """Prepares and plans the claim's statements, so that the first claim after a start or an outage is no slower.

    It commits, having written nothing: after a ROLLBACK psycopg drops every prepared statement.
    """
    nobody = WorkerId(UUID(int=0))
    await begin(connection)
    try:
        await commit_at(connection, datetime.fromtimestamp(0, UTC))
    except SerializationFailure:  # the fleet is paused, or there are rules: a claim ahead of time would give way
        await connection.execute("ROLLBACK", prepare=False)
    await begin(connection)
    view = await look(connection, [], [])
    await lock_due_jobs(connection, nobody, view, limit=1, window=1)
    await _due_requests(connection, [], 1)
    await connection.execute(BUFFERED, {"jobs": []})
    await claim_writes.warm_up(connection, nobody)
    await claim_asked(connection, nobody, {}, [], None, None)
    await upcoming(connection, view, ahead_ms=0, limit=0)
    await connection.execute("COMMIT", prepare=False)


async def look(connection: AsyncConnection, handlers: list[str], queues: list[str] | None) -> View:
    cursor = await connection.execute(LOOK, {"handlers": handlers, "queues": queues})
    row = await cursor.fetchone()
    assert row is not None
    return View(*row)


async def upcoming(connection: AsyncConnection, view: View, *, ahead_ms: int, limit: int) -> list[Upcoming]:
    """What comes due within `ahead_ms`."""
    parameters: Mapping[str, Any] = {
        "route_queues": view.route_queues, "route_handlers": view.route_handlers, "ahead_ms": ahead_ms, "limit": limit,
    }  # fmt: skip
    cursor = await connection.execute(UPCOMING, parameters, binary=True)
    return [Upcoming(Timing(*row[:-3]), *row[-3:]) for row in await cursor.fetchall()]
