"""replan(): what an edit gives up, and where the new schedule begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from msgspec import structs

from pgcron_py.domain.job import Timing
from pgcron_py.domain.planning import Replan, replan
from pgcron_py.domain.words import JobId, MissReason

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def edited(
    before: str, after: str, changed: float, covered: float, due: float | None, reason: str = "rescheduled"
) -> Replan:
    """`before` became `after`; seconds from T0."""
    id_ = JobId(uuid4())
    was, is_ = (Timing(id_, "j", schedule, "UTC", at(-60)) for schedule in (before, after))
    return Replan(is_, was, 0, True, at(changed), reason, at(covered), None if due is None else at(due))


def test_an_edit_before_the_next_due_gives_up_nothing() -> None:
    plan = replan(edited("*/30 * * * * *", "*/7 * * * * *", changed=10.5, covered=0, due=30))
    assert (plan.miss, plan.covers_from, plan.advance.next_scheduled_for) == (None, at(0), at(14))


def test_an_edit_after_the_due_gives_it_up_as_rescheduled() -> None:
    plan = replan(edited("*/5 * * * * *", "@daily", changed=11, covered=0, due=5))
    assert plan.miss is not None
    assert (plan.miss.reason, plan.miss.count, plan.miss.first, plan.miss.last) == (
        MissReason.RESCHEDULED, 2, at(5), at(10),
    )  # fmt: skip
    assert (plan.miss.covers_from, plan.miss.covers_to, plan.covers_from) == (at(0), at(11), at(11))


def test_a_second_edit_gives_up_nothing_that_the_schedule_between_never_named() -> None:
    """`*/30`, resolved up to 0, became `* * * * * *` at 20.3 and is edited again before its first second, at 20.8."""
    plan = replan(edited("* * * * * *", "@daily", changed=20.8, covered=0, due=21))
    assert (plan.miss, plan.covers_from) == (None, at(0))


def test_a_second_edit_counts_only_what_the_schedule_between_named_since_it_began() -> None:
    plan = replan(edited("* * * * * *", "@daily", changed=22.8, covered=0, due=21))
    assert plan.miss is not None
    assert (plan.miss.count, plan.miss.first, plan.miss.last) == (2, at(21), at(22))


def test_disabled_time_is_counted_from_the_first_due_that_was_left() -> None:
    plan = replan(edited("* * * * * *", "* * * * * *", changed=9.5, covered=0, due=1, reason="disabled"))
    assert plan.miss is not None
    assert (plan.miss.reason, plan.miss.count, plan.advance.next_scheduled_for) == (MissReason.DISABLED, 9, at(10))


def test_without_an_instant_planned_the_ledger_says_where_to_count_from() -> None:
    plan = replan(edited("* * * * * *", "@daily", changed=3.5, covered=0, due=None))
    assert plan.miss is not None
    assert plan.miss.count == 3


def test_a_schedule_that_named_nothing_since_it_came_into_force_gives_up_nothing() -> None:
    """Its period had ended when it began: what it would have named before that was never planned."""
    job = edited("* * * * * *", "@daily", changed=30, covered=0, due=None)
    assert job.before is not None
    ended = replace(job, before=structs.replace(job.before, end_at=at(15)), planned_from=at(20))
    assert (replan(ended).miss, replan(ended).covers_from) == (None, at(0))


def test_an_old_schedule_that_ended_gives_up_nothing() -> None:
    assert replan(edited("0 0 12 1 1 * 2025", "@daily", changed=150, covered=0, due=None)).miss is None
