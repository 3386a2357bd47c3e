"""Runs as the API shows them: the original design's CronLog with ours beside it.

A page costs a page: of a job by its numbers, of all by their ids, which are in time's order. What no index knows (a reason, a worker, a word
in the error) is looked for in a stretch of so many runs at a time; the page may then be short, and the next one goes on behind the stretch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.queries.error_groups import GROUP
from pgcron_admin.queries.jobs import contains
from pgcron_admin.wire import Answer
from pgcron_py.errors import NotFound

Status = Literal["RUNNING", "SUCCESS", "FAILED"]
Reason = Literal[
    "error", "timeout", "crashed", "lost", "tx_broken", "output_limit", "shutdown", "cancelled", "db_error", "orphaned_claim", "neighbour",
]  # fmt: skip
Cause = Literal["schedule", "manual", "retry", "backfill", "buffered"]

STRETCH = 20_000
ERROR_LENGTH = 2000
# The clock of a server may step back, so that numbers and times disagree for a while.
SLACK = timedelta(minutes=5)

COLUMNS: LiteralString = f"""
  r.run_id AS id, r.job_id, r.status, r.started_at, r.completed_at, r.duration_ms AS duration, left(r.error, {ERROR_LENGTH}) AS error, r.metadata,
  r.job, r.seq, r.reason, r.is_strike, r.cause, r.attempt, r.scheduled_for, r.lag_ms, r.skip_reason, r.handler, r.worker_id, r.request_id, r.requested_by,
  r.cancel_requested_at, r.job_version
"""
# Not by the index of what runs: it is of few rows, and the planner would rather walk through a job's whole history.
RUNNING_OF_JOB: LiteralString = "(l.job_id = %(job)s) IS TRUE AND l.status = 'RUNNING'"
BY_STATUS: Mapping[Status | None, LiteralString] = {
    None: "true",
    "RUNNING": "l.status = 'RUNNING'",
    "SUCCESS": "l.status = 'SUCCESS'",
    "FAILED": "l.status = 'FAILED'",
}
LOOKED_AT: LiteralString = "l.id, l.seq, l.status, l.reason, l.cause, l.worker_id, l.error, l.started_at"
# Times are found by numbers and ids; IS TRUE keeps the planner from sorting all runs of that time instead.
MORE: LiteralString = f"""
  (%(error_group)s::text IS NULL OR l.status = 'FAILED' AND {GROUP} = %(error_group)s) AND
  (%(reason)s::text IS NULL OR l.reason = %(reason)s) AND (%(cause)s::text IS NULL OR l.cause = %(cause)s)
  AND (%(worker)s::uuid IS NULL OR l.worker_id = %(worker)s) AND (%(search)s::text IS NULL OR l.error ILIKE %(search)s)
  AND (%(since)s::timestamptz IS NULL OR (l.started_at >= %(since)s) IS TRUE) AND (%(until)s::timestamptz IS NULL OR (l.started_at < %(until)s) IS TRUE)
"""
# The numbers between which a job's runs of a time lie.
BOUNDS: LiteralString = """
SELECT (SELECT l.seq FROM pgcron.cron_log l WHERE %(since)s::timestamptz IS NOT NULL AND l.job_id = %(job)s AND l.started_at >= %(since)s::timestamptz - %(slack)s::interval
         ORDER BY l.started_at LIMIT 1) AS first,
       (SELECT l.seq FROM pgcron.cron_log l WHERE %(until)s::timestamptz IS NOT NULL AND l.job_id = %(job)s AND l.started_at < %(until)s::timestamptz + %(slack)s::interval
         ORDER BY l.started_at DESC LIMIT 1) AS last
"""
DETAIL: LiteralString = f"""
SELECT {COLUMNS}, r.result, r.progress, r.args, r.schedule, r.timezone, r.cancel_requested_by, r.cancel_reason,
  q.created_at AS requested_at, q.cause AS request_cause, w.host AS worker_host, w.pid AS worker_pid, w.state AS worker_state,
  CASE WHEN %(with_trace)s THEN (SELECT l.stack_trace FROM pgcron.cron_log l WHERE l.id = r.run_id) END AS stack_trace,
  o.lines AS output_lines, o.bytes AS output_bytes, o.dropped_lines AS output_dropped_lines, coalesce(o.is_complete, r.status <> 'RUNNING') OR coalesce(r.completed_at < clock_timestamp() - interval '10 s', false) AS is_output_complete
FROM pgcron.runs r LEFT JOIN pgcron.requests q ON q.request_id = r.request_id LEFT JOIN pgcron.workers w ON w.worker_id = r.worker_id
  LEFT JOIN pgcron.cron_log_output o ON o.run_id = r.run_id
WHERE r.run_id = %(id)s
"""
ATTEMPTS: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.runs r
 WHERE r.job_id = %(job)s AND r.scheduled_for = %(scheduled_for)s AND r.seq BETWEEN %(seq)s - 1000 AND %(seq)s + 1000 ORDER BY r.seq LIMIT 100
"""
FACETS: LiteralString = f"""
WITH stretch AS MATERIALIZED (SELECT {LOOKED_AT} FROM pgcron.cron_log l
    WHERE l.id >= pgcron.uuid_v7_at(%(since)s) AND (%(job)s::uuid IS NULL OR l.job_id = %(job)s) ORDER BY l.id DESC LIMIT {STRETCH}),
  l AS MATERIALIZED (SELECT * FROM stretch l WHERE {MORE})
SELECT (SELECT count(*) FROM l) AS total, (SELECT count(*) < {STRETCH} FROM stretch) AS is_complete,
  (SELECT coalesce(jsonb_object_agg(c.k, c.n), '{{}}') FROM (SELECT l.status AS k, count(*) AS n FROM l GROUP BY 1) c) AS statuses,
  (SELECT coalesce(jsonb_object_agg(c.k, c.n), '{{}}') FROM (SELECT l.reason AS k, count(*) AS n FROM l WHERE l.reason IS NOT NULL GROUP BY 1) c) AS reasons,
  (SELECT coalesce(jsonb_object_agg(c.k, c.n), '{{}}') FROM (SELECT l.cause AS k, count(*) AS n FROM l GROUP BY 1) c) AS causes
"""


class RunAnswer(Answer):
    """A run. duration: ms in the handler. error: type and message, without secrets; the trace is in the detail of a run only.

    lagMs: from its occurrence to its start, of runs by schedule. skipReason: why its handler had nothing to do.
    """

    id: UUID
    job_id: UUID
    status: Status
    started_at: datetime
    completed_at: datetime | None
    duration: int | None
    error: str | None
    metadata: Any
    job: str
    seq: int
    reason: str | None
    is_strike: bool
    cause: str
    attempt: int
    scheduled_for: datetime | None
    lag_ms: int | None
    skip_reason: str | None
    handler: str
    worker_id: UUID
    request_id: UUID | None
    requested_by: str | None
    cancel_requested_at: datetime | None
    job_version: int


class Moment(Answer):
    """what: requested, due, started, cancel_requested, finished. sinceStartMs: negative before the start."""

    what: str
    at: datetime
    since_start_ms: int


class RunDetailAnswer(RunAnswer):
    """stackTrace: null without the permission cron.trace.read. attempts: the runs of its occurrence, this one among them.

    isOutputComplete: no further lines will come. Nobody says so of a run that was killed: it is taken for granted after 10 s.
    """

    result: Any
    progress: Any
    args: dict[str, Any]
    schedule: str
    timezone: str
    cancel_requested_by: str | None
    cancel_reason: str | None
    requested_at: datetime | None
    request_cause: str | None
    worker_host: str | None
    worker_pid: int | None
    worker_state: str | None
    stack_trace: str | None
    output_lines: int | None
    output_bytes: int | None
    output_dropped_lines: int | None
    is_output_complete: bool
    timeline: list[Moment]
    attempts: list[RunAnswer]


class RunFacetsAnswer(Answer):
    """isComplete: false when only the newest of them were counted."""

    total: int
    is_complete: bool
    statuses: dict[str, int]
    reasons: dict[str, int]
    causes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """since, until: of the start, [since, until). error_group: as error_groups.py names it."""

    job: UUID | None = None
    status: Status | None = None
    reason: str | None = None
    cause: str | None = None
    worker: UUID | None = None
    search: str | None = None
    error_group: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def params(self) -> dict[str, Any]:
        return {
            "job": self.job, "reason": self.reason, "cause": self.cause, "worker": self.worker, "search": contains(self.search),
            "error_group": self.error_group, "since": self.since, "until": self.until,
        }  # fmt: skip

    @property
    def is_searching(self) -> bool:
        """It asks for what no index knows."""
        return any(value is not None for value in (self.reason, self.cause, self.worker, self.search, self.error_group))


async def page_of_runs(
    connection: Connection, wanted: RunFilter, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[list[RunAnswer], str | None]:
    """Newest first, and the cursor of the next page. Raises InvalidArguments for a cursor that is none."""
    of = "runs" if wanted.job is None else f"runs of {wanted.job}"
    after = cursors.opened(of, cursor)
    params: dict[str, Any] = {**wanted.params(), "limit": limit, "after": None if after is None else after[0]}
    if wanted.job is not None and wanted.status != "RUNNING":
        params |= await _bounds(connection, wanted)
    rows = await all_rows(connection, _query(wanted), params)
    end = rows[0]["stretch_end"] if rows else None
    runs = [row for row in rows if row["id"] is not None]
    key = "seq" if wanted.job is not None else "id"
    if len(runs) == limit:
        end = runs[-1][key]
    elif not wanted.is_searching:
        end = None
    for row in runs:
        del row["stretch_end"]
    return [RunAnswer(**row) for row in runs], None if end is None else cursors.sealed(of, [_plain(end)])


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


async def _bounds(connection: Connection, wanted: RunFilter) -> dict[str, Any]:
    """first, last: numbers of runs; None: no such bound. No run begins before `until`: none is asked for."""
    if wanted.since is None and wanted.until is None:
        return {"first": None, "last": None}
    params = {"job": wanted.job, "since": wanted.since, "until": wanted.until, "slack": SLACK}
    (row,) = await all_rows(connection, BOUNDS, params)
    nothing = (wanted.since is not None and row["first"] is None) or (wanted.until is not None and row["last"] is None)
    return {"first": row["first"], "last": 0 if nothing else row["last"]}


def _query(wanted: RunFilter) -> LiteralString:
    """A row for each run of the page, with the end of the stretch that was looked through; at least one row, empty, when there is an end."""
    if wanted.job is None:
        key: LiteralString = "l.id"
        place: LiteralString = (
            "(%(after)s::uuid IS NULL OR l.id < %(after)s::uuid) AND (%(since)s::timestamptz IS NULL OR l.id >= pgcron.uuid_v7_at(%(since)s)) "
            "AND (%(until)s::timestamptz IS NULL OR l.id < pgcron.uuid_v7_at(%(until)s::timestamptz + interval '1 ms'))"
        )
    else:
        key = "l.seq"
        place = "(%(after)s::bigint IS NULL OR l.seq < %(after)s::bigint) AND " + (
            RUNNING_OF_JOB
            if wanted.status == "RUNNING"
            else "l.job_id = %(job)s AND (%(first)s::bigint IS NULL OR l.seq >= %(first)s) AND (%(last)s::bigint IS NULL OR l.seq <= %(last)s)"
        )
    chosen: LiteralString = f"FROM pgcron.cron_log l WHERE {place} AND {BY_STATUS[wanted.status]}"
    if not wanted.is_searching:
        return f"""
SELECT {COLUMNS}, NULL AS stretch_end FROM (SELECT l.id {chosen} AND {MORE} ORDER BY {key} DESC LIMIT %(limit)s) p
  JOIN pgcron.runs r ON r.run_id = p.id ORDER BY r.{_order(wanted)} DESC
"""
    return f"""
WITH stretch AS MATERIALIZED (SELECT {LOOKED_AT} {chosen} ORDER BY {key} DESC LIMIT {STRETCH}),
  page AS MATERIALIZED (SELECT l.id FROM stretch l WHERE {MORE} ORDER BY {key} DESC LIMIT %(limit)s)
SELECT {COLUMNS}, e.stretch_end FROM (SELECT (SELECT {key} FROM stretch l ORDER BY {key} OFFSET 0 LIMIT 1) AS stretch_end, (SELECT count(*) FROM stretch) AS n) x
  CROSS JOIN LATERAL (SELECT CASE WHEN x.n = {STRETCH} THEN x.stretch_end END AS stretch_end) e
  LEFT JOIN (page p JOIN pgcron.runs r ON r.run_id = p.id) ON true ORDER BY r.{_order(wanted)} DESC
"""


def _order(wanted: RunFilter) -> LiteralString:
    return "run_id" if wanted.job is None else "seq"


async def run_of(connection: Connection, run_id: UUID, *, with_trace: bool) -> RunDetailAnswer:
    """Raises NotFound."""
    row = await (await connection.execute(DETAIL, {"id": run_id, "with_trace": with_trace})).fetchone()
    if row is None:
        raise run_not_found(run_id)
    key = {"job": row["job_id"], "scheduled_for": row["scheduled_for"], "seq": row["seq"]}
    attempts = await (await connection.execute(ATTEMPTS, key)).fetchall() if row["scheduled_for"] is not None else []
    own = {name: row[name] for name in RunAnswer.__struct_fields__}
    return RunDetailAnswer(**row, timeline=timeline(row), attempts=[RunAnswer(**a) for a in attempts or [own]])


def run_not_found(run_id: UUID) -> NotFound:
    return NotFound(f"Run with ID {run_id} not found", hint="old runs are deleted after a time")


def timeline(run: Mapping[str, Any]) -> list[Moment]:
    moments = [
        ("due", run["scheduled_for"] if run["cause"] == "schedule" else None),
        ("requested", run["requested_at"]),
        ("started", run["started_at"]),
        ("cancel_requested", run["cancel_requested_at"]),
        ("finished", run["completed_at"]),
    ]
    told = sorted(((at, what) for what, at in moments if at is not None), key=lambda moment: moment[0])
    return [Moment(what, at, round((at - run["started_at"]).total_seconds() * 1000)) for at, what in told]


async def facets_of(connection: Connection, wanted: RunFilter) -> RunFacetsAnswer:
    (row,) = await all_rows(connection, FACETS, wanted.params())
    return RunFacetsAnswer(**row)
