"""Reading jobs: the list, and everything about one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from pgcron_py.app.jobs import NOW, require
from pgcron_py.app.runs import RunRow, runs_of_job
from pgcron_py.app.schedules import described
from pgcron_py.app.session import Connection, rows, transaction, value
from pgcron_py.app.statistics import WINDOWS, Figures, figures_of
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.timetable import Description

_SUMMARY = """
SELECT j.id, j.name, j.schedule, j.timezone, j.handler, j.queue, j.tags, j.is_enabled, j.is_locked, j.disabled_at, j.disabled_by,
  j.disabled_reason, j.disabled_until, j.schedule_error, j.needs_plan, j.running_count, j.next_run_at, j.last_run_at,
  last.status AS last_status, last.reason AS last_reason, pgcron.state_of(j) AS state, j.success_count, j.failure_count, j.consecutive_failures, j.average_duration,
  EXISTS (SELECT FROM pgcron.cron_request r WHERE r.job_id = j.id AND r.state = 'PENDING') AS is_requested
"""
_FROM = """
FROM pgcron.cron_job j LEFT JOIN LATERAL
  (SELECT l.status, l.reason FROM pgcron.cron_log l WHERE l.job_id = j.id ORDER BY l.seq DESC LIMIT 1) last ON true
"""
LIST = f"""{_SUMMARY} {_FROM}
WHERE (%(tag)s::text IS NULL OR %(tag)s = ANY (j.tags)) AND (%(queue)s::text IS NULL OR j.queue = %(queue)s)
  AND (%(enabled)s::boolean IS NULL OR j.is_enabled = %(enabled)s) AND (%(name)s::text IS NULL OR j.name LIKE %(name)s)
  AND (NOT %(failing)s OR j.consecutive_failures > 0 OR last.status = 'FAILED')
ORDER BY j.name
"""
BLOCKED_BY = "SELECT pgcron.why_blocked(j) FROM pgcron.cron_job j WHERE j.id = %(id)s"
REQUESTS = """
SELECT id, cause, requested_by, run_after, scheduled_for, attempt, created_at FROM pgcron.cron_request
 WHERE job_id = %(id)s AND state = 'PENDING' ORDER BY run_after, id LIMIT 20
"""
MISSES = """
SELECT reason, count, is_lower_bound, first_scheduled_for, last_scheduled_for, updated_at FROM pgcron.cron_miss
 WHERE job_id = %(id)s ORDER BY covers_to DESC LIMIT 10
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """Columns of cron_job; state: in words; last_*: of its newest run; is_requested: somebody waits for a run. average_duration in ms."""

    id: UUID
    name: str
    schedule: str
    timezone: str
    handler: str
    queue: str
    tags: list[str]
    state: str
    is_enabled: bool
    is_locked: bool
    disabled_at: datetime | None
    disabled_by: str | None
    disabled_reason: str | None
    disabled_until: datetime | None
    schedule_error: str | None
    needs_plan: bool
    running_count: int
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_status: str | None
    last_reason: str | None
    success_count: int
    failure_count: int
    consecutive_failures: int
    average_duration: float | None
    is_requested: bool

    @property
    def success_rate(self) -> float | None:
        """0 to 1 over all runs that ended; None before the first."""
        ended = self.success_count + self.failure_count
        return self.success_count / ended if ended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts(JobRow):
    """All that people may want to know of the row."""

    description: str | None
    args: dict[str, Any]
    owner: str | None
    priority: int
    origin: str
    app: str | None
    release: str | None
    declared_schedule: str | None
    undeclared_at: datetime | None
    is_exclusive: bool
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
    notify_on_failure: bool
    retention_days: int | None
    retention_count: int | None
    extra_schedules: list[str]
    excluded_schedules: list[str]
    start_at: datetime | None
    end_at: datetime | None
    max_runs: int | None
    scheduled_runs: int
    runs_alone: bool
    min_version: str | None
    log_level: str
    must_succeed_every_ms: int | None
    late_after_ms: int | None
    slow_after_ms: int | None
    slow_factor: float | None
    ping_url: str | None
    anchor_at: datetime
    next_scheduled_for: datetime | None
    last_completed_at: datetime | None
    run_seq: int
    version: int
    created_at: datetime
    updated_at: datetime


_MORE = [field.name for field in fields(JobFacts) if field.name not in JobRow.__dataclass_fields__]
DETAIL = f"{_SUMMARY}, {', '.join(f'j.{name}' for name in _MORE)} {_FROM} WHERE j.id = %(id)s"


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A wish for a run that waits."""

    id: UUID
    cause: str
    requested_by: str
    run_after: datetime
    scheduled_for: datetime | None
    attempt: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MissRow:
    """Occurrences that became no run, and why."""

    reason: str
    count: int
    is_lower_bound: bool
    first_scheduled_for: datetime
    last_scheduled_for: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class JobList:
    now: datetime
    jobs: Sequence[JobRow]


@dataclass(frozen=True, slots=True)
class JobDetail:
    """description: None when the schedule or the zone can't be read here; problem says why. blocked_by: what keeps it, in
    words, but for the time. week: its last 7 days."""

    now: datetime
    job: JobFacts
    blocked_by: str | None
    week: Figures
    description: Description | None
    problem: str | None
    requests: Sequence[RequestRow]
    runs: Sequence[RunRow]
    misses: Sequence[MissRow]


def list_jobs(
    connection: Connection, *, glob: str | None = None, tag: str | None = None, queue: str | None = None,
    enabled: bool | None = None, failing: bool = False,
) -> JobList:  # fmt: skip
    """glob: `*` and `?` in the name. failing: with strikes, or whose last run FAILED."""
    params = {"name": glob and like(glob), "tag": tag, "queue": queue, "enabled": enabled, "failing": failing}
    with transaction(connection):
        return JobList(value(connection, NOW), rows(connection, JobRow, LIST, params))


def like(glob: str) -> str:
    """The pattern of LIKE that means the same."""
    escaped = glob.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%").replace("?", "_")


def show_job(connection: Connection, name: str) -> JobDetail:
    """Raises JobNotFound."""
    with transaction(connection):
        key = {"id": require(connection, name)}
        now = value(connection, NOW)
        job = rows(connection, JobFacts, DETAIL, key)[0]
        description, problem = _explained(job, now)
        requests, misses = rows(connection, RequestRow, REQUESTS, key), rows(connection, MissRow, MISSES, key)
        blocked_by = value(connection, BLOCKED_BY, key)
        week = figures_of(connection, job.name, "7d", WINDOWS["7d"])
        runs = runs_of_job(connection, job.name, 10)
        return JobDetail(now, job, blocked_by, week, description, problem, requests, runs, misses)


def _explained(job: JobFacts, now: datetime) -> tuple[Description | None, str | None]:
    try:
        return described(job, now, job.anchor_at), None
    except (InvalidSchedule, UnknownTimeZone) as error:
        return None, str(error)
