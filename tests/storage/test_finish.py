"""The finish: guarded, exact, and the same whether runs end alone, together, late or twice."""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg
import pytest

from pgcron_py.domain.words import Reason
from pgcron_py.storage import runs
from support.steps import Stage, failure, success


def claimed(stage: Stage, count: int = 1, **columns: object):
    worker = stage.worker()
    for index in range(count):
        stage.job(f"job {index}", due=count - index, **columns)
    actor = stage.actor()
    return worker, actor, actor.claim(worker)


def test_executes_and_logs_success(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    assert actor.finish(worker, success(stage, run, duration=42, metadata={"rows": 3}, result=[1])) == {run: "recorded"}
    row = stage.row("SELECT * FROM pgcron.cron_log")
    assert (row["status"], row["duration"], row["metadata"], row["result"], row["reason"]) == (
        "SUCCESS",
        42,
        {"rows": 3},
        [1],
        None,
    )
    assert row["completed_at"] >= row["started_at"]
    job = stage.row("SELECT * FROM pgcron.cron_job")
    assert (job["success_count"], job["average_duration"], job["running_count"]) == (1, 42.0, 0)
    assert job["last_completed_at"] == row["completed_at"]
    assert stage.broken_invariants() == []


def test_logs_failure_and_notifies(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    actor.finish(worker, failure(stage, run, error="ValueError: x", stack_trace="trace"))
    row = stage.row("SELECT status, reason, error, stack_trace, is_strike FROM pgcron.cron_log")
    assert row == {
        "status": "FAILED",
        "reason": "error",
        "error": "ValueError: x",
        "stack_trace": "trace",
        "is_strike": True,
    }
    note = stage.row("SELECT event, run_id, payload FROM pgcron.cron_outbox")
    assert (note["event"], note["run_id"], note["payload"]["error"]) == ("failed", run, "ValueError: x")
    assert stage.broken_invariants() == []


def test_a_failure_of_a_job_without_notifications_writes_none(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage, notify_on_failure=False)
    actor.finish(worker, failure(stage, run))
    assert stage.rows("SELECT * FROM pgcron.cron_outbox") == []


def test_disables_after_3_consecutive_failures(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    for strike in range(1, 4):
        (run,) = actor.claim(worker)
        actor.finish(worker, failure(stage, run))
        row = stage.row("SELECT is_enabled, consecutive_failures FROM pgcron.cron_job")
        assert row == {"is_enabled": strike < 3, "consecutive_failures": strike}
        stage.make_due(job)
    row = stage.row("SELECT disabled_by, disabled_reason, disabled_at IS NOT NULL AS at FROM pgcron.cron_job")
    assert row == {"disabled_by": "pgcron", "disabled_reason": "3 consecutive failures, the last: boom", "at": True}
    assert [r["event"] for r in stage.rows("SELECT event FROM pgcron.cron_outbox ORDER BY seq")] == [
        "failed",
        "auto_disabled",
    ]
    assert stage.row("SELECT action, actor FROM pgcron.cron_audit ORDER BY id DESC LIMIT 1")["action"] == "job_disabled"
    assert stage.broken_invariants() == []


def test_a_success_forgets_the_strikes_before_it(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    for end in (failure, failure, success, failure):
        (run,) = actor.claim(worker)
        actor.finish(worker, end(stage, run))
        stage.make_due(job)
    assert stage.row("SELECT consecutive_failures, is_enabled FROM pgcron.cron_job") == {
        "consecutive_failures": 1,
        "is_enabled": True,
    }
    assert stage.broken_invariants() == []


def test_enabling_again_forgets_the_strikes(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage, max_consecutive_failures=1)
    actor.finish(worker, failure(stage, run))
    stage.do("SELECT pgcron.enable('job 0')")
    stage.plan()
    assert stage.row("SELECT consecutive_failures, is_enabled FROM pgcron.cron_job") == {
        "consecutive_failures": 0,
        "is_enabled": True,
    }
    assert stage.broken_invariants() == []


@pytest.mark.parametrize("reason", [Reason.SHUTDOWN, Reason.CANCELLED, Reason.DB_ERROR, Reason.NEIGHBOUR])
def test_an_end_that_is_not_the_jobs_doing_is_no_strike(stage: Stage, reason: Reason) -> None:
    worker, actor, (run,) = claimed(stage)
    actor.finish(worker, failure(stage, run, reason))
    assert stage.row("SELECT failure_count, consecutive_failures FROM pgcron.cron_job") == {
        "failure_count": 1,
        "consecutive_failures": 0,
    }
    assert stage.broken_invariants() == []


def test_strikes_of_concurrent_runs_count_by_their_order_of_start(stage: Stage) -> None:
    job = stage.job(due=None, is_exclusive=False, overlap_policy="allow_all", max_running=5)
    for _ in range(4):
        stage.do(
            "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) VALUES (%s, 'backfill', clock_timestamp())",
            job,
        )
    worker, actor = stage.worker(), stage.actor()
    one, two, three, four = actor.claim(worker)
    actor.finish(worker, failure(stage, three))
    actor.finish(worker, success(stage, two), failure(stage, four))  # the success is older than both strikes
    assert stage.row("SELECT consecutive_failures FROM pgcron.cron_job") == {"consecutive_failures": 2}
    actor.finish(worker, failure(stage, one))  # older than the success: no strike against the job
    assert stage.row("SELECT consecutive_failures, strikes_from_seq FROM pgcron.cron_job") == {
        "consecutive_failures": 2,
        "strikes_from_seq": 2,
    }
    assert stage.broken_invariants() == []


def test_a_finish_after_a_lost_lease_changes_nothing(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    late = success(stage, run)
    actor.finish(worker, failure(stage, run, Reason.LOST))
    before = stage.row("SELECT * FROM pgcron.cron_job")
    assert actor.finish(worker, late) == {run: "lost"}
    assert stage.row("SELECT * FROM pgcron.cron_job") == before
    assert stage.row("SELECT reason FROM pgcron.cron_log") == {"reason": "lost"}


def test_another_workers_finish_is_refused(stage: Stage) -> None:
    _, actor, (run,) = claimed(stage)
    assert actor.finish(stage.worker(), success(stage, run)) == {run: "lost"}
    assert stage.row("SELECT status FROM pgcron.cron_log") == {"status": "RUNNING"}


def test_in_a_batch_with_one_lost_the_others_are_recorded(stage: Stage) -> None:
    worker, actor, batch = claimed(stage, 5)
    finishes = [success(stage, run) for run in batch]
    actor.finish(worker, failure(stage, batch[2], Reason.LOST))
    outcomes = actor.finish(worker, *finishes)
    assert outcomes == {run: "lost" if run == batch[2] else "recorded" for run in batch}
    assert stage.broken_invariants() == []


def test_a_finish_whose_reply_was_lost_is_known_by_its_token(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    end = success(stage, run)
    actor.finish(worker, end)
    assert actor.finish(worker, end) == {run: "already"}
    assert stage.row("SELECT success_count FROM pgcron.cron_job") == {"success_count": 1}


def test_three_runs_of_one_job_in_one_batch_count_as_three(stage: Stage) -> None:
    job = stage.job(due=None, is_exclusive=False, overlap_policy="allow_all", max_running=5)
    for _ in range(3):
        stage.do(
            "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) VALUES (%s, 'backfill', clock_timestamp())",
            job,
        )
    worker, actor = stage.worker(), stage.actor()
    actor.finish(worker, *(success(stage, run) for run in actor.claim(worker)))
    assert stage.row("SELECT success_count, duration_sum_ms FROM pgcron.cron_job") == {
        "success_count": 3,
        "duration_sum_ms": 15,
    }


def test_an_ended_run_never_changes(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    actor.finish(worker, success(stage, run))
    with pytest.raises(psycopg.Error) as refusal:
        stage.do("UPDATE pgcron.cron_log SET error = 'forged'")
    assert refusal.value.sqlstate == "PC010"


def test_a_transactional_finish_raises_lease_lost_unless_its_run_changed(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    end = success(stage, run)
    actor.finish(worker, failure(stage, run, Reason.LOST))
    stage.do("CREATE TABLE effect (x int); GRANT ALL ON effect TO PUBLIC")
    actor.say("BEGIN")
    actor.say("INSERT INTO effect VALUES (1)")
    finish = runs.FINISH_RUN.replace("%(worker)s", "%s").replace("%(run)s", "%s")
    with pytest.raises(psycopg.Error) as refusal:
        actor.say(finish, worker, json.dumps(end.as_json()))
    assert refusal.value.sqlstate == "PC001"
    actor.say("COMMIT")  # a COMMIT already on the wire becomes a rollback
    assert stage.rows("SELECT * FROM effect") == []


def test_a_finish_and_a_reap_of_the_same_run_end_in_one_record_in_either_order(stage: Stage) -> None:
    for first_is_finish in (True, False):
        stage.do("DELETE FROM pgcron.cron_job")
        worker, one, (run,) = claimed(stage)
        two = stage.actor()
        first, second = success(stage, run), failure(stage, run, Reason.LOST)
        if not first_is_finish:
            first, second = second, first
        one.say("BEGIN")
        one.finish(worker, first)
        waiting = two.start(lambda c, w=worker, s=second: runs.finish_runs(c, w, [s]))
        two.waits_for_a_lock()
        one.commit()
        assert waiting.result(10) == {run: "lost"}
        assert stage.row("SELECT success_count + failure_count AS n FROM pgcron.cron_job") == {"n": 1}
        assert stage.broken_invariants() == []


def test_two_batches_that_share_jobs_do_not_deadlock(stage: Stage) -> None:
    worker, one, batch = claimed(stage, 20)
    two = stage.actor()
    ends = [success(stage, run) for run in batch]
    for _ in range(5):
        one.say("BEGIN")
        one.finish(worker, *reversed(ends))
        waiting = two.start(lambda c: runs.finish_runs(c, worker, ends))
        two.waits_for_a_lock()
        one.rollback()
        assert set(waiting.result(10).values()) <= {"recorded", "already"}
    assert stage.broken_invariants() == []


def test_a_failed_run_with_a_retry_is_no_strike_and_asks_for_the_next_attempt(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    actor.finish(worker, failure(stage, run, is_strike=False, retry_after_ms=60_000, retry_attempt=2))
    request = stage.row(
        "SELECT cause, state, attempt, scheduled_for, run_after > clock_timestamp() AS later FROM pgcron.cron_request"
    )
    log = stage.row("SELECT scheduled_for FROM pgcron.cron_log")
    assert request == {
        "cause": "retry",
        "state": "PENDING",
        "attempt": 2,
        "scheduled_for": log["scheduled_for"],
        "later": True,
    }
    assert stage.row("SELECT consecutive_failures, next_request_at IS NOT NULL AS visible FROM pgcron.cron_job") == {
        "consecutive_failures": 0, "visible": True,
    }  # fmt: skip
    assert stage.broken_invariants() == []


def test_a_retry_of_a_job_disabled_meanwhile_is_not_asked_for(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    stage.do("UPDATE pgcron.cron_job SET is_enabled = false")
    actor.finish(worker, failure(stage, run, is_strike=False, retry_after_ms=0, retry_attempt=2))
    assert stage.rows("SELECT * FROM pgcron.cron_request") == []
    assert stage.broken_invariants() == []


def test_deleted_runs_stay_in_the_counters(stage: Stage) -> None:
    job = stage.job(due=5)
    worker, actor = stage.worker(), stage.actor()
    for end in (success, failure, success):
        (run,) = actor.claim(worker)
        actor.finish(worker, end(stage, run))
        stage.make_due(job)
    stage.do("DELETE FROM pgcron.cron_log WHERE seq <= 2")
    assert stage.row("SELECT success_count, failure_count, archived_success, archived_failure FROM pgcron.cron_job") == {
        "success_count": 2, "failure_count": 1, "archived_success": 1, "archived_failure": 1,
    }  # fmt: skip
    assert stage.broken_invariants() == []


def test_an_unknown_run_is_lost_not_an_error(stage: Stage) -> None:
    worker, actor, (run,) = claimed(stage)
    stranger = runs.Finish(uuid4(), success(stage, run).job_id, "SUCCESS", uuid4())
    assert actor.finish(worker, stranger) == {stranger.id: "lost"}
