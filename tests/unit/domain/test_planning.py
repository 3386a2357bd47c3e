"""What a changed definition makes of a plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pgcron_py.domain.job import Timing
from pgcron_py.domain.planning import Replan, replan
from pgcron_py.domain.words import JobId, MissReason

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def changed(minutes: float, before: str, after: str = "@daily", **fields: object) -> Replan:
    """Planned by `before`, whose next occurrence after T0 is still to come, and changed at T0 + minutes."""
    old = Timing(JobId(uuid4()), "j", before, "UTC", T0)
    base = Replan(replace(old, schedule=after), old, True, at(minutes), "rescheduled", T0, old.plan().next_after(T0))
    return replace(base, **fields)  # type: ignore[arg-type]  # test data


def test_an_old_due_that_is_still_ahead_is_replaced_without_a_miss() -> None:
    new = replan(changed(0.5, "* * * * *"))
    assert (new.miss, new.covers_from, new.advance.next_scheduled_for) == (None, T0, at(12 * 60))


def test_what_the_old_plan_named_before_the_change_is_a_miss_up_to_the_change() -> None:
    new = replan(changed(2.5, "* * * * *"))
    assert new.miss is not None
    assert (new.miss.reason, new.miss.count, new.miss.first, new.miss.last) == (MissReason.RESCHEDULED, 2, at(1), at(2))
    assert (new.miss.covers_from, new.miss.covers_to, new.covers_from) == (T0, at(2.5), at(2.5))


def test_what_a_plan_would_have_named_before_it_began_is_no_miss() -> None:
    """The ledger ends at T0, but this plan began a minute and a half later, by an edit that gave up nothing."""
    new = replan(changed(4.5, "* * * * *", next_scheduled_for=at(2), reason="disabled"))
    assert new.miss is not None
    assert (new.miss.reason, new.miss.count, new.miss.first, new.miss.last) == (MissReason.DISABLED, 3, at(2), at(4))
    assert (new.miss.covers_from, new.miss.covers_to) == (T0, at(4.5))


def test_an_old_schedule_that_ended_gives_up_nothing() -> None:
    assert replan(changed(2.5, "0 0 12 1 1 * 2025", next_scheduled_for=None)).miss is None
