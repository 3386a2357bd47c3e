"""Overlap policies on real rows: who waits, who is ended, and that the ledger stays whole meanwhile."""

from __future__ import annotations

import psycopg
import pytest

from pgcron_py.domain.words import Reason
from pgcron_py.storage import workers
from support.steps import HANDLER, Actor, Stage, failure, success


def running(stage: Stage, policy: str, **columns: object):
    """A job whose run goes on and which is due again."""
    job = stage.job(due=5, overlap_policy=policy, **columns)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    stage.make_due(job)
    return job, worker, actor, run


def cancels(actor: Actor, worker) -> list[tuple[object, bool]]:
    beat = actor.do(lambda c: workers.beat(c, worker, [HANDLER], None))
    return [(cancel.run_id, cancel.is_forced) for cancel in beat.cancels]


@pytest.mark.parametrize("policy", ["buffer_one", "buffer_all"])
def test_an_occurrence_that_is_due_while_a_run_goes_on_waits_for_its_end(stage: Stage, policy: str) -> None:
    job, worker, actor, run = running(stage, policy)
    assert actor.claim(worker) == []
    waiting = stage.row(
        "SELECT cause, state, scheduled_for, covers_from < covers_to AS covers FROM pgcron.cron_request"
    )
    assert (waiting["cause"], waiting["state"], waiting["covers"]) == ("buffered", "PENDING", True)
    assert stage.row("SELECT requests_waiting, next_request_at FROM pgcron.cron_job") == {
        "requests_waiting": True, "next_request_at": None,
    }  # fmt: skip
    assert stage.broken_invariants() == []
    stage.make_due(job)
    assert actor.claim(worker) == []  # a second one
    queued = stage.row("SELECT count(*) AS n FROM pgcron.cron_request")["n"]
    assert queued == (2 if policy == "buffer_all" else 1)
    assert len(stage.rows("SELECT 1 FROM pgcron.cron_miss WHERE reason = 'overlap'")) == 2 - queued
    actor.finish(worker, success(stage, run))
    (next_run,) = actor.claim(worker)
    row = stage.row("SELECT cause, scheduled_for, covers_to FROM pgcron.cron_log WHERE id = %s", next_run)
    assert row == {
        "cause": "buffered",
        "scheduled_for": waiting["scheduled_for"],
        "covers_to": waiting["scheduled_for"],
    }
    assert stage.broken_invariants() == []
    actor.finish(worker, failure(stage, next_run, Reason.ERROR))
    assert stage.broken_invariants() == []


@pytest.mark.parametrize("policy", ["cancel_other", "terminate_other"])
def test_a_cancelling_policy_ends_the_run_and_starts_only_when_its_end_is_recorded(stage: Stage, policy: str) -> None:
    _, worker, actor, run = running(stage, policy)
    assert actor.claim(worker) == []
    assert cancels(actor, worker) == [(run, policy == "terminate_other")]
    assert stage.row("SELECT cancel_reason FROM pgcron.cron_log") == {
        "cancel_reason": f"the next occurrence is due: {policy}"
    }
    assert actor.claim(worker) == []  # asked, but not over
    actor.finish(worker, failure(stage, run, Reason.CANCELLED))
    assert len(actor.claim(worker)) == 1
    assert stage.broken_invariants() == []


def test_disabling_turns_what_waits_into_misses(stage: Stage) -> None:
    _, worker, actor, run = running(stage, "buffer_all")
    actor.claim(worker)
    stage.do("SELECT pgcron.disable('job')")
    assert stage.row("SELECT reason, count FROM pgcron.cron_miss") == {"reason": "request_cancelled", "count": 1}
    assert stage.broken_invariants() == []
    actor.finish(worker, success(stage, run))
    assert stage.broken_invariants() == []


def test_what_waits_can_be_cancelled_one_by_one(stage: Stage) -> None:
    job, worker, actor, run = running(stage, "buffer_all")
    actor.claim(worker)
    stage.make_due(job)
    actor.claim(worker)
    first = stage.rows("SELECT id FROM pgcron.cron_request ORDER BY scheduled_for")[0]["id"]
    stage.do("SELECT pgcron.cancel_request(%s)", first)
    assert stage.broken_invariants() == []
    actor.finish(worker, success(stage, run))
    assert len(actor.claim(worker)) == 1
    assert stage.broken_invariants() == []


def test_catch_up_all_lets_what_passed_run_one_after_the_other(stage: Stage) -> None:
    job = stage.job(due=None, schedule="* * * * * *", catchup_policy="all")
    stage.do(
        "UPDATE pgcron.cron_job SET next_scheduled_for = date_trunc('second', clock_timestamp()) - interval '3 s', "
        "next_run_at = date_trunc('second', clock_timestamp()) - interval '3 s' WHERE id = %s", job,
    )  # fmt: skip
    worker, actor = stage.worker(), stage.actor()
    (first,) = actor.claim(worker)
    waiting = stage.row("SELECT count(*) AS n FROM pgcron.cron_request WHERE state = 'PENDING'")["n"]
    assert waiting >= 3
    assert stage.broken_invariants() == []
    actor.finish(worker, success(stage, first))
    (second,) = actor.claim(worker)
    gap = stage.row(
        "SELECT extract(epoch FROM b.scheduled_for - a.scheduled_for)::int AS s FROM pgcron.cron_log a, pgcron.cron_log b WHERE a.id = %s AND b.id = %s",
        first, second,
    )  # fmt: skip
    assert gap == {"s": 1}
    assert stage.broken_invariants() == []


def test_run_now_follows_the_policy_of_the_job_or_its_own(stage: Stage) -> None:
    job, worker, actor, run = running(stage, "skip")
    stage.make_due(job, -3600)
    with pytest.raises(psycopg.Error, match="already running"):
        stage.do("SELECT pgcron.run_now('job')")
    with pytest.raises(psycopg.Error, match="exclusive") as refusal:
        stage.do("SELECT pgcron.run_now('job', NULL, NULL, 'allow_all')")
    assert refusal.value.sqlstate == "PC014"
    stage.do("SELECT pgcron.run_now('job', NULL, NULL, 'terminate_other')")
    assert cancels(actor, worker) == [(run, True)]
    assert actor.claim(worker) == []
    actor.finish(worker, failure(stage, run, Reason.CANCELLED))
    assert len(actor.claim(worker)) == 1
    assert stage.broken_invariants() == []


def test_run_now_of_a_buffering_job_waits(stage: Stage) -> None:
    job, worker, actor, run = running(stage, "buffer_one")
    stage.make_due(job, -3600)
    stage.do("SELECT pgcron.run_now('job')")
    assert actor.claim(worker) == []
    actor.finish(worker, success(stage, run))
    assert len(actor.claim(worker)) == 1
    assert stage.broken_invariants() == []
