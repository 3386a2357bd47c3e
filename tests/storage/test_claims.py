"""The claim: who gets a due job when several want it, and what the rows say afterwards."""

from __future__ import annotations

import psycopg
import pytest

from pgcron_py.domain.words import Reason
from pgcron_py.storage import claim_writes, claims
from support.steps import HANDLER, Stage, decisions, failure, success


def test_a_due_job_becomes_one_running_row_and_its_schedule_goes_on(stage: Stage) -> None:
    job = stage.job(due=3)
    worker = stage.worker()
    (run,) = stage.actor().claim(worker)
    row = stage.row("SELECT * FROM pgcron.cron_log")
    assert (row["id"], row["job_id"], row["seq"], row["status"], row["cause"], row["attempt"]) == (
        run,
        job,
        1,
        "RUNNING",
        "schedule",
        1,
    )
    assert row["worker_id"] == worker
    after = stage.row("SELECT * FROM pgcron.cron_job")
    assert after["next_scheduled_for"] > row["scheduled_for"] == row["covers_to"] == after["covers_from"]
    assert (after["run_seq"], after["running_count"]) == (1, 1)
    assert stage.broken_invariants() == []


def test_two_claims_at_once_share_the_due_jobs(stage: Stage) -> None:
    for index in range(6):
        stage.job(f"job {index}", due=10 - index)
    worker, one, two = stage.worker(), stage.actor(), stage.actor()
    now, first = one.begin_claim(worker, limit=3)
    later, second = two.begin_claim(worker, limit=10)
    assert [job.timing.name for job in first] == ["job 0", "job 1", "job 2"]
    assert [job.timing.name for job in second] == ["job 3", "job 4", "job 5"]
    one.write_claim(worker, now, first)
    two.write_claim(worker, later, second)
    two.commit()
    one.commit()
    assert stage.row("SELECT count(*) AS runs, count(DISTINCT job_id) AS jobs FROM pgcron.cron_log") == {
        "runs": 6,
        "jobs": 6,
    }
    assert stage.broken_invariants() == []


def test_a_claim_that_rolls_back_leaves_its_jobs_to_the_next(stage: Stage) -> None:
    stage.job()
    worker, one, two = stage.worker(), stage.actor(), stage.actor()
    now, jobs = one.begin_claim(worker)
    assert two.claim(worker) == []
    one.write_claim(worker, now, jobs)
    one.rollback()
    assert len(two.claim(worker)) == 1


def test_a_job_claimed_between_two_looks_is_not_claimed_again(stage: Stage) -> None:
    """EvalPlanQual: the row is checked again as it is after the other's COMMIT."""
    stage.job()
    worker, one, two = stage.worker(), stage.actor(), stage.actor()
    two.say("BEGIN ISOLATION LEVEL READ COMMITTED")
    now, jobs = one.begin_claim(worker)
    one.write_claim(worker, now, jobs)
    one.commit()
    assert two.begin_claim(worker) == (None, [])


def test_prevents_concurrent_execution(stage: Stage) -> None:
    """Due while it runs: no second run, a miss with reason overlap, and the schedule goes on."""
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    stage.make_due(job)
    assert actor.claim(worker) == []
    assert stage.row("SELECT reason, count FROM pgcron.cron_miss") == {"reason": "overlap", "count": 1}
    actor.finish(worker, success(stage, run))
    assert stage.broken_invariants() == []


def test_an_occurrence_that_fell_into_a_run_overlaps_even_when_that_run_is_over(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    stage.make_due(job)  # now, while it runs
    actor.finish(worker, success(stage, run))
    assert actor.claim(worker) == []
    assert stage.row("SELECT reason FROM pgcron.cron_miss") == {"reason": "overlap"}
    assert stage.broken_invariants() == []


def test_due_jobs_that_run_are_resolved_without_a_slot_and_others_are_left(stage: Stage) -> None:
    busy = stage.job("busy", due=5)
    worker, actor = stage.worker(), stage.actor()
    actor.claim(worker)
    stage.make_due(busy)
    stage.job("idle", due=1)
    _, jobs = actor.begin_claim(worker, has_slots=False)
    assert [job.timing.name for job in jobs] == ["busy"]


def test_a_second_running_row_of_an_exclusive_job_is_impossible(stage: Stage) -> None:
    job = stage.job()
    worker = stage.worker()
    stage.actor().claim(worker)
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_running"):
        stage.do(
            "INSERT INTO pgcron.cron_log (job_id, seq, cause, worker_id, handler, job_version, schedule) VALUES (%s, 2, 'manual', %s, 'h', 1, 's')",
            job, worker,
        )  # fmt: skip


def test_a_plan_set_back_by_hand_runs_nothing_twice_and_goes_on(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.finish(worker, success(stage, run))
    stage.do(
        "UPDATE pgcron.cron_job j SET next_scheduled_for = l.scheduled_for, next_run_at = l.scheduled_for "
        "FROM pgcron.cron_log l WHERE j.id = %s", job,
    )  # fmt: skip
    assert actor.claim(worker) == []
    assert stage.row("SELECT next_run_at > clock_timestamp() AS ahead FROM pgcron.cron_job") == {"ahead": True}
    assert stage.broken_invariants() == []


def test_an_occurrence_that_has_its_run_already_is_not_inserted_twice(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.finish(worker, success(stage, run))
    stage.do(  # plan and ledger forged
        "UPDATE pgcron.cron_job j SET next_scheduled_for = l.scheduled_for, next_run_at = l.scheduled_for, "
        "covers_from = l.covers_from FROM pgcron.cron_log l WHERE j.id = %s", job,
    )  # fmt: skip
    now, jobs = actor.begin_claim(worker)
    with pytest.raises(psycopg.errors.UniqueViolation):
        actor.write_claim(worker, now, jobs)
    actor.rollback()
    now, jobs = actor.begin_claim(worker)
    decided = decisions(now, jobs)
    assert actor.do(lambda c: claim_writes.conflicting(c, decided)) == {job}  # the claimer resolves it by name
    actor.rollback()


@pytest.mark.parametrize("state", ["DRAINING", "GONE", "DEAD"])
def test_a_worker_that_is_not_live_claims_nothing(stage: Stage, state: str) -> None:
    stage.job()
    worker = stage.worker()
    stage.do("UPDATE pgcron.cron_worker SET state = %s", state)
    assert stage.actor().claim(worker) == []


def test_a_worker_whose_lease_lapsed_claims_nothing(stage: Stage) -> None:
    stage.job()
    worker = stage.worker()
    stage.lapse(worker)
    assert stage.actor().claim(worker) == []


def test_a_paused_fleet_claims_nothing(stage: Stage) -> None:
    stage.job()
    worker = stage.worker()
    stage.do("UPDATE pgcron.cron_meta SET paused_at = clock_timestamp(), paused_by = 'ana'")
    assert stage.actor().claim(worker) == []


def test_jobs_of_other_handlers_and_disabled_jobs_are_not_seen(stage: Stage) -> None:
    stage.job("other", handler="tests:other")
    stage.job("off")
    stage.do("UPDATE pgcron.cron_job SET is_enabled = false WHERE name = 'off'")
    stage.job("mine")
    _, jobs = stage.actor().begin_claim(stage.worker())
    assert [job.timing.name for job in jobs] == ["mine"]


def test_priority_counts_as_waiting_time(stage: Stage) -> None:
    stage.job("old", due=15)
    stage.job("urgent", due=1, priority=2)
    stage.job("young", due=1)
    _, jobs = stage.actor().begin_claim(stage.worker())
    assert [job.timing.name for job in jobs] == ["urgent", "old", "young"]


@pytest.mark.parametrize(("priority", "first"), [(2, "urgent"), (0, "old 0")])
def test_in_a_burst_too_the_urgent_ones_come_first(stage: Stage, priority: int, first: str) -> None:
    """narrow: two entries, of which the urgent one is none."""
    for number in range(3):
        stage.job(f"old {number}", due=5 - number)
    stage.job("urgent", due=1, priority=priority)
    actor, worker = stage.actor(), stage.worker()
    view = actor.do(lambda c: claims.look(c, [HANDLER], None))
    actor.do(claims.begin_claim)
    _, jobs = actor.do(lambda c: claims.lock_due_jobs(c, worker, view, limit=1, window=1000, narrow=2))
    assert [job.timing.name for job in jobs] == [first]


def test_routes_limit_a_worker_to_its_queues(stage: Stage) -> None:
    stage.job("a", queue="a")
    stage.job("b", queue="b")
    view = stage.actor().do(lambda c: claims.look(c, [HANDLER], ["b"]))
    assert (view.route_queues, view.route_handlers) == (["b"], [HANDLER])


def test_a_run_now_request_is_claimed_with_its_args_and_requester(stage: Stage) -> None:
    stage.job(due=None, args={"a": 1})
    stage.do("SELECT set_config('pgcron.actor', 'ana', false)")
    request = stage.row("SELECT pgcron.run_now('job', '{\"a\": 2}') AS id")["id"]
    worker, actor = stage.worker(), stage.actor()
    actor.claim(worker)
    row = stage.row("SELECT * FROM pgcron.cron_log")
    assert (row["cause"], row["args"], row["requested_by"], row["request_id"], row["scheduled_for"]) == (
        "manual",
        {"a": 2},
        "ana",
        request,
        None,
    )
    assert stage.row("SELECT state, run_id FROM pgcron.cron_request") == {"state": "CLAIMED", "run_id": row["id"]}
    assert stage.row("SELECT next_request_at FROM pgcron.cron_job") == {"next_request_at": None}
    assert stage.broken_invariants() == []


def test_a_retry_waits_for_the_run_that_goes_on_and_is_claimed_after_it(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    (first,) = actor.claim(worker)
    actor.finish(worker, failure(stage, first, is_strike=False, retry_after_ms=0, retry_attempt=2))
    stage.make_due(job, -0.0)
    (second,) = actor.claim(worker)  # the occurrence goes first, the retry waits
    assert stage.row("SELECT requests_waiting, next_request_at FROM pgcron.cron_job") == {
        "requests_waiting": True,
        "next_request_at": None,
    }
    assert stage.broken_invariants() == []
    actor.finish(worker, success(stage, second))
    (third,) = actor.claim(worker)
    row = stage.row("SELECT cause, attempt, seq FROM pgcron.cron_log WHERE id = %s", third)
    assert row == {"cause": "retry", "attempt": 2, "seq": 3}
    actor.finish(worker, failure(stage, third, Reason.CANCELLED))
    assert stage.broken_invariants() == []


def test_concurrent_runs_of_a_job_that_is_not_exclusive_stay_within_max_running(stage: Stage) -> None:
    job = stage.job(due=None, is_exclusive=False, overlap_policy="allow_all", max_running=3)
    for _ in range(5):
        stage.do(
            "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) VALUES (%s, 'backfill', clock_timestamp())",
            job,
        )
    worker, actor = stage.worker(), stage.actor()
    claimed = actor.claim(worker)
    assert len(claimed) == 3
    assert actor.claim(worker) == []
    outcomes = actor.finish(worker, *(success(stage, run) for run in claimed))
    assert set(outcomes.values()) == {"recorded"}
    assert stage.row("SELECT success_count, running_count, duration_sum_ms FROM pgcron.cron_job") == {
        "success_count": 3, "running_count": 0, "duration_sum_ms": 15,
    }  # fmt: skip
    assert len(actor.claim(worker)) == 2
    assert stage.broken_invariants() == []


def test_the_claim_waits_for_no_beat_and_the_beat_for_no_claim(stage: Stage) -> None:
    stage.job()
    worker, claimer, beater = stage.worker(), stage.actor(), stage.actor()
    claimer.begin_claim(worker)
    beater.say("SET lock_timeout = '100ms'")
    beater.say("SELECT state FROM pgcron.beat(%s, '{}', NULL)", worker)
    claimer.rollback()
