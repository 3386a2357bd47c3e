"""What a worker would run by a clock of the test's own: the claim's decisions, without a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from pgcron_py.domain.decide import Decision, decide
from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.job import Job, NewRun, Request, Timing
from pgcron_py.domain.planning import Replan, replan
from pgcron_py.domain.retry import RetryPolicy, failure_of, retry
from pgcron_py.domain.words import Cause, JobId, MissReason, Reason, RequestId, RunId
from pgcron_py.registry import PgCron
from pgcron_py.testing.inline import JobFacts, JobResult, job_id_of, perform
from pgcron_py.testing.manual_clock import ManualClock


@dataclass(frozen=True, slots=True)
class Missed:
    """Occurrences that became no run: `count` of them, from first to last."""

    job_name: str
    reason: MissReason
    first: datetime
    last: datetime
    count: int


@dataclass(slots=True)
class DueReport:
    """What ran, in order, and what was missed and why."""

    ran: list[JobResult] = field(default_factory=list)
    missed: list[Missed] = field(default_factory=list)


@dataclass(slots=True)
class _Row:
    """What the database would know of a job."""

    declaration: JobDeclaration
    timing: Timing
    covers_from: datetime
    next_scheduled_for: datetime | None
    next_run_at: datetime | None
    seq: int = 0
    scheduled: int = 0
    strikes: int = 0
    is_enabled: bool = True
    last_run_at: datetime | None = None
    last_completed_at: datetime | None = None
    retries: list[tuple[datetime, Request]] = field(default_factory=list)

    @property
    def due_at(self) -> datetime | None:
        if not self.is_enabled:
            return None
        return min((at for at in (self.next_run_at, *(at for at, _ in self.retries)) if at is not None), default=None)

    @property
    def policy(self) -> RetryPolicy:
        declared = self.declaration
        return RetryPolicy(
            declared.max_attempts, declared.is_idempotent, declared.backoff_ms, declared.backoff_max_ms, declared.retry_on, declared.no_retry_on
        )  # fmt: skip


class Schedules:
    """Where each job's schedule stands between calls. since: from when it counts; @reboot jobs are due then."""

    def __init__(self, since: datetime) -> None:
        self.since = since
        self._rows: dict[str, _Row] = {}

    def next_due(self, app: PgCron) -> datetime | None:
        """The earliest instant at which something is due."""
        return min((row.due_at for row in self._known(app) if row.due_at is not None), default=None)

    def is_enabled(self, name: str) -> bool:
        """False after as many failures in a row as the job allows (max_consecutive_failures)."""
        return name not in self._rows or self._rows[name].is_enabled

    def _known(self, app: PgCron) -> list[_Row]:
        for name, declaration in app.declarations.items():
            if name not in self._rows:
                self._rows[name] = _planned(app, declaration, self.since)
        return [self._rows[name] for name in app.declarations]

    def _earliest(self, app: PgCron, now: datetime) -> _Row | None:
        due = [(row.due_at, row.declaration.name, row) for row in self._known(app) if row.due_at and row.due_at <= now]
        return min(due, key=lambda it: it[:2])[2] if due else None


def run_due_now(app: PgCron, clock: ManualClock, schedules: Schedules, *, connection: Any = None) -> DueReport:
    """What a worker that claims now would do, after nobody claimed since the last call: an hour of a job of every minute is
    one run and 59 coalesced misses. What handlers raise is in their results. Retries come due by the clock, too.

    connection: for transactional handlers.
    """
    report = DueReport()
    while (row := schedules._earliest(app, clock.now())) is not None:
        now = clock.now()
        decision = decide(_job(row, now), now, lambda: RunId(uuid4()))
        _advance(row, decision, now)
        report.missed += [
            Missed(row.declaration.name, miss.reason, miss.first, miss.last, miss.count) for miss in decision.misses
        ]
        report.ran += [_performed(app, row, run, clock, connection) for run in decision.runs]
    return report


def run_through(
    app: PgCron, clock: ManualClock, schedules: Schedules, span: timedelta, *, connection: Any = None
) -> DueReport:
    """Lets `span` pass with a worker awake: the clock stops at each instant at which something is due."""
    report, end = DueReport(), clock.now() + span
    while (due := schedules.next_due(app)) is not None and due <= end:
        clock.move_to(max(due, clock.now()))
        part = run_due_now(app, clock, schedules, connection=connection)
        report.ran += part.ran
        report.missed += part.missed
    clock.move_to(max(end, clock.now()))
    return report


def _planned(app: PgCron, declaration: JobDeclaration, since: datetime) -> _Row:
    timing = Timing(
        JobId(job_id_of(app, declaration.name)), declaration.name, declaration.schedule, declaration.timezone, since,
        declaration.jitter_ms, declaration.dst_gap, declaration.dst_fold,  # type: ignore[arg-type]  # checked when declared
        declaration.extra_schedules, declaration.excluded_schedules, declaration.start_at, declaration.end_at, declaration.max_runs,
    )  # fmt: skip
    plan = replan(Replan(timing, None, 0, True, since, "created", since, since))
    due = plan.advance.next_scheduled_for
    covers_from = plan.covers_from if due != since else since - timedelta(seconds=1)  # @reboot is due at once
    return _Row(declaration, timing, covers_from, due, plan.advance.next_run_at)


def _job(row: _Row, now: datetime) -> Job:
    declared = row.declaration
    return Job(
        row.timing, 1, declared.handler, declared.args, declared.is_exclusive, declared.max_running, declared.overlap_policy,
        declared.catchup_policy, declared.catchup_window_ms, declared.starting_deadline_ms, declared.timeout_ms, declared.max_attempts, declared.backoff_ms, declared.backoff_max_ms,
        list(declared.retry_on), list(declared.no_retry_on), declared.memory_limit_mib, declared.is_idempotent, row.next_scheduled_for, row.next_run_at, row.covers_from, row.seq, 0,
        row.last_run_at, row.last_completed_at, None, None, row.scheduled, declared.queue, declared.tags, declared.log_level, tuple(request for at, request in row.retries if at <= now),
    )  # fmt: skip


def _advance(row: _Row, decision: Decision, now: datetime) -> None:
    if decision.advance is not None:
        row.next_scheduled_for, row.next_run_at = decision.advance.next_scheduled_for, decision.advance.next_run_at
    row.covers_from = decision.covers_from or row.covers_from
    taken = {run.request.id for run in decision.runs if run.request is not None}
    row.retries = [(at, request) for at, request in row.retries if request.id not in taken]
    waiting = [
        Request(RequestId(uuid4()), Cause.BUFFERED, it.scheduled_for, 1, "pgcron", None, it.covers)
        for it in decision.requests
    ]
    row.retries += [(now, request) for request in waiting]
    row.scheduled += len(waiting) + sum(run.cause is Cause.SCHEDULE for run in decision.runs)
    if decision.runs:
        row.last_run_at = now


def _performed(app: PgCron, row: _Row, run: NewRun, clock: ManualClock, connection: Any) -> JobResult:
    result = perform(
        app, row.declaration.name, JobFacts(run.scheduled_for, run.attempt, run.seq, run.cause), connection
    )
    row.seq, row.last_completed_at = run.seq, clock.now()
    if result.error is None:
        row.strikes = 0
    else:
        _failed(row, run, result.error, clock.now())
    return result


def _failed(row: _Row, run: NewRun, error: BaseException, now: datetime) -> None:
    """A retry if there is one, else a strike: the same rules as in a worker, without their chance."""
    again = retry(row.policy, failure_of(Reason.ERROR, error), run.attempt, 0.5)
    if again is not None:
        request = Request(RequestId(uuid4()), Cause.RETRY, run.scheduled_for, again.attempt, "retry", None)
        row.retries.append((now + timedelta(milliseconds=again.after_ms), request))
        return
    row.strikes += 1
    limit = row.declaration.max_consecutive_failures
    row.is_enabled = limit is None or row.strikes < limit
