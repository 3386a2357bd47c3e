"""The rows of a simulation, and what transactions do to them: the effects of sql/ and storage/, without a database.

Every decision is the product's own: `decide`, `replan`, `retry`. What is here only keeps its results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pgcron_py.domain.decide import Advance, Decision, advance_after, decide
from pgcron_py.domain.job import Job, NewRun, Request, Timing
from pgcron_py.domain.planning import Replan, replan
from pgcron_py.domain.retry import Failure, RetryPolicy, retry
from pgcron_py.domain.words import Cause, Reason, RequestId, RunId, Status
from pgcron_py.timetable import Plan


@dataclass(frozen=True, slots=True)
class Policies:
    """What a definition says besides its time."""

    is_exclusive: bool
    max_running: int
    overlap_policy: str
    catchup_policy: str
    catchup_window_ms: int | None
    starting_deadline_ms: int | None
    retry: RetryPolicy
    max_consecutive_failures: int | None


@dataclass(slots=True)
class Run:
    """A row of cron_log."""

    id: RunId
    seq: int
    worker: int
    cause: Cause
    scheduled_for: datetime | None
    attempt: int
    status: Status = Status.RUNNING
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """A stretch of the ledger: (covers_from, covers_to] with `count` occurrences from first to last, a run's or a miss's."""

    covers_from: datetime
    covers_to: datetime
    first: datetime
    last: datetime
    count: int
    is_lower_bound: bool
    word: str


@dataclass(frozen=True, slots=True)
class Era:
    """The plan that named the occurrences in (begins, ends]."""

    plan: Plan
    begins: datetime
    ends: datetime


@dataclass(slots=True)
class Pending:
    request: Request
    run_after: datetime


@dataclass(slots=True)
class Row:
    """A row of cron_job, with its runs, requests and ledger."""

    timing: Timing
    policies: Policies
    ledger_from: datetime
    covers_from: datetime = field(init=False)
    replan_at: datetime = field(init=False)
    era_begins: datetime = field(init=False)
    replan_reason: str | None = "created"
    needs_plan: bool = True
    planned: Timing | None = None
    planned_from: datetime | None = None
    is_enabled: bool = True
    next_scheduled_for: datetime | None = None
    next_run_at: datetime | None = None
    run_seq: int = 0
    scheduled_runs: int = 0
    running: dict[RunId, Run] = field(default_factory=dict)
    last_run_at: datetime | None = None
    last_completed_at: datetime | None = None
    successes: int = 0
    failures: int = 0
    strikes: list[int] = field(default_factory=list)
    strikes_from: int = 0
    requests: list[Pending] = field(default_factory=list)
    is_waiting: bool = False
    runs: dict[RunId, Run] = field(default_factory=dict)
    ledger: list[Element] = field(default_factory=list)
    to_cancel: set[RunId] = field(default_factory=set)
    eras: list[Era] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.covers_from = self.replan_at = self.era_begins = self.ledger_from

    # -- what a look finds

    @property
    def claim_at(self) -> datetime | None:
        if self.needs_plan or not self.is_enabled:
            return None
        asked = None if self.is_waiting else min((pending.run_after for pending in self.requests), default=None)
        return min((at for at in (self.next_run_at, asked) if at is not None), default=None)

    def is_due(self, now: datetime) -> bool:
        return (at := self.claim_at) is not None and at <= now

    # -- what a worker does

    def claim(self, worker: int, now: datetime, prepared: Advance | None = None) -> list[Run]:
        due = [pending.request for pending in self.requests if pending.run_after <= now]
        return self._write(worker, now, decide(self._job(due), now, _new_id, prepared))

    def prepared(self) -> Advance | None:
        """What a worker computed ahead of time."""
        due = self.next_scheduled_for
        return None if due is None else advance_after(self.timing, self.timing.plan(), due)

    def _job(self, requests: list[Request]) -> Job:
        policies = self.policies
        return Job(
            timing=self.timing, version=1, handler="h", args={}, is_exclusive=policies.is_exclusive, max_running=policies.max_running,
            overlap_policy=policies.overlap_policy, catchup_policy=policies.catchup_policy, catchup_window_ms=policies.catchup_window_ms, starting_deadline_ms=policies.starting_deadline_ms, timeout_ms=None,
            max_attempts=policies.retry.max_attempts, backoff_ms=policies.retry.backoff_ms, backoff_max_ms=policies.retry.backoff_max_ms,
            retry_on=[], no_retry_on=[], memory_limit_mib=None,
            is_idempotent=policies.retry.is_idempotent, next_scheduled_for=self.next_scheduled_for, next_run_at=self.next_run_at,
            covers_from=self.covers_from, run_seq=self.run_seq, running_count=len(self.running), last_run_at=self.last_run_at,
            last_completed_at=self.last_completed_at, planned_from=self.planned_from, scheduled_runs=self.scheduled_runs, requests=tuple(requests), buffered=len(self._buffered()),
        )  # fmt: skip

    def _write(self, worker: int, now: datetime, decision: Decision) -> list[Run]:
        for miss in decision.misses:
            self.ledger.append(Element(miss.covers_from, miss.covers_to, miss.first, miss.last, miss.count, miss.is_lower_bound, miss.reason))  # fmt: skip
        for new in decision.requests:
            request = Request(RequestId(_new_id()), Cause.BUFFERED, new.scheduled_for, 1, "pgcron", None, new.covers)
            self.requests.append(Pending(request, new.scheduled_for))
        self.requests.sort(key=lambda pending: pending.run_after)
        if decision.ends_others:
            self.to_cancel |= set(self.running)
        self.scheduled_runs += len(decision.requests) + sum(new.cause is Cause.SCHEDULE for new in decision.runs)
        begun = [self._begin(new, worker) for new in decision.runs]
        if decision.advance is not None:
            self.next_scheduled_for, self.next_run_at = (
                decision.advance.next_scheduled_for,
                decision.advance.next_run_at,
            )
        self.covers_from = decision.covers_from or self.covers_from
        self.is_waiting = self.is_waiting or decision.is_waiting
        if begun:
            self.last_run_at = now
        return begun

    def _begin(self, new: NewRun, worker: int) -> Run:
        run = Run(new.id, new.seq, worker, new.cause, new.scheduled_for, new.attempt)
        if new.covers is not None:
            assert new.scheduled_for is not None
            self.ledger.append(Element(*new.covers, new.scheduled_for, new.scheduled_for, 1, False, "run"))
        if new.request is not None:
            self.requests = [pending for pending in self.requests if pending.request.id != new.request.id]
        self.run_seq += 1
        self.running[run.id] = self.runs[run.id] = run
        return run

    def finish(self, run: Run, worker: int, now: datetime, reason: Reason | None, token: int, luck: float) -> str:
        """The guarded finish: recorded, already, or lost."""
        if run.status is not Status.RUNNING or run.worker != worker:
            return "already" if run.token == token else "lost"
        run.status, run.token = (Status.SUCCESS if reason is None else Status.FAILED), token
        del self.running[run.id]
        self.last_completed_at = max(self.last_completed_at or now, now)
        self.is_waiting = False
        if reason is None:
            self.successes += 1
            self.strikes_from = max(self.strikes_from, run.seq)
        else:
            self.failures += 1
            self._failed(run, reason, now, luck)
        self.strikes = [seq for seq in self.strikes if seq > self.strikes_from]
        if self.is_enabled and len(self.strikes) >= (self.policies.max_consecutive_failures or 10**9):
            self.disable()
        return "recorded"

    def _failed(self, run: Run, reason: Reason, now: datetime, luck: float) -> None:
        again = retry(self.policies.retry, Failure(reason), run.attempt, luck)
        if again is None:
            self.strikes += [run.seq] if reason.is_strike else []
        elif self.is_enabled:
            self._ask(Cause.RETRY, run.scheduled_for, again.attempt, now + timedelta(milliseconds=again.after_ms))

    def _ask(self, cause: Cause, scheduled_for: datetime | None, attempt: int, run_after: datetime) -> None:
        request = Request(RequestId(_new_id()), cause, scheduled_for, attempt, "somebody", None)
        self.requests.append(Pending(request, run_after))
        self.requests.sort(key=lambda pending: pending.run_after)

    def plan(self) -> None:
        new = replan(
            Replan(self.timing, self.planned, self.scheduled_runs, self.is_enabled, self.replan_at, self.replan_reason or "rescheduled", self.covers_from, self.next_scheduled_for)
        )  # fmt: skip
        if self.planned is not None:
            self.close_era(self.replan_at)
        if miss := new.miss:
            self.ledger.append(Element(miss.covers_from, miss.covers_to, miss.first, miss.last, miss.count, miss.is_lower_bound, miss.reason))  # fmt: skip
        self.next_scheduled_for, self.next_run_at = new.advance.next_scheduled_for, new.advance.next_run_at
        self.covers_from, self.planned_from = new.covers_from, new.starts
        self.needs_plan, self.replan_reason, self.planned = False, None, self.timing

    def close_era(self, ends: datetime) -> None:
        """From now on another plan names the occurrences. One that started all its runs named none after the last."""
        assert self.planned is not None
        is_over = self.planned.max_runs is not None and self.scheduled_runs >= self.planned.max_runs
        self.eras.append(Era(self.planned.plan(), self.era_begins, min(ends, self.covers_from) if is_over else ends))
        self.era_begins = ends

    # -- what a person does

    def edit(self, timing: Timing, now: datetime) -> None:
        if self.needs_plan or not self.is_enabled:
            self.replan_reason = self.replan_reason or "disabled"
        else:
            self.replan_reason = "rescheduled"
        self.timing, self.needs_plan, self.replan_at = timing, True, now

    def disable(self) -> None:
        self.is_enabled, self.next_run_at = False, None
        for waiting in self._buffered():
            self._account(waiting, "request_cancelled")
        self.requests.clear()

    def _buffered(self) -> list[Request]:
        return [pending.request for pending in self.requests if pending.request.covers is not None]

    def _account(self, waiting: Request, word: str) -> None:
        assert waiting.covers is not None
        assert waiting.scheduled_for is not None
        self.ledger.append(Element(*waiting.covers, waiting.scheduled_for, waiting.scheduled_for, 1, False, word))

    def whole_ledger(self) -> list[Element]:
        """With what waits, in the order of time."""
        waiting = [Element(*it.covers, it.scheduled_for, it.scheduled_for, 1, False, "waits") for it in self._buffered() if it.covers and it.scheduled_for]  # fmt: skip
        return sorted([*self.ledger, *waiting], key=lambda element: element.covers_from)

    def enable(self, now: datetime) -> None:
        self.is_enabled, self.needs_plan, self.replan_at, self.replan_reason = True, True, now, "disabled"
        self.strikes.clear()
        self.strikes_from = self.run_seq

    def run_now(self, now: datetime) -> None:
        asked = any(pending.request.cause is Cause.MANUAL for pending in self.requests)
        refused = not self.is_enabled or asked or (self.policies.overlap_policy == "skip" and self.running)
        if not refused:
            self._ask(Cause.MANUAL, None, 1, now)


_ids = iter(range(1, 1 << 62))


def _new_id() -> RunId:
    return RunId(UUID(int=next(_ids)))
