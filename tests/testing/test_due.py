"""By a clock of the test's own, jobs run and miss as they would in a worker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgcron_py import JobContext, PgCron
from pgcron_py.errors import InvalidArguments
from pgcron_py.testing import ManualClock, Schedules, run_due_now, run_through

NOON = "2026-03-01T12:00:00+00:00"


def world(schedule: str = "* * * * *", **options: Any) -> tuple[PgCron, ManualClock, Schedules, list[datetime]]:
    app, clock, ran = PgCron("due"), ManualClock(NOON), list[datetime]()

    @app.cron_job("job", schedule, **options)
    def job(ctx: JobContext) -> None:
        assert ctx.scheduled_for is not None
        ran.append(ctx.scheduled_for)

    return app, clock, Schedules(clock.now()), ran


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01T{text}").replace(tzinfo=UTC)


def test_nothing_is_due_at_the_start_and_one_minute_later_one_is() -> None:
    app, clock, schedules, ran = world()
    assert run_due_now(app, clock, schedules).ran == []
    clock.advance(minutes=1)
    (run,) = run_due_now(app, clock, schedules).ran
    assert (run.scheduled_for, run.cause, ran) == (at("12:01"), "schedule", [at("12:01")])
    assert run_due_now(app, clock, schedules).ran == []


def test_catch_up_latest_runs_one_for_many() -> None:
    app, clock, schedules, ran = world()
    clock.advance(minutes=10, seconds=5)
    (missed,) = run_due_now(app, clock, schedules).missed
    assert ran == [at("12:10")]
    assert (missed.reason, missed.first, missed.last, missed.count) == ("coalesced", at("12:01"), at("12:09"), 9)


def test_catch_up_skip_is_too_late() -> None:
    app, clock, schedules, ran = world("0 * * * *", catchup_policy="skip")
    clock.advance(hours=1, minutes=5)
    (missed,) = run_due_now(app, clock, schedules).missed
    assert (ran, missed.reason, missed.last) == ([], "too_late", at("13:00"))


def test_a_handler_that_takes_its_time_overlaps_the_next() -> None:
    app, clock, schedules, _ = world("@yearly")

    @app.cron_job("long", "* * * * *")
    def long() -> None:
        clock.advance(seconds=90)

    clock.advance(minutes=1)
    report = run_due_now(app, clock, schedules)
    assert [run.scheduled_for for run in report.ran] == [at("12:01")]
    assert [(miss.reason, miss.first) for miss in report.missed] == [("overlap", at("12:02"))]


def test_jobs_run_in_the_order_of_their_times() -> None:
    app, order = PgCron("order"), list[str]()
    for name, schedule in [("a-late", "3 * * * *"), ("b-early", "1 * * * *"), ("c-middle", "2 * * * *")]:
        app.cron_job(name, schedule)(_noting(order, name))
    clock = ManualClock(NOON)
    schedules = Schedules(clock.now())
    clock.advance(minutes=5)
    run_due_now(app, clock, schedules)
    assert order == ["b-early", "c-middle", "a-late"]


def _noting(order: list[str], name: str) -> Any:
    def note() -> None:
        order.append(name)

    note.__qualname__ = f"note_{name}"
    return note


def test_failures_are_retried_by_the_clock_then_disable_the_job() -> None:
    app, clock = PgCron("failing"), ManualClock(NOON)

    @app.cron_job("bad", "0 * * * *", max_attempts=2, backoff=60, max_consecutive_failures=2)
    def bad() -> None:
        raise ValueError

    schedules = Schedules(clock.now())
    report = run_through(app, clock, schedules, timedelta(hours=5))
    assert [(run.cause, run.attempt, run.scheduled_for) for run in report.ran] == [
        ("schedule", 1, at("13:00")), ("retry", 2, at("13:00")), ("schedule", 1, at("14:00")), ("retry", 2, at("14:00")),
    ]  # fmt: skip
    assert all(isinstance(run.error, ValueError) for run in report.ran)
    assert not schedules.is_enabled("bad")
    assert clock.now() == at("17:00")


def test_time_that_passes_runs_everything_once() -> None:
    app, clock, schedules, ran = world("*/10 * * * *")
    run_through(app, clock, schedules, timedelta(hours=1))
    assert ran == [at(f"12:{minute}") for minute in range(10, 60, 10)] + [at("13:00")]


def test_reboot_jobs_run_once_at_the_beginning() -> None:
    app, clock, schedules, _ = world("@reboot")
    assert len(run_due_now(app, clock, schedules).ran) == 1
    clock.advance(days=3)
    assert run_due_now(app, clock, schedules).ran == []


def test_jitter_is_kept_and_the_same_each_time() -> None:
    starts = set()
    for _ in range(2):
        app, _, schedules, _ = world("0 * * * *", jitter=600)
        starts.add(schedules.next_due(app))
    (start,) = starts
    assert start is not None
    assert at("13:00") < start <= at("13:10")


def test_a_clock_is_aware_and_never_goes_back() -> None:
    with pytest.raises(InvalidArguments, match="no time zone"):
        ManualClock("2026-03-01T12:00")
    clock = ManualClock("2026-03-01T14:00+02:00")
    assert clock.now() == at("12:00")
    with pytest.raises(InvalidArguments, match="go back"):
        clock.advance(seconds=-1)
    assert clock.advance(timedelta(minutes=1), seconds=1) == at("12:01:01")
