"""decide(): a table of cases, in microseconds each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from pgcron_py.domain.decide import Advance, decide
from pgcron_py.domain.job import Job, Request, Timing
from pgcron_py.domain.words import Cause, JobId, MissReason, RequestId, RunId

T0 = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def job(schedule: str = "* * * * *", **fields: object) -> Job:
    """Due at T0, resolved up to a minute before."""
    timing = Timing(JobId(uuid4()), "j", schedule, "UTC", at(-60))
    base = Job(
        timing=timing, version=1, handler="h", args={}, is_exclusive=True, max_running=1, overlap_policy="skip", catchup_policy="latest",
        catchup_window_ms=None, starting_deadline_ms=None, timeout_ms=None, max_attempts=1, backoff_ms=1000, backoff_max_ms=60000, retry_on=[],
        no_retry_on=[], memory_limit_mib=None, is_idempotent=False, next_scheduled_for=T0, next_run_at=T0, covers_from=at(-1),
        run_seq=7, running_count=0, last_run_at=None, last_completed_at=None,
    )  # fmt: skip
    return replace(base, **fields)  # type: ignore[arg-type]  # test data


def request(cause: Cause = Cause.MANUAL) -> Request:
    return Request(RequestId(uuid4()), cause, None, 1, "ana", None)


def decided(job: Job, now: datetime, prepared: Advance | None = None):
    return decide(job, now, lambda: RunId(uuid4()), prepared)


def test_on_time_it_runs_and_goes_on() -> None:
    decision = decided(job(), at(0.01))
    (run,) = decision.runs
    assert (run.seq, run.cause, run.scheduled_for, run.covers) == (8, Cause.SCHEDULE, T0, (at(-1), T0))
    assert decision.advance == Advance(at(1), at(1))
    assert (decision.covers_from, decision.misses) == (T0, [])


def test_before_its_time_nothing_happens() -> None:
    decision = decided(job(), at(-0.01))
    assert (decision.runs, decision.misses, decision.advance) == ([], [], None)


def test_after_an_outage_only_the_latest_runs_and_the_others_are_counted() -> None:
    decision = decided(job(), at(10.5))
    (run,), (miss,) = decision.runs, decision.misses
    assert (run.scheduled_for, run.covers) == (at(10), (at(9), at(10)))
    assert (miss.reason, miss.count, miss.first, miss.last) == (MissReason.COALESCED, 10, T0, at(9))
    assert (miss.covers_from, miss.covers_to) == (at(-1), at(9))
    assert decision.advance == Advance(at(11), at(11))


def test_catch_up_skip_gives_up_what_is_late_and_keeps_what_is_on_time() -> None:
    late = decided(job("@hourly", catchup_policy="skip"), at(10))
    assert ([miss.reason for miss in late.misses], late.runs) == ([MissReason.TOO_LATE], [])
    assert len(decided(job("@hourly", catchup_policy="skip"), at(0.5)).runs) == 1


def test_a_start_after_the_deadline_is_a_miss() -> None:
    hurried = job("@hourly", starting_deadline_ms=5000)
    assert [miss.reason for miss in decided(hurried, at(0.1)).misses] == [MissReason.TOO_LATE]
    assert len(decided(hurried, at(0.05)).runs) == 1


@pytest.mark.parametrize(
    ("running", "last_run", "last_completed", "overlaps"),
    [
        (1, at(-5), None, True),  # goes on
        (1, at(0.005), None, True),  # began after the occurrence, still goes on: nothing else may start
        (0, at(-5), at(0.005), True),  # went on at the occurrence's instant
        (0, at(-5), at(-1), False),
        (0, at(-5), T0, False),  # ended at the very instant
        (0, None, None, False),
    ],
)
def test_overlap_is_judged_at_the_occurrences_instant(running, last_run, last_completed, overlaps) -> None:
    decision = decided(job(running_count=running, last_run_at=last_run, last_completed_at=last_completed), at(0.01))
    assert ([miss.reason for miss in decision.misses] == [MissReason.OVERLAP]) is overlaps
    assert len(decision.runs) == (0 if overlaps else 1)
    assert decision.advance == Advance(at(1), at(1))


def test_the_schedule_goes_before_requests_of_an_exclusive_job() -> None:
    decision = decided(job(requests=(request(),)), at(0.01))
    assert [run.cause for run in decision.runs] == [Cause.SCHEDULE]
    assert decision.is_waiting


def test_requests_start_as_many_as_may_run_beside_one_another() -> None:
    idle = job(
        next_run_at=None,
        is_exclusive=False,
        max_running=3,
        running_count=1,
        requests=tuple(request() for _ in range(5)),
    )
    decision = decided(idle, at(0))
    assert [run.seq for run in decision.runs] == [8, 9]
    assert decision.is_waiting
    assert decision.advance is None


def test_what_was_prepared_is_used_only_while_it_is_still_ahead() -> None:
    prepared = Advance(at(30), at(31))
    assert decided(job(), at(0.01), prepared).advance == prepared
    assert decided(job(), at(40), prepared).advance == Advance(at(41), at(41))


def test_a_plan_set_back_by_hand_resolves_nothing_twice() -> None:
    decision = decided(job(covers_from=at(0.5)), at(0.6))
    assert (decision.runs, decision.misses, decision.covers_from) == ([], [], None)
    assert decision.advance == Advance(at(1), at(1))


def test_a_schedule_without_further_occurrences_ends() -> None:
    last = job("0 0 12 1 1 * 2026")
    decision = decided(last, at(0.01))
    assert len(decision.runs) == 1
    assert decision.advance == Advance(None, None)


def test_jitter_moves_the_start_and_never_the_occurrence() -> None:
    shifted = job()
    shifted = replace(shifted, timing=replace(shifted.timing, jitter_ms=30_000))
    advance = decided(shifted, at(0.01)).advance
    assert advance is not None
    assert advance.next_scheduled_for == at(1)
    assert at(1) <= advance.next_run_at < at(1.5)  # type: ignore[operator]  # not None here


def test_excluded_occurrences_before_this_one_are_a_miss_of_their_own() -> None:
    """Friday 12:00 was resolved; Monday 12:00 is due."""
    friday, monday = at(24 * 60), at(4 * 24 * 60)
    daily = job("0 12 * * *", covers_from=friday, planned_from=at(-1), next_scheduled_for=monday, next_run_at=monday)
    decision = decided(replace(daily, timing=replace(daily.timing, excluded=("* * * * 6,0",))), monday)
    (miss,), (run,) = decision.misses, decision.runs
    assert (miss.reason, miss.count, miss.first, miss.last) == (
        MissReason.EXCLUDED,
        2,
        at(2 * 24 * 60),
        at(3 * 24 * 60),
    )
    assert (miss.covers_from, miss.covers_to, run.covers) == (friday, at(3 * 24 * 60), (at(3 * 24 * 60), monday))


def limited(**fields: object) -> Job:
    base = job(**fields)
    return replace(base, timing=replace(base.timing, max_runs=3))


def test_the_last_of_max_runs_ends_the_schedule() -> None:
    decision = decided(limited(scheduled_runs=2), at(0.01))
    assert (len(decision.runs), decision.advance) == (1, Advance(None, None))
    assert decided(limited(scheduled_runs=1), at(0.01)).advance == Advance(at(1), at(1))


def test_what_catches_up_beyond_max_runs_is_a_miss() -> None:
    decision = decided(limited(scheduled_runs=1, catchup_policy="all", overlap_policy="buffer_all"), at(4.5))
    assert (len(decision.runs), len(decision.requests)) == (1, 1)
    (miss,) = decision.misses
    assert (miss.reason, miss.count, miss.covers_to) == (MissReason.ENDED, 3, at(4))
    assert decision.advance == Advance(None, None)
