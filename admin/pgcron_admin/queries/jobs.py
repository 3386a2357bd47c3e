"""Jobs as the API shows them: the original design's CronJob with ours beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Connection
from pgcron_admin.principal import Permission, Principal
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.wire import Answer
from pgcron_py.errors import JobNotFound

State = Literal[
    "enabled", "disabled", "running", "failing", "locked", "auto_disabled", "never_ran", "overdue", "asked", "invalid"
]
Sort = Literal[
    "name", "-name", "nextRunAt", "-nextRunAt", "lastRunAt", "-lastRunAt", "averageDuration", "-averageDuration",
    "consecutiveFailures", "-consecutiveFailures", "successRate", "-successRate", "createdAt", "-createdAt", "updatedAt", "-updatedAt",
]  # fmt: skip

# What each state means, of a row j of cron_job.
STATES: Mapping[State, LiteralString] = {
    "enabled": "j.is_enabled",
    "disabled": "NOT j.is_enabled",
    "running": "j.running_count > 0",
    "failing": "j.consecutive_failures > 0",
    "locked": "j.is_locked",
    "auto_disabled": "NOT j.is_enabled AND j.disabled_by = 'pgcron'",
    "never_ran": "j.run_seq = 0",
    "overdue": "j.is_enabled AND j.running_count = 0 AND j.claim_at < clock_timestamp() - interval '1 minute'",
    "asked": "j.next_request_at IS NOT NULL OR j.requests_waiting",
    "invalid": "j.schedule_error IS NOT NULL",
}
# Expression and type of each order; no value is NULL, so that a page can begin after any.
ORDERS: Mapping[str, tuple[LiteralString, LiteralString]] = {
    "name": ("j.name", "text"),
    "nextRunAt": ("coalesce(CASE WHEN j.is_enabled THEN j.next_run_at END, 'infinity')", "timestamptz"),
    "lastRunAt": ("coalesce(j.last_run_at, '-infinity')", "timestamptz"),
    "averageDuration": ("coalesce(j.average_duration, -1)", "double precision"),
    "consecutiveFailures": ("j.consecutive_failures", "integer"),
    "successRate": (
        "coalesce(j.success_count::double precision / nullif(j.success_count + j.failure_count, 0), -1)",
        "double precision",
    ),
    "createdAt": ("j.created_at", "timestamptz"),
    "updatedAt": ("j.updated_at", "timestamptz"),
}
COLUMNS: LiteralString = """
  j.id, j.name, j.description, j.schedule, j.handler, j.is_enabled, j.is_locked, j.last_run_at, j.next_run_at, j.success_count, j.failure_count,
  j.consecutive_failures, j.average_duration, j.notify_on_failure, j.created_at, j.updated_at, s.state, s.blocked_by, s.success_rate, j.version,
  j.timezone, j.args, j.owner, j.tags, j.queue, j.priority, j.origin, j.app, j.release, j.declared_schedule, j.undeclared_at,
  j.extra_schedules, j.excluded_schedules, j.start_at, j.end_at, j.max_runs, j.runs_alone, j.min_version, j.overlap_policy, j.max_running,
  j.catchup_policy, j.catchup_window_ms, j.starting_deadline_ms, j.timeout_ms, j.max_attempts, j.backoff_ms, j.backoff_max_ms, j.retry_on, j.no_retry_on,
  j.memory_limit_mib, j.is_idempotent, j.jitter_ms, j.dst_gap, j.dst_fold, j.max_consecutive_failures, j.retention_days, j.retention_count, j.log_level,
  j.must_succeed_every_ms, j.late_after_ms, j.slow_after_ms, j.slow_factor, j.ping_url, j.disabled_at, j.disabled_by, j.disabled_reason, j.disabled_until,
  j.schedule_error, j.needs_plan, j.skip_until, j.next_scheduled_for, s.next_request_at, j.running_count,
  s.current_run_id, s.current_started_at, s.last_run_id, s.last_status, s.last_reason, s.last_error, s.last_completed_at, s.last_duration_ms
"""
FILTER: LiteralString = """
  (%(search)s::text IS NULL OR j.name ILIKE %(search)s OR j.description ILIKE %(search)s OR j.handler ILIKE %(search)s
    OR array_to_string(j.tags, ' ') ILIKE %(search)s OR j.owner ILIKE %(search)s)
  AND (%(name)s::text IS NULL OR j.name = %(name)s) AND (%(tags)s::text[] IS NULL OR j.tags @> %(tags)s)
  AND (%(handler)s::text IS NULL OR j.handler = %(handler)s) AND (%(queue)s::text IS NULL OR j.queue = %(queue)s)
  AND (%(owner)s::text IS NULL OR j.owner = %(owner)s) AND (%(is_enabled)s::boolean IS NULL OR j.is_enabled = %(is_enabled)s)
"""
ONE: LiteralString = f"""
SELECT {COLUMNS} FROM pgcron.cron_job j JOIN pgcron.job_status s ON s.job_id = j.id WHERE j.id = %(id)s
"""


class JobAnswer(Answer):
    """A job. Durations end in Ms, but for the original design's averageDuration, which is in ms too: of SUCCESS runs, null before the first.

    state: how it stands, in words. blockedBy: why it would not run although its time had come; null when only the time keeps it.
    version: of the definition, the ETag. nextScheduledFor: the nominal instant, nextRunAt the earliest start. successRate: 0 to 1.
    pingUrl: shown only to those who may change it.
    """

    id: UUID
    name: str
    description: str | None
    schedule: str
    handler: str
    is_enabled: bool
    is_locked: bool
    last_run_at: datetime | None
    next_run_at: datetime | None
    success_count: int
    failure_count: int
    consecutive_failures: int
    average_duration: float | None
    notify_on_failure: bool
    created_at: datetime
    updated_at: datetime
    state: str
    blocked_by: str | None
    success_rate: float | None
    version: int
    timezone: str
    args: dict[str, Any]
    owner: str | None
    tags: list[str]
    queue: str
    priority: int
    origin: Literal["code", "sql", "admin"]
    app: str | None
    release: str | None
    declared_schedule: str | None
    undeclared_at: datetime | None
    extra_schedules: list[str]
    excluded_schedules: list[str]
    start_at: datetime | None
    end_at: datetime | None
    max_runs: int | None
    runs_alone: bool
    min_version: str | None
    overlap_policy: str
    max_running: int
    catchup_policy: str
    catchup_window_ms: int | None
    starting_deadline_ms: int | None
    timeout_ms: int | None
    max_attempts: int
    backoff_ms: int
    backoff_max_ms: int
    retry_on: list[str]
    no_retry_on: list[str]
    memory_limit_mib: int | None
    is_idempotent: bool
    jitter_ms: int
    dst_gap: str | None
    dst_fold: str | None
    max_consecutive_failures: int | None
    retention_days: int | None
    retention_count: int | None
    log_level: str
    must_succeed_every_ms: int | None
    late_after_ms: int | None
    slow_after_ms: int | None
    slow_factor: float | None
    ping_url: str | None
    disabled_at: datetime | None
    disabled_by: str | None
    disabled_reason: str | None
    disabled_until: datetime | None
    schedule_error: str | None
    needs_plan: bool
    skip_until: datetime | None
    next_scheduled_for: datetime | None
    next_request_at: datetime | None
    running_count: int
    current_run_id: UUID | None
    current_started_at: datetime | None
    last_run_id: UUID | None
    last_status: str | None
    last_reason: str | None
    last_error: str | None
    last_completed_at: datetime | None
    last_duration_ms: int | None


class FacetsAnswer(Answer):
    """How many jobs match the filter, by state (each leaving the filter's own state out), tag, handler and queue: the commonest 100 of each."""

    total: int
    states: dict[str, int]
    tags: dict[str, int]
    handlers: dict[str, int]
    queues: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """search: a part of name, description, handler or tags. tags: all of them."""

    search: str | None = None
    name: str | None = None
    tags: list[str] | None = None
    handler: str | None = None
    queue: str | None = None
    owner: str | None = None
    state: State | None = None
    is_enabled: bool | None = None

    def params(self) -> dict[str, Any]:
        return {
            "search": contains(self.search), "name": self.name, "tags": self.tags or None, "handler": self.handler,
            "queue": self.queue, "owner": self.owner, "is_enabled": self.is_enabled,
        }  # fmt: skip

    def condition(self) -> LiteralString:
        return FILTER if self.state is None else f"{FILTER} AND ({STATES[self.state]})"


def contains(text: str | None) -> str | None:
    """The pattern of LIKE for texts that contain this one."""
    if not text:
        return None
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def job_answer(row: Mapping[str, Any], principal: Principal) -> JobAnswer:
    hidden = {} if principal.may(Permission.SCHEDULE_EDIT) else {"ping_url": None}
    return JobAnswer(**{**row, **hidden})


async def job_of(connection: Connection, job_id: UUID, principal: Principal) -> JobAnswer:
    """Raises JobNotFound."""
    row = await (await connection.execute(ONE, {"id": job_id})).fetchone()
    if row is None:
        raise job_not_found(job_id)
    return job_answer(row, principal)


def job_not_found(job_id: UUID) -> JobNotFound:
    return JobNotFound(f"Cron job with ID {job_id} not found", hint="it may have been deleted")


async def page_of_jobs(
    connection: Connection, wanted: JobFilter, sort: Sort, limit: int, cursor: str | None, cursors: Cursors
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Rows for `job_answer`, and the cursor of the next page. Raises InvalidArguments for a cursor that is none."""
    after = cursors.opened(f"jobs {sort}", cursor)
    params: dict[str, Any] = {**wanted.params(), "limit": limit + 1}
    if after is not None:
        params |= {"value": after[0], "after": after[1]}
    rows = await all_rows(connection, page_query(wanted, sort, is_first=after is None), params)
    last = rows[limit - 1] if len(rows) > limit else None
    following = None if last is None else cursors.sealed(f"jobs {sort}", [last["order_value"], str(last["id"])])
    for row in rows:
        del row["order_value"]
    return rows[:limit], following


def page_query(wanted: JobFilter, sort: Sort, *, is_first: bool) -> LiteralString:
    # The page is chosen from the jobs alone: what is dear of a row is asked for those that are shown.
    value, type_ = ORDERS[sort.removeprefix("-")]
    direction, less = ("DESC", "<") if sort.startswith("-") else ("", ">")
    begin = "" if is_first else f"AND ({value}, j.id) {less} (%(value)s::{type_}, %(after)s::uuid)"
    return f"""
WITH page AS MATERIALIZED (
  SELECT j.id, {value} AS value FROM pgcron.cron_job j WHERE {wanted.condition()} {begin}
   ORDER BY {value} {direction}, j.id {direction} LIMIT %(limit)s)
SELECT {COLUMNS}, p.value::text AS order_value
  FROM page p JOIN pgcron.cron_job j ON j.id = p.id JOIN pgcron.job_status s ON s.job_id = j.id ORDER BY p.value {direction}, p.id {direction}
"""


async def facets_of(connection: Connection, wanted: JobFilter) -> FacetsAnswer:
    """In one look at the jobs."""
    flags: LiteralString = ", ".join(f"coalesce({rule}, false) AS is_{name}" for name, rule in STATES.items())
    counts: LiteralString = ", ".join(f"'{name}', count(*) FILTER (WHERE l.is_{name})" for name in STATES)
    query: LiteralString = f"""
WITH looked_at AS MATERIALIZED (SELECT j.tags, j.handler, j.queue, {flags} FROM pgcron.cron_job j WHERE {FILTER}),
  shown AS (SELECT l.tags, l.handler, l.queue FROM looked_at l {"" if wanted.state is None else f"WHERE l.is_{wanted.state}"})
SELECT (SELECT count(*) FROM shown) AS total, (SELECT jsonb_build_object({counts}) FROM looked_at l) AS states,
  {_commonest("t.tag", "shown CROSS JOIN unnest(shown.tags) AS t (tag)")} AS tags,
  {_commonest("shown.handler", "shown")} AS handlers, {_commonest("shown.queue", "shown")} AS queues
"""
    (row,) = await all_rows(connection, query, wanted.params())
    return FacetsAnswer(**row)


def _commonest(value: LiteralString, source: LiteralString) -> LiteralString:
    return (
        f"(SELECT coalesce(jsonb_object_agg(c.value, c.n ORDER BY c.n DESC, c.value), '{{}}') FROM "
        f"(SELECT {value} AS value, count(*) AS n FROM {source} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100) c)"
    )
