"""Cancelling requests and runs, and the fleet's retry budget: what the rows say, whoever comes first."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from pgcron_py.domain.words import Reason
from pgcron_py.storage import workers
from support.steps import HANDLER, Stage, failure, success


def test_a_request_that_waits_is_cancelled_at_once_and_the_job_looks_at_the_next(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do(
        "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for, run_after) VALUES (%s, 'backfill', now(), now() + interval '1 h')",
        job,
    )
    request = stage.row("SELECT pgcron.run_now('job') AS id")["id"]
    stage.do("SELECT pgcron.cancel_request(%s, 'not now')", request)
    assert stage.row("SELECT state, cancel_reason, cancelled_by IS NOT NULL AS by FROM pgcron.cron_request WHERE id = %s", request) == {
        "state": "CANCELLED", "cancel_reason": "not now", "by": True,
    }  # fmt: skip
    assert stage.row("SELECT next_request_at > clock_timestamp() AS later FROM pgcron.cron_job") == {"later": True}
    assert stage.actor().claim(stage.worker()) == []
    assert stage.broken_invariants() == []


@pytest.mark.parametrize("claim_first", [True, False])
def test_a_claim_and_a_cancel_of_the_same_request_have_one_winner(stage: Stage, claim_first: bool) -> None:
    stage.job(due=None)
    request = stage.row("SELECT pgcron.run_now('job') AS id")["id"]
    worker, claimer, canceller = stage.worker(), stage.actor(), stage.actor(stage.url)
    if claim_first:
        now, jobs = claimer.begin_claim(worker)
        cancelling = canceller.start_saying("SELECT pgcron.cancel_request(%s)", request)
        canceller.waits_for_a_lock()
        (run,) = claimer.write_claim(worker, now, jobs)
        claimer.commit()
        with pytest.raises(psycopg.Error, match="waits no more") as refusal:
            cancelling.result(10)
        assert refusal.value.sqlstate == "PC011"
        assert str(run) in (refusal.value.diag.message_hint or "")
    else:
        canceller.say("BEGIN")
        canceller.say("SELECT pgcron.cancel_request(%s)", request)
        assert claimer.claim(worker) == []  # the job is locked: left for the next claim
        canceller.commit()
        assert claimer.claim(worker) == []
    assert stage.broken_invariants() == []


def test_a_cancel_that_comes_after_the_end_is_refused_and_one_before_it_is_told_to_the_worker(stage: Stage) -> None:
    stage.job()
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    beat = actor.do(lambda c: workers.beat(c, worker, [HANDLER], None))
    assert beat.cancels == []
    assert stage.row("SELECT pgcron.cancel_run(%s, 'why') AS first, pgcron.cancel_run(%s, 'me too') AS second", run, run) == {
        "first": True, "second": False,
    }  # fmt: skip
    (cancel,) = actor.do(lambda c: workers.beat(c, worker, [HANDLER], None)).cancels
    assert (cancel.run_id, cancel.reason) == (run, "why")
    actor.finish(worker, success(stage, run))  # it was quicker
    with pytest.raises(psycopg.Error, match="has ended: SUCCESS"):
        stage.do("SELECT pgcron.cancel_run(%s)", run)
    assert stage.broken_invariants() == []


@pytest.mark.parametrize("function", ["cancel_run", "cancel_request", "drain_worker"])
def test_what_is_not_there_is_refused_by_its_own_sqlstate(stage: Stage, function: str) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        stage.do(f"SELECT pgcron.{function}(%s)", uuid4())
    assert refusal.value.sqlstate == "PC012"


def test_disabling_says_by_whom_its_requests_were_cancelled(stage: Stage) -> None:
    stage.job(due=None)
    stage.do("SELECT pgcron.run_now('job')")
    stage.do("SELECT set_config('pgcron.actor', 'ana', false), pgcron.disable('job')")
    assert stage.row("SELECT state, cancelled_by, cancel_reason FROM pgcron.cron_request") == {
        "state": "CANCELLED", "cancelled_by": "ana", "cancel_reason": "the job was disabled",
    }  # fmt: skip


def failed_with_retry(stage: Stage, count: int, reason: Reason = Reason.ERROR) -> list[float]:
    """Seconds from now until each retry, in order."""
    worker, actor = stage.worker(), stage.actor()
    for index in range(count):
        stage.job(f"job {index}", due=count - index)
    runs = actor.claim(worker)
    ends = [failure(stage, run, reason, is_strike=False, retry_after_ms=0, retry_attempt=2) for run in runs]
    actor.finish(worker, *ends)
    rows = stage.rows(
        "SELECT extract(epoch FROM run_after - clock_timestamp())::float AS wait FROM pgcron.cron_request ORDER BY run_after"
    )
    return [row["wait"] for row in rows]


def test_retries_beyond_the_fleets_budget_are_postponed_one_after_the_other(stage: Stage) -> None:
    stage.do(
        "UPDATE pgcron.cron_retry_budget SET per_second = 0.1, burst = 3, spent_until = clock_timestamp() - interval '1 h'"
    )
    waits = failed_with_retry(stage, 6)
    assert all(wait <= 0 for wait in waits[:3])  # the burst
    assert [round(wait) for wait in waits[3:]] == [10, 20, 30]
    assert stage.broken_invariants() == []


def test_a_run_that_never_began_is_repeated_at_once_and_costs_no_budget(stage: Stage) -> None:
    stage.do(
        "UPDATE pgcron.cron_retry_budget SET per_second = 0.1, burst = 1, spent_until = clock_timestamp() + interval '1 h'"
    )
    before = stage.row("SELECT spent_until FROM pgcron.cron_retry_budget")
    assert all(wait <= 0 for wait in failed_with_retry(stage, 4, Reason.ORPHANED_CLAIM))
    assert stage.row("SELECT spent_until FROM pgcron.cron_retry_budget") == before
