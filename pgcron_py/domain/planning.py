"""What a changed definition makes of a job's plan: which occurrences are given up, and when the next one is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pgcron_py.domain.decide import Advance, advance_after
from pgcron_py.domain.job import NewMiss, Timing
from pgcron_py.domain.words import MissReason
from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import ExcludingPlan, Kind, Plan, parse

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Replan:
    """A job row that waits for its plan.

    before: the timing by which next_scheduled_for was computed, in force since planned_from; None when it was never planned.
    changed_at, reason: when the definition changed, and whether it was created, rescheduled or disabled.
    """

    timing: Timing
    before: Timing | None
    scheduled_runs: int
    is_enabled: bool
    changed_at: datetime
    reason: str
    covers_from: datetime
    next_scheduled_for: datetime | None
    planned_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewPlan:
    """advance: next occurrence; miss: what the change gave up; covers_from: the ledger's new end; starts: from when it is in force."""

    advance: Advance
    miss: NewMiss | None
    covers_from: datetime
    starts: datetime


def replan(job: Replan) -> NewPlan:
    """Raises InvalidSchedule for the new text, UnknownTimeZone for its zone."""
    plan = job.timing.plan()
    if parse(job.timing.schedule, name=job.timing.name).kind is Kind.REBOOT:
        return _reboot(job)
    miss = _given_up(job)
    covers_from = miss.covers_to if miss else job.covers_from
    starts = job.covers_from if job.reason == "created" else max(covers_from, job.changed_at)
    advance = Advance(None, None) if _is_over(job.timing, job) else advance_after(job.timing, plan, starts)
    return NewPlan(advance if job.is_enabled else Advance(advance.next_scheduled_for, None), miss, covers_from, starts)


def _reboot(job: Replan) -> NewPlan:
    """@reboot has no instant of its own; a generation that opened before the job's first plan still counts."""
    opened = job.next_scheduled_for if job.reason == "created" and job.is_enabled else None
    miss = None if job.before is None else _given_up(job)
    covers_from = miss.covers_to if miss else job.covers_from
    return NewPlan(Advance(opened, opened), miss, covers_from, covers_from)


def _given_up(job: Replan) -> NewMiss | None:
    """Occurrences of the old plan up to the change: disabled time, or a due that the edit came too late for."""
    if job.before is None or job.changed_at <= job.covers_from:
        return None
    old = None if _is_over(job.before, job) else _plan_or_none(job.before)
    after = _resolved_to(job)
    first = None if old is None else old.next_after(after)
    if old is None or first is None or first > job.changed_at:
        return _left_out(job, old)
    last = old.latest_before(after, job.changed_at) or first
    count, exact = old.count_between(after, job.changed_at)
    reason = MissReason.DISABLED if job.reason == "disabled" else MissReason.RESCHEDULED
    return NewMiss(reason, job.covers_from, job.changed_at, first, last, max(count, 1), not exact)


def _left_out(job: Replan, old: Plan | None) -> NewMiss | None:
    """Occurrences in minutes that the old definition excluded, where it gave up no other."""
    after = max(job.covers_from, job.planned_from or job.covers_from)
    if not isinstance(old, ExcludingPlan) or not (found := old.excluded_between(after, job.changed_at)):
        return None
    first, last, count, exact = found
    return NewMiss(MissReason.EXCLUDED, job.covers_from, job.changed_at, first, last, max(count, 1), not exact)


def _is_over(timing: Timing, job: Replan) -> bool:
    return timing.max_runs is not None and job.scheduled_runs >= timing.max_runs


def _resolved_to(job: Replan) -> datetime:
    """Before it came into force, and before its next occurrence, the old plan names nothing: the ledger may end earlier."""
    began = max(job.covers_from, job.planned_from or job.covers_from)
    due = job.next_scheduled_for
    return began if due is None else max(began, due - _SECOND)


def _plan_or_none(timing: Timing) -> Plan | None:
    try:
        return timing.plan()
    except InvalidSchedule:
        return None
