"""Overlap and catch-up policies: the truth table. The words are Temporal's."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from unit.domain.test_decide import T0, at, decided, job, request

from pgcron_py.domain.decide import CATCH_UP_MOST, Decision
from pgcron_py.domain.job import Request
from pgcron_py.domain.overlap import BUFFERED_MOST, OVERLAP_POLICIES, Fate, fate_of
from pgcron_py.domain.words import Cause, MissReason

OVERLAP, OVERFLOW, LATE = MissReason.OVERLAP, MissReason.BUFFER_OVERFLOW, MissReason.TOO_LATE


def policy(name: str, **fields: object):
    return job(overlap_policy=name, is_exclusive=name != "allow_all", **fields)


@pytest.mark.parametrize(
    ("name", "running", "buffered", "expected"),
    [
        ("skip", 0, 0, Fate.RUN),
        ("skip", 1, 0, OVERLAP),
        ("buffer_one", 0, 0, Fate.RUN),
        ("buffer_one", 1, 0, Fate.BUFFER),
        ("buffer_one", 1, 1, OVERLAP),
        ("buffer_one", 0, 1, OVERLAP),  # one waits to start right now: this one is the second
        ("buffer_all", 0, 0, Fate.RUN),
        ("buffer_all", 1, 0, Fate.BUFFER),
        ("buffer_all", 1, 999, Fate.BUFFER),
        ("buffer_all", 1, BUFFERED_MOST, OVERFLOW),
        ("buffer_all", 0, 3, Fate.BUFFER),  # it queues behind those that came before it
        ("cancel_other", 0, 0, Fate.RUN),
        ("cancel_other", 1, 0, Fate.BUFFER),
        ("cancel_other", 1, 1, OVERLAP),
        ("terminate_other", 0, 0, Fate.RUN),
        ("terminate_other", 1, 0, Fate.BUFFER),
        ("terminate_other", 1, 1, OVERLAP),
    ],
)
def test_what_becomes_of_an_occurrence(name: str, running: int, buffered: int, expected: object) -> None:
    assert fate_of(policy(name, running_count=running, buffered=buffered), T0, at(0.01)) is expected


@pytest.mark.parametrize("name", OVERLAP_POLICIES)
def test_what_a_person_skips_is_missed_whatever_the_policy(name: str) -> None:
    skipping = policy(name, skip_until=T0)
    assert fate_of(skipping, T0, at(0.01)) is MissReason.SKIPPED_BY_USER
    assert fate_of(skipping, at(1), at(1.01)) is Fate.RUN


@pytest.mark.parametrize(("running", "expected"), [(0, Fate.RUN), (2, Fate.RUN), (3, OVERLAP)])
def test_allow_all_runs_side_by_side_up_to_max_running(running: int, expected: object) -> None:
    assert fate_of(policy("allow_all", max_running=3, running_count=running), T0, at(0.01)) is expected


@pytest.mark.parametrize("name", [name for name in OVERLAP_POLICIES if name != "skip"])
def test_only_skip_misses_what_fell_into_a_run_that_is_over(name: str) -> None:
    was_running = {"last_run_at": at(-5), "last_completed_at": at(0.005)}
    assert fate_of(policy(name, **was_running), T0, at(0.01)) is Fate.RUN
    assert fate_of(policy("skip", **was_running), T0, at(0.01)) is OVERLAP


@pytest.mark.parametrize(
    ("name", "ends"), [("buffer_one", False), ("buffer_all", False), ("cancel_other", True), ("terminate_other", True)]
)
def test_what_waits_is_in_the_ledger_and_only_cancelling_policies_end_the_other(name: str, ends: bool) -> None:
    decision = decided(policy(name, running_count=1), at(0.01))
    (waiting,) = decision.requests
    assert (waiting.scheduled_for, waiting.covers, decision.covers_from) == (T0, (at(-1), T0), T0)
    assert (decision.runs, decision.misses, decision.ends_others is not None, decision.is_waiting) == (
        [],
        [],
        ends,
        True,
    )


def test_what_waits_starts_when_the_run_is_over_and_keeps_its_place_in_the_ledger() -> None:
    waiting = Request(request().id, Cause.BUFFERED, at(-2), 1, "pgcron", None, (at(-3), at(-2)))
    decision = decided(policy("buffer_all", next_run_at=None, requests=(waiting,), buffered=1), at(0))
    (run,) = decision.runs
    assert (run.cause, run.scheduled_for, run.covers) == (Cause.BUFFERED, at(-2), (at(-3), at(-2)))
    assert not decision.is_waiting


def test_a_request_that_no_run_keeps_waiting_stays_visible() -> None:
    """The claim read no request of this job, because others had taken the limit: nothing runs that would make them seen again."""
    assert not decided(policy("buffer_all", buffered=2, requests=()), at(0.01)).is_waiting


def elements(decision: Decision) -> list[tuple[datetime, datetime]]:
    misses = [(miss.covers_from, miss.covers_to) for miss in decision.misses]
    runs = [run.covers for run in decision.runs if run.covers]
    return sorted([*misses, *runs, *(waiting.covers for waiting in decision.requests)])


def contiguous(decision: Decision) -> bool:
    found = elements(decision)
    return (
        found[0][0] == at(-1) and found[-1][1] == decision.covers_from and all(a[1] == b[0] for a, b in pairwise(found))
    )


def test_catch_up_all_runs_the_first_and_lets_the_others_wait_in_order() -> None:
    decision = decided(job(catchup_policy="all"), at(4.5))
    assert [run.scheduled_for for run in decision.runs] == [T0]
    assert [waiting.scheduled_for for waiting in decision.requests] == [at(1), at(2), at(3), at(4)]
    assert decision.misses == []
    assert decision.is_waiting
    assert contiguous(decision)


def test_catch_up_all_takes_the_newest_and_counts_the_others() -> None:
    decision = decided(job(catchup_policy="all"), at(500.5))
    assert len(decision.runs) + len(decision.requests) == CATCH_UP_MOST
    assert decision.requests[-1].scheduled_for == at(500)
    (miss,) = decision.misses
    assert (miss.reason, miss.count, miss.first) == (MissReason.COALESCED, 501 - CATCH_UP_MOST, T0)
    assert contiguous(decision)


def test_the_catch_up_window_bounds_how_far_back_it_goes() -> None:
    decision = decided(job(catchup_policy="all", catchup_window_ms=180_000), at(10.5))
    assert [run.scheduled_for for run in decision.runs] == [at(8)]
    assert [waiting.scheduled_for for waiting in decision.requests] == [at(9), at(10)]
    (miss,) = decision.misses
    assert (miss.reason, miss.count) == (LATE, 8)
    assert contiguous(decision)
    assert [miss.reason for miss in decided(job("@hourly", catchup_window_ms=60_000), at(5)).misses] == [LATE]


def test_catch_up_all_of_a_job_that_runs_beside_itself_starts_as_many_as_may() -> None:
    decision = decided(policy("allow_all", max_running=3, catchup_policy="all"), at(4.5))
    assert [run.scheduled_for for run in decision.runs] == [T0, at(1), at(2)]
    assert [run.seq for run in decision.runs] == [8, 9, 10]
    assert [waiting.scheduled_for for waiting in decision.requests] == [at(3), at(4)]


def test_what_passed_while_it_ran_is_one_stretch_of_misses() -> None:
    decision = decided(job(catchup_policy="all", running_count=1), at(4.5))
    (miss,) = decision.misses
    assert (miss.reason, miss.count, miss.first, miss.last) == (OVERLAP, 5, T0, at(4))
    assert contiguous(decision)


def test_a_month_of_a_per_second_job_is_decided_in_milliseconds() -> None:

    absent = job("* * * * * *", catchup_policy="all")
    decided(absent, T0 + timedelta(days=30))  # warm
    started = time.perf_counter()
    for _ in range(20):
        decided(absent, T0 + timedelta(days=30))
    assert (time.perf_counter() - started) / 20 < 0.05  # 5 ms is the promise; this machine may be busy


def test_catch_up_finds_the_newest_however_unevenly_they_lie() -> None:
    burst = job("* * 0-1 * * *", catchup_policy="all")  # 7,200 in two hours, then nothing until the next day
    decision = decided(burst, T0 + timedelta(days=3))
    waiting = [it.scheduled_for for it in decision.requests]
    assert len(waiting) == CATCH_UP_MOST - 1
    assert waiting == [waiting[0] + timedelta(seconds=n) for n in range(len(waiting))]
    assert contiguous(decision)
