"""What a claim makes of one locked job: runs, misses, and where the schedule goes on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pgcron_py.domain.job import Job, NewMiss, NewRun, Timing
from pgcron_py.domain.words import Cause, MissReason, RunId
from pgcron_py.timetable import Plan, jittered_start

# catch-up "skip" still runs an occurrence that is at most this late: a busy moment is not an outage.
ON_TIME = timedelta(seconds=60)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Advance:
    """Where the schedule goes on: the next nominal instant and its earliest start (None = no more)."""

    next_scheduled_for: datetime | None
    next_run_at: datetime | None


@dataclass(slots=True)
class Decision:
    """runs and misses to insert; advance: None when the schedule doesn't move; covers_from: the ledger's new end.

    is_waiting: a due request must wait for the end of a run that goes on.
    """

    runs: list[NewRun] = field(default_factory=list)
    misses: list[NewMiss] = field(default_factory=list)
    advance: Advance | None = None
    covers_from: datetime | None = None
    is_waiting: bool = False


def advance_after(timing: Timing, plan: Plan, instant: datetime) -> Advance:
    """The occurrence that follows `instant`, with its jitter, which never passes the one after it."""
    following = plan.next_after(instant)
    if following is None:
        return Advance(None, None)
    if timing.jitter_ms == 0:
        return Advance(following, following)
    limit = plan.next_after(following)
    return Advance(following, jittered_start(str(timing.job_id), following, timing.jitter_ms, limit))


def decide(job: Job, now: datetime, new_id: Callable[[], RunId], prepared: Advance | None = None) -> Decision:
    """Resolves every occurrence up to `now`, then starts as many due requests as may run beside it.

    prepared: the advance that follows next_scheduled_for, when it was computed ahead of time for this very version.
    Raises InvalidSchedule, UnknownTimeZone from the job's timing.
    """
    decision = Decision()
    if job.next_run_at is not None and job.next_scheduled_for is not None and job.next_run_at <= now:
        _resolve_schedule(job, job.next_scheduled_for, now, new_id, prepared, decision)
    room = (1 if job.is_exclusive else job.max_running) - job.running_count - len(decision.runs)
    for request in job.requests[: max(room, 0)]:
        seq = job.run_seq + len(decision.runs) + 1
        decision.runs.append(
            NewRun(new_id(), seq, request.cause, request.scheduled_for, None, request.attempt, request)
        )
    decision.is_waiting = len(job.requests) > max(room, 0)
    return decision


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
    new_id: Callable[[], RunId] | None,
    prepared: Advance | None,
    decision: Decision,
) -> None:
    if due <= job.covers_from:  # somebody set the plan back by hand: up to covers_from every occurrence is resolved
        decision.advance = advance_after(job.timing, job.timing.plan(), job.covers_from)
        return
    if prepared is not None and (prepared.next_scheduled_for is None or prepared.next_scheduled_for > now):
        latest, decision.advance = due, prepared
    else:
        plan = job.timing.plan()
        latest = plan.latest_before(due, now) or due
        decision.advance = advance_after(job.timing, plan, max(latest, now))
        if latest > due:
            count, exact = plan.count_between(due - _SECOND, latest - _SECOND)
            last = plan.latest_before(due - _SECOND, latest - _SECOND) or due
            decision.misses.append(
                NewMiss(MissReason.COALESCED, job.covers_from, last, due, last, max(count, 1), not exact)
            )
    start = decision.misses[-1].covers_to if decision.misses else job.covers_from
    decision.covers_from = latest
    reason = MissReason.RESCHEDULED if new_id is None else _why_not(job, latest, now)
    if reason is not None or new_id is None:
        decision.misses.append(NewMiss(reason or MissReason.RESCHEDULED, start, latest, latest, latest, 1))
    else:
        decision.runs.append(NewRun(new_id(), job.run_seq + 1, Cause.SCHEDULE, latest, (start, latest)))


def _why_not(job: Job, occurrence: datetime, now: datetime) -> MissReason | None:
    """The reason why this occurrence becomes no run; None when it runs."""
    if overlaps(job, occurrence):
        return MissReason.OVERLAP
    deadline = None if job.starting_deadline_ms is None else timedelta(milliseconds=job.starting_deadline_ms)
    if job.catchup_policy == "skip":
        deadline = min(deadline or ON_TIME, ON_TIME)
    lateness = now - max(occurrence, job.next_run_at or occurrence)
    return MissReason.TOO_LATE if deadline is not None and lateness > deadline else None


def overlaps(job: Job, occurrence: datetime) -> bool:
    """Whether a run goes on, or went on at the occurrence's instant, however late this is decided."""
    if not job.is_exclusive:
        return job.running_count >= job.max_running
    if job.running_count > 0:
        return True
    if job.last_run_at is None or job.last_completed_at is None:
        return False
    return job.last_run_at <= occurrence < job.last_completed_at
