"""What a claim makes of one locked job: runs, waiting requests, misses, and where the schedule goes on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from pgcron_py.domain.blackout import end_of
from pgcron_py.domain.job import Job, NewMiss, NewRequest, NewRun, Request, Timing
from pgcron_py.domain.overlap import Fate, capacity, fate_of, longest_delay
from pgcron_py.domain.words import Cause, MissReason, RunId
from pgcron_py.timetable import ExcludingPlan, Plan, jittered_start

CATCH_UP_MOST = 100  # occurrences that catch-up "all" runs after an outage: the newest
_SECOND = timedelta(seconds=1)
_INSTANT = timedelta(microseconds=1)


class Advance(Struct, frozen=True):
    """Where the schedule goes on: the next nominal instant and its earliest start (None = no more)."""

    next_scheduled_for: datetime | None
    next_run_at: datetime | None


@dataclass(slots=True)
class Decision:
    """runs, requests and misses to insert; advance: None when the schedule doesn't move; covers_from: the ledger's new end.

    is_waiting: a due request must wait for the end of a run that goes on. ends_others: the policy for which the runs that go
    on are to end. postponed: requests that a blackout holds back, and until when. expired: of a backfill, left out.
    """

    runs: list[NewRun] = field(default_factory=list)
    requests: list[NewRequest] = field(default_factory=list)
    misses: list[NewMiss] = field(default_factory=list)
    advance: Advance | None = None
    covers_from: datetime | None = None
    is_waiting: bool = False
    ends_others: str | None = None
    postponed: list[tuple[Request, datetime]] = field(default_factory=list)
    expired: list[Request] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Nothing to write: limits leave no room."""
        return not (
            self.runs
            or self.requests
            or self.misses
            or self.advance
            or self.is_waiting
            or self.postponed
            or self.expired
        )


def advance_after(timing: Timing, plan: Plan, instant: datetime) -> Advance:
    """The occurrence that follows `instant`, with its jitter, which never passes the one after it."""
    following = plan.next_after(instant)
    if following is None:
        return Advance(None, None)
    if timing.jitter_ms == 0:
        return Advance(following, following)
    limit = plan.next_after(following)
    return Advance(following, jittered_start(str(timing.job_id), following, timing.jitter_ms, limit))


def decide(
    job: Job, now: datetime, new_id: Callable[[], RunId], prepared: Advance | None = None, slots: int | None = None
) -> Decision:
    """Resolves every occurrence up to `now`, then starts as many due requests as may run beside it.

    prepared: the advance that follows next_scheduled_for, when it was computed ahead of time for this very version.
    slots: how many runs limits let start (None = any number); an occurrence that finds none stays due.
    Raises InvalidSchedule, UnknownTimeZone from the job's timing and blackouts.
    """
    decision = Decision()
    if job.next_run_at is not None and job.next_scheduled_for is not None and job.next_run_at <= now:
        if (until := _delayed_until(job, now)) is not None:
            decision.advance = Advance(job.next_scheduled_for, until)
        else:
            _resolve_schedule(job, job.next_scheduled_for, now, _Starts(new_id, slots), prepared, decision)
    _answer_requests(job, now, new_id, slots, decision)
    return decision


@dataclass(frozen=True, slots=True)
class _Starts:
    """What may start: ids for it, and how many."""

    new_id: Callable[[], RunId]
    slots: int | None

    def are_used(self, decision: Decision) -> bool:
        return self.slots is not None and len(decision.runs) >= self.slots


def _delayed_until(job: Job, now: datetime) -> datetime | None:
    """The end of a delaying blackout that is on now; where another one skips, there is nothing to delay."""
    if not job.blackouts or end_of(job.blackouts, now, "skip") is not None:
        return None
    return end_of(job.blackouts, now, "delay")


def _answer_requests(
    job: Job, now: datetime, new_id: Callable[[], RunId], slots: int | None, decision: Decision
) -> None:
    held_until = end_of(job.blackouts, now) if job.blackouts and job.requests else None
    asked = list(job.requests)
    if held_until is not None:
        decision.postponed = [(request, held_until) for request in asked if request.cause is not Cause.MANUAL]
        asked = [request for request in asked if request.cause is Cause.MANUAL]
    room = max(capacity(job) - job.running_count - len(decision.runs), 0)
    for request in asked[: room if slots is None else min(room, max(slots - len(decision.runs), 0))]:
        seq = job.run_seq + len(decision.runs) + 1
        decision.runs.append(
            NewRun(new_id(), seq, request.cause, request.scheduled_for, request.covers, request.attempt, request)
        )
    is_running = job.running_count + len(decision.runs) > 0
    waiting = _backfill_when_busy(job, asked[room:], decision) if is_running else asked[room:]
    decision.is_waiting = is_running and (bool(waiting) or bool(decision.requests))


def _backfill_when_busy(job: Job, waiting: list[Request], decision: Decision) -> list[Request]:
    """What still waits, once the overlap policies of backfills were asked about those that find a run going on."""
    left: list[Request] = []
    is_buffered = False
    for request in waiting:
        policy = request.overlap_policy if request.cause is Cause.BACKFILL else None
        if policy == "skip" or (policy == "buffer_one" and is_buffered):
            decision.expired.append(request)
            continue
        is_buffered = is_buffered or policy == "buffer_one"
        if policy in ("cancel_other", "terminate_other") and job.running_count > 0:
            decision.ends_others = policy
        left.append(request)
    return left


def resolve_conflict(job: Job, now: datetime) -> Decision:
    """For an occurrence that has its run already (somebody forged the plan by hand): go on without a second one."""
    decision = Decision()
    if job.next_scheduled_for is not None:
        _resolve_schedule(job, job.next_scheduled_for, now, None, None, decision)
    return decision


def _resolve_schedule(
    job: Job,
    due: datetime,
    now: datetime,
    starts: _Starts | None,
    prepared: Advance | None,
    decision: Decision,
) -> None:
    if due <= job.covers_from:  # somebody set the plan back by hand: up to covers_from every occurrence is resolved
        decision.advance = advance_after(job.timing, job.timing.plan(), job.covers_from)
        return
    _leave_out(job, due, decision)
    instants = [due]
    if prepared is not None and (prepared.next_scheduled_for is None or prepared.next_scheduled_for > now):
        decision.advance = prepared
    else:
        plan = job.timing.plan()
        latest = plan.latest_before(due, now) or due
        decision.advance = advance_after(job.timing, plan, max(latest, now))
        instants = _instants(job, plan, due, latest, now)
        _give_up(job, plan, due, instants[0], now, decision)
    for instant in instants:
        if not _resolve(job, instant, now, starts, decision):
            is_new = instant != due or decision.covers_from is not None
            decision.advance = Advance(instant, instant if instant != due else job.next_run_at) if is_new else None
            return
    if _is_over(job, decision):
        decision.advance = Advance(None, None)


def _leave_out(job: Job, due: datetime, decision: Decision) -> None:
    """Occurrences in excluded minutes, which the plan passed over on its way to this one."""
    plan = job.timing.plan() if job.timing.excluded else None
    if not isinstance(plan, ExcludingPlan) or not (
        found := plan.excluded_between(max(job.covers_from, job.planned_from or job.covers_from), due - _INSTANT)
    ):
        return
    first, last, count, exact = found
    decision.misses.append(NewMiss(MissReason.EXCLUDED, job.covers_from, last, first, last, max(count, 1), not exact))
    decision.covers_from = last


def _is_over(job: Job, decision: Decision) -> bool:
    """Whether the schedule has started as many runs as it may."""
    most = job.timing.max_runs
    return most is not None and job.scheduled_runs + len(decision.runs) + len(decision.requests) >= most


def _instants(job: Job, plan: Plan, due: datetime, latest: datetime, now: datetime) -> list[datetime]:
    """The occurrences that are looked at one by one: the latest, or the newest ones of a catch-up, oldest first."""
    if job.catchup_policy != "all" or latest == due:
        return [latest]
    longest = longest_delay(job)
    found = [it for it in _newest(plan, due, latest) if longest is None or now - it <= longest]
    return found or [latest]


def _newest(plan: Plan, due: datetime, latest: datetime) -> list[datetime]:
    """From due to latest, at most CATCH_UP_MOST. A stretch that should hold them is listed; it grows until it does."""
    begins = due - _SECOND
    before = plan.latest_before(begins, latest - _INSTANT) or due
    span = (latest - before) * CATCH_UP_MOST
    while True:
        found = plan.occurrences_between(max(begins, latest - span), latest, 10 * CATCH_UP_MOST)
        if len(found) == 10 * CATCH_UP_MOST:  # far denser before than at its end: one after the other, backwards
            return _newest_one_by_one(plan, begins, latest)
        if len(found) >= CATCH_UP_MOST or latest - span <= begins:
            return found[-CATCH_UP_MOST:]
        span *= 2


def _newest_one_by_one(plan: Plan, begins: datetime, latest: datetime) -> list[datetime]:
    found = [latest]
    while len(found) < CATCH_UP_MOST and (before := plan.latest_before(begins, found[-1] - _INSTANT)) is not None:
        found.append(before)
    return found[::-1]


def _give_up(job: Job, plan: Plan, due: datetime, first: datetime, now: datetime, decision: Decision) -> None:
    """What passed before the first occurrence that is looked at."""
    if first <= due:
        return
    count, exact = plan.count_between(due - _SECOND, first - _INSTANT)
    last = plan.latest_before(due - _SECOND, first - _INSTANT) or due
    longest = longest_delay(job)
    was_late = job.catchup_policy == "all" and longest is not None and now - last > longest
    reason = MissReason.TOO_LATE if was_late else MissReason.COALESCED
    decision.misses.append(
        NewMiss(reason, decision.covers_from or job.covers_from, last, due, last, max(count, 1), not exact)
    )
    decision.covers_from = last


def _resolve(job: Job, instant: datetime, now: datetime, starts: _Starts | None, decision: Decision) -> bool:
    """False when it would start but limits leave no room: nothing was decided then."""
    covers = (decision.covers_from or job.covers_from, instant)
    if starts is None:
        fate: Fate | MissReason = MissReason.RESCHEDULED
    elif _is_over(job, decision):
        fate = MissReason.ENDED
    else:
        fate = fate_of(job, instant, now, len(decision.runs), len(decision.requests))
    match fate:
        case Fate.RUN:
            if starts is None or starts.are_used(decision):
                return False
            seq = job.run_seq + len(decision.runs) + 1
            decision.runs.append(NewRun(starts.new_id(), seq, Cause.SCHEDULE, instant, covers))
        case Fate.BUFFER:
            decision.requests.append(NewRequest(instant, covers))
            if job.running_count > 0 and job.overlap_policy in ("cancel_other", "terminate_other"):
                decision.ends_others = job.overlap_policy
        case MissReason():
            _miss(decision, fate, covers)
    decision.covers_from = instant
    return True


def _miss(decision: Decision, reason: MissReason, covers: tuple[datetime, datetime]) -> None:
    """One stretch for each reason, as long as nothing else lies between."""
    before = decision.misses[-1] if decision.misses else None
    if before is not None and before.reason is reason and before.covers_to == covers[0]:
        decision.misses[-1] = replace(before, covers_to=covers[1], last=covers[1], count=before.count + 1)
    else:
        decision.misses.append(NewMiss(reason, *covers, covers[1], covers[1], 1))
