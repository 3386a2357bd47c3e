"""Alerts: opened and resolved by finishes, and by whoever looks for what no run tells."""

from __future__ import annotations

from typing import Any

import pytest

from pgcron_py.domain.words import Reason, RunId
from support.fleet import wait_for
from support.steps import HANDLER, Stage, failure, success

LOOK = "SELECT pgcron.check_alerts()"


def told(stage: Stage) -> list[tuple[str, str | None]]:
    """Events with the kind of what recovered, in their order."""
    return [
        (row["event"], row["kind"])
        for row in stage.rows("SELECT event, payload ->> 'kind' AS kind FROM pgcron.cron_outbox ORDER BY seq")
    ]


def look(stage: Stage) -> None:
    """The next look, as soon as it may be."""
    stage.do("UPDATE pgcron.cron_watch SET every_ms = 100")
    wait_for(lambda: stage.helper.say(LOOK) == [(True,)], "looked")


class Ending:
    """A job whose runs end as the test says."""

    def __init__(self, stage: Stage, **columns: Any) -> None:
        self.stage, self.job = stage, stage.job(due=5, **{"max_consecutive_failures": 100, **columns})
        self.worker, self.actor = stage.worker(), stage.actor()

    def begin(self) -> RunId:
        self.stage.make_due(self.job)
        (run,) = self.actor.claim(self.worker)
        return run

    def fails(self, reason: Reason = Reason.ERROR, **fields: Any) -> None:
        self.actor.finish(self.worker, failure(self.stage, self.begin(), reason, **fields))

    def succeeds(self, **fields: Any) -> None:
        self.actor.finish(self.worker, success(self.stage, self.begin(), **fields))


def test_a_streak_is_one_alert_and_one_message_however_long_it_is(stage: Stage) -> None:
    ending = Ending(stage)
    for _ in range(5):
        ending.fails()
    assert told(stage) == [("failed", None)]
    alert = stage.row("SELECT kind, count, last_seq, resolved_at FROM pgcron.cron_alert")
    assert alert == {"kind": "failing", "count": 5, "last_seq": 5, "resolved_at": None}
    ending.succeeds()
    assert told(stage) == [("failed", None), ("recovered", "failing")]
    ending.fails()
    assert [event for event, _ in told(stage)] == ["failed", "recovered", "failed"]
    assert stage.row("SELECT count(*) FILTER (WHERE resolved_at IS NULL) AS open, count(*) AS all FROM pgcron.cron_alert") == {"open": 1, "all": 2}  # fmt: skip


def test_failures_that_are_no_strikes_open_nothing(stage: Stage) -> None:
    ending = Ending(stage)
    ending.fails(Reason.SHUTDOWN)
    ending.fails(is_strike=False, retry_after_ms=0, retry_attempt=2)
    assert told(stage) == []
    assert stage.rows("SELECT * FROM pgcron.cron_alert") == []


def test_a_job_that_wants_no_messages_has_an_alert_all_the_same(stage: Stage) -> None:
    ending = Ending(stage, notify_on_failure=False)
    ending.fails()
    assert len(stage.rows("SELECT * FROM pgcron.cron_alert WHERE resolved_at IS NULL")) == 1
    ending.succeeds()
    assert stage.rows("SELECT * FROM pgcron.cron_alert WHERE resolved_at IS NULL") == []
    assert told(stage) == []


def test_several_strikes_of_a_job_in_one_batch_are_one_alert(stage: Stage) -> None:
    job = stage.job(due=5, overlap_policy="allow_all", is_exclusive=False, max_running=3)
    worker, actor = stage.worker(), stage.actor()
    runs = []
    for _ in range(3):
        stage.make_due(job)
        runs += actor.claim(worker)
    actor.finish(worker, *(failure(stage, run) for run in runs))
    assert told(stage) == [("failed", None), ("auto_disabled", None)]
    assert stage.row("SELECT count FROM pgcron.cron_alert") == {"count": 3}


def test_an_older_run_that_succeeds_late_ends_no_streak(stage: Stage) -> None:
    job = stage.job(due=5, overlap_policy="allow_all", is_exclusive=False, max_running=3)
    worker, actor = stage.worker(), stage.actor()
    (older,) = actor.claim(worker)
    stage.make_due(job)
    (newer,) = actor.claim(worker)
    actor.finish(worker, failure(stage, newer))
    actor.finish(worker, success(stage, older))
    assert told(stage) == [("failed", None)]


def test_what_fails_after_somebody_enabled_the_job_again_is_another_streak(stage: Stage) -> None:
    ending = Ending(stage, max_consecutive_failures=1)
    ending.fails()
    assert [event for event, _ in told(stage)] == ["failed", "auto_disabled"]
    stage.do("SELECT pgcron.enable('job')")
    stage.plan()
    ending.fails()
    assert [event for event, _ in told(stage)] == ["failed", "auto_disabled"] * 2
    assert stage.row("SELECT count(*) AS n FROM pgcron.cron_alert WHERE resolved_at IS NULL") == {"n": 1}


def test_the_outbox_row_is_part_of_the_finishing_transaction(stage: Stage) -> None:
    ending = Ending(stage)
    run = ending.begin()
    ending.actor.say("BEGIN")
    ending.actor.finish(ending.worker, failure(stage, run))
    assert told(stage) == []
    ending.actor.rollback()
    assert told(stage) == []
    assert stage.rows("SELECT * FROM pgcron.cron_alert") == []


def test_only_one_of_two_workers_looks_and_not_twice_in_a_round(stage: Stage) -> None:
    one, two = stage.actor(), stage.actor()
    one.say("BEGIN")
    assert one.say(LOOK) == [(True,)]
    assert two.say(LOOK) == [(False,)]
    one.commit()
    assert two.say(LOOK) == [(False,)]


def test_a_job_that_is_late_is_told_once_and_so_is_its_being_on_time_again(stage: Stage) -> None:
    job = stage.job(due=60, late_after_ms=30_000)
    for _ in range(3):
        look(stage)
    assert told(stage) == [("late", None)]
    stage.do("UPDATE pgcron.cron_job SET next_run_at = clock_timestamp() + interval '1 h', next_scheduled_for = clock_timestamp() + interval '1 h' WHERE id = %s", job)  # fmt: skip
    look(stage)
    assert told(stage) == [("late", None), ("recovered", "late")]


def test_a_run_that_began_late_between_two_looks_is_told_too(stage: Stage) -> None:
    stage.job(due=60, late_after_ms=30_000)
    look(stage)
    stage.do("DELETE FROM pgcron.cron_alert; DELETE FROM pgcron.cron_outbox")  # nobody looked while it was due
    stage.actor().claim(stage.worker())
    look(stage)
    assert told(stage) == [("late", None)]


def test_nothing_is_late_while_the_fleet_is_paused(stage: Stage) -> None:
    stage.job(due=60, late_after_ms=30_000)
    stage.do("SELECT pgcron.pause_all()")
    look(stage)
    assert told(stage) == []


def test_a_run_that_goes_on_for_too_long_is_slow_before_it_ends(stage: Stage) -> None:
    ending = Ending(stage, slow_after_ms=60_000)
    run = ending.begin()
    look(stage)
    assert told(stage) == []
    stage.do("UPDATE pgcron.cron_log SET started_at = started_at - interval '2 min'")
    look(stage)
    assert told(stage) == [("slow", None)]
    assert stage.row("SELECT run_id FROM pgcron.cron_outbox")["run_id"] == run
    ending.actor.finish(ending.worker, success(stage, run, duration=120_000))
    look(stage)
    assert told(stage) == [("slow", None)]  # the last success is slow
    ending.succeeds(duration=10)
    look(stage)
    look(stage)
    assert told(stage) == [("slow", None), ("recovered", "slow")]


def test_slow_is_also_several_times_what_is_usual(stage: Stage) -> None:
    ending = Ending(stage, slow_factor=3)
    for number in range(1, 10):
        ending.succeeds(duration=90 + number)
    ending.succeeds(duration=900)
    look(stage)
    assert told(stage) == []  # nine runs say nothing of what is usual
    ending.succeeds(duration=95)
    stage.do("UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() - interval '15 s'")
    ending.succeeds(duration=3000)
    look(stage)
    assert told(stage) == [("slow", None)]
    payload = stage.row("SELECT payload FROM pgcron.cron_outbox")["payload"]
    assert (payload["duration_ms"], payload["p95_ms"], payload["limit_ms"]) == (3000, 900, 2700)


def test_a_job_without_a_success_for_too_long_is_told(stage: Stage) -> None:
    ending = Ending(stage, must_succeed_every_ms=3_600_000, max_consecutive_failures=2)
    ending.succeeds()
    look(stage)
    assert told(stage) == []
    stage.do("SET session_replication_role = replica; UPDATE pgcron.cron_log SET completed_at = completed_at - interval '2 h', started_at = started_at - interval '2 h'; SET session_replication_role = origin")  # fmt: skip
    look(stage)
    assert told(stage) == [("unsuccessful", None)]
    ending.fails()
    ending.fails()  # and so it is disabled, by nobody's wish
    look(stage)
    assert ("recovered", "unsuccessful") not in told(stage)
    stage.do("SELECT pgcron.enable('job')")
    stage.plan()
    ending.succeeds()
    assert ("recovered", "unsuccessful") in told(stage)


def test_a_job_that_never_succeeded_counts_from_when_it_was_made(stage: Stage) -> None:
    stage.job(due=None, must_succeed_every_ms=3_600_000)
    look(stage)
    assert told(stage) == []
    stage.do("UPDATE pgcron.cron_job SET created_at = created_at - interval '2 h'")
    look(stage)
    assert told(stage) == [("unsuccessful", None)]


def test_a_handler_that_no_live_worker_has_is_told_after_five_minutes_and_is_no_failure(stage: Stage) -> None:
    stage.job(due=None)
    stage.job("orphan", due=None, handler="tests:nobody")
    stage.job("elsewhere", due=None, queue="other")
    look(stage)
    assert stage.rows("SELECT * FROM pgcron.cron_alert") == []  # no worker at all: that is another alert
    stage.worker()
    look(stage)
    assert told(stage) == []
    stage.do("UPDATE pgcron.cron_alert SET opened_at = opened_at - interval '4 min'")
    look(stage)
    assert told(stage) == []
    stage.do("UPDATE pgcron.cron_alert SET opened_at = opened_at - interval '1 min'")
    look(stage)
    look(stage)
    assert stage.rows("SELECT job_name FROM pgcron.cron_outbox") == [
        {"job_name": "orphan"}
    ]  # the worker serves all queues
    assert stage.row("SELECT sum(failure_count) AS n FROM pgcron.cron_job") == {"n": 0}
    stage.do("SELECT pgcron.disable('orphan')")
    look(stage)
    assert ("recovered", "no_worker") in told(stage)


def test_an_alert_of_no_worker_that_is_over_before_it_was_told_is_never_told(stage: Stage) -> None:
    stage.job("orphan", due=None, handler="tests:nobody")
    stage.worker()
    look(stage)
    stage.do("UPDATE pgcron.cron_job SET handler = %s", HANDLER)
    look(stage)
    assert told(stage) == []
    assert stage.rows("SELECT * FROM pgcron.cron_alert WHERE resolved_at IS NULL") == []


def test_a_missed_occurrence_is_told_once_for_as_long_as_nothing_succeeds(stage: Stage) -> None:
    ending = Ending(stage)
    look(stage)

    def miss(reason: str, minute: int) -> None:
        at = f"clock_timestamp() - interval '{minute} min'"
        stage.do(
            f"INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) VALUES (%s, %s, {at} - interval '1 s', {at}, {at}, {at}, 1)",
            ending.job, reason,
        )  # fmt: skip

    miss("coalesced", 9)
    look(stage)
    assert told(stage) == []  # what a policy wants is nothing to tell
    miss("too_late", 8)
    look(stage)
    miss("too_late", 7)
    look(stage)
    assert told(stage) == [("missed", None)]
    ending.succeeds()
    look(stage)
    assert told(stage) == [("missed", None), ("recovered", "missed")]


def test_who_comes_back_tells_from_when_until_when_the_fleet_was_silent(stage: Stage) -> None:
    stage.job(due=5)
    look(stage)
    stage.do("UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() - interval '10 min'")
    assert stage.helper.say(LOOK) == [(True,)]
    assert told(stage) == [("fleet_silent", None)]
    row = stage.row("""SELECT payload ->> 'overdue' AS overdue, (payload ->> 'until')::timestamptz - (payload ->> 'since')::timestamptz
        BETWEEN '599 s' AND '630 s' AS is_right FROM pgcron.cron_outbox""")
    assert row == {"overdue": "1", "is_right": True}
    look(stage)
    assert told(stage) == [("fleet_silent", None)]


def test_a_fleet_without_an_enabled_job_may_be_silent(stage: Stage) -> None:
    look(stage)
    stage.do("UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() - interval '10 min'")
    stage.helper.say(LOOK)
    assert told(stage) == []


def test_a_look_and_a_finish_of_the_same_job_do_not_deadlock(stage: Stage) -> None:
    ending = Ending(stage, must_succeed_every_ms=1000)
    stage.do("UPDATE pgcron.cron_job SET created_at = created_at - interval '1 h'")
    look(stage)
    run = ending.begin()
    stage.do("UPDATE pgcron.cron_watch SET looked_at = looked_at - interval '15 s'")
    ending.actor.say("BEGIN")
    ending.actor.finish(ending.worker, success(stage, run))  # resolves the alert
    looker = stage.actor()
    waiting = looker.start_saying(LOOK)
    looker.waits_for_a_lock()
    ending.actor.commit()
    waiting.result(10)
    assert told(stage) == [("unsuccessful", None), ("recovered", "unsuccessful")]


def test_acknowledging_needs_an_alert(stage: Stage) -> None:
    ending = Ending(stage)
    ending.fails()
    (alert,) = stage.rows("SELECT id FROM pgcron.cron_alert")
    assert stage.row("SELECT pgcron.acknowledge(%s) AS first", alert["id"]) == {"first": True}
    assert stage.row("SELECT pgcron.acknowledge(%s) AS first", alert["id"]) == {"first": False}
    with pytest.raises(Exception, match="no alert is"):
        stage.do("SELECT pgcron.acknowledge(gen_random_uuid())")


def test_ends_of_runs_are_pinged_but_not_those_that_are_tried_again(stage: Stage) -> None:
    ending = Ending(stage, ping_url="http://127.0.0.1:1/uuid")
    ending.fails(is_strike=False, retry_after_ms=3_600_000, retry_attempt=2)
    assert stage.rows("SELECT * FROM pgcron.cron_delivery") == []
    ending.fails()
    ending.succeeds()
    rows = stage.rows("SELECT kind, ping FROM pgcron.cron_delivery ORDER BY seq")
    assert rows == [{"kind": "ping", "ping": "fail"}, {"kind": "ping", "ping": "success"}]
