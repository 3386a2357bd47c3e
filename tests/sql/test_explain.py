"""explain(): each thing that keeps a job from running, produced for real, is the answer, with its evidence."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from pgcron_py.domain.words import Reason, WorkerId
from pgcron_py.storage import rules
from support.steps import HANDLER, Stage, failure


def answer(stage: Stage, name: str = "job") -> tuple[str, str]:
    """Topic and words of what blocks it first; of the last step when nothing does."""
    steps = stage.rows("SELECT * FROM pgcron.explain(%s) ORDER BY step", name)
    blocking = [step for step in steps if step["verdict"] == "blocks"]
    assert all(step["message"] and isinstance(step["evidence"], dict) for step in steps)
    chosen = blocking[0] if blocking else steps[-1]
    return (chosen["topic"] if blocking else "nothing"), chosen["message"]


def evidence(stage: Stage, topic: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.row("SELECT evidence FROM pgcron.explain('job') WHERE topic = %s", topic)["evidence"]
    return found


@pytest.fixture
def worker(stage: Stage) -> WorkerId:
    return stage.worker()


def test_nothing_blocks_it(stage: Stage, worker: WorkerId) -> None:
    stage.job(due=None)
    topic, words = answer(stage)
    assert topic == "nothing"
    assert words.startswith("its next run is at ")


def test_an_unknown_job_is_refused(stage: Stage) -> None:
    with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.Error, match="no job is named"):
        connection.execute("SELECT * FROM pgcron.explain('nobody')")


def test_it_is_disabled_by_somebody(stage: Stage, worker: WorkerId) -> None:
    stage.job()
    stage.do("SET pgcron.actor = 'ana'")
    stage.do("SELECT pgcron.disable('job', 'the ledger is closed', clock_timestamp() + interval '1 h')")
    topic, words = answer(stage)
    assert topic == "enabled"
    assert "disabled by ana since" in words
    assert "the ledger is closed; it will be enabled at" in words
    assert evidence(stage, "enabled")["disabled_by"] == "ana"


def test_it_disabled_itself(stage: Stage, worker: WorkerId) -> None:
    stage.job(max_consecutive_failures=1)
    (run,) = stage.actor().claim(worker)
    stage.actor().finish(worker, failure(stage, run, Reason.ERROR))
    topic, words = answer(stage)
    assert topic == "enabled"
    assert "1 consecutive failures, the last: boom" in words


def test_the_fleet_is_paused(stage: Stage, worker: WorkerId) -> None:
    stage.job()
    stage.do("SELECT pgcron.pause_all('disk full')")
    assert answer(stage)[0] == "fleet"
    assert "disk full" in answer(stage)[1]


def test_a_worker_has_to_plan_it(stage: Stage, worker: WorkerId) -> None:
    stage.job()
    stage.do("UPDATE pgcron.cron_job SET schedule = '0 1 * * *'")
    assert answer(stage)[0] == "plan"
    assert "has to plan it" in answer(stage)[1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"schedule": "0 0 12 1 1 * 2020"}, "no further occurrence"),
        ({"schedule": "@daily", "end_at": "2020-01-01"}, "period ended"),
        ({"schedule": "@reboot"}, "when the fleet starts"),
    ],
)
def test_its_schedule_has_ended(stage: Stage, worker: WorkerId, columns: dict[str, Any], words: str) -> None:
    stage.job(due=None, **columns)
    assert answer(stage)[0] == "plan"
    assert words in answer(stage)[1]


def test_all_its_runs_were_started(stage: Stage, worker: WorkerId) -> None:
    stage.job(max_runs=1)
    (run,) = stage.actor().claim(worker)
    stage.actor().finish(worker, failure(stage, run, Reason.CANCELLED))
    assert answer(stage) == ("plan", "its schedule has started 1 of 1 runs: it is over")


def test_a_run_holds_it(stage: Stage, worker: WorkerId) -> None:
    job = stage.job()
    stage.actor().claim(worker)
    stage.make_due(job)
    topic, words = answer(stage)
    assert topic == "running"
    assert f"on worker {worker} (test, pid 1); overlap policy: skip" in words
    stage.lapse(worker)
    assert "about to be reaped" in answer(stage)[1]


def test_no_worker_is_alive(stage: Stage) -> None:
    stage.job()
    assert answer(stage) == ("worker", "no worker is alive")


def test_no_worker_has_the_handler(stage: Stage, worker: WorkerId) -> None:
    stage.job(handler="elsewhere:work")
    assert answer(stage) == ("worker", "no live worker has handler elsewhere:work")


def test_no_worker_serves_the_queue(stage: Stage, worker: WorkerId) -> None:
    stage.job()
    stage.do("UPDATE pgcron.cron_worker SET queues = '{other}'")
    assert answer(stage) == ("worker", "no live worker serves queue default")


def test_no_worker_is_new_enough(stage: Stage, worker: WorkerId) -> None:
    stage.job(min_version="2.0")
    stage.do("UPDATE pgcron.cron_worker SET release = '1.9'")
    assert answer(stage) == ("worker", "no live worker has release 2.0 or a newer one (min_version)")


def test_all_slots_are_taken(stage: Stage, worker: WorkerId) -> None:
    stage.job("other")
    stage.actor().claim(worker)
    stage.do("UPDATE pgcron.cron_worker SET concurrency = 1")
    stage.job()
    assert answer(stage)[0] == "slots"


@pytest.mark.parametrize(("action", "words"), [("skip", "missed"), ("delay", "delayed")])
def test_a_blackout_is_on(stage: Stage, worker: WorkerId, action: str, words: str) -> None:
    stage.job(tags=["shop"])
    stage.do("SELECT pgcron.set_blackout('freeze', clock_timestamp(), clock_timestamp() + interval '1 h', p_tag => 'shop', p_action => %s, p_reason => 'release')", action)  # fmt: skip
    topic, said = answer(stage)
    assert topic == "blackout"
    assert "(release)" in said
    assert said.endswith(words)
    assert evidence(stage, "blackout")["blackout"] == "freeze"


def test_its_next_occurrence_falls_into_a_blackout(stage: Stage, worker: WorkerId) -> None:
    stage.job(due=None, schedule="0 0 1 1 *")
    stage.do("SELECT pgcron.set_blackout('new year', p_schedule => '0 0 1 1 *', p_duration => interval '1 day')")
    topic, said = answer(stage)
    assert topic == "blackout"
    assert "its next occurrence falls into blackout new year" in said


def test_windows_that_run_into_one_another_are_one(stage: Stage) -> None:
    stage.do("SELECT pgcron.set_blackout('b', p_schedule => '0 */2 * * *', p_duration => interval '2 h')")
    stage.do("SELECT pgcron.set_blackout('c', p_schedule => '0 0,1 * * *', p_duration => interval '90 min')")
    at = "SELECT pgcron.blackout_until(b, '2026-01-01 00:30+00') - '2026-01-01 00:00+00'::timestamptz AS length FROM pgcron.cron_blackout b WHERE name = %s"
    assert stage.row(at, "c")["length"].total_seconds() == 2.5 * 3600
    assert stage.row(at, "b")["length"].total_seconds() > 100 * 3600
    assert stage.row(
        "SELECT pgcron.blackout_until(b, '2026-01-01 02:30+00') AS ends FROM pgcron.cron_blackout b WHERE name = 'c'"
    ) == {"ends": None}


def test_a_limit_is_used_up(stage: Stage, worker: WorkerId) -> None:
    stage.job("other")
    stage.actor().claim(worker)
    stage.do("SELECT pgcron.set_limit('queue', 'default', 1)")
    stage.job()
    assert answer(stage) == ("limit", "limit of queue default: 1 of 1 run")
    stage.do("SELECT pgcron.set_limit('queue', 'default', NULL, 1)")
    assert answer(stage) == ("limit", "limit of queue default: 0 starts left of 1 a minute")
    assert stage.actor().claim(worker) == []  # the claim agrees


def test_another_job_runs_alone(stage: Stage, worker: WorkerId) -> None:
    lonely = stage.job("lonely", runs_alone=True)
    stage.job()
    stage.actor().do(lambda connection: rules.close_gate(connection, lonely, worker))  # type: ignore[arg-type]  # a UUID
    assert answer(stage) == ("alone", "job 'lonely' waits to run alone")
    stage.do("UPDATE pgcron.cron_job SET running_count = 1 WHERE name = 'lonely'")
    assert answer(stage) == ("alone", "job 'lonely' runs alone")


def test_it_waits_for_others_to_run_alone(stage: Stage, worker: WorkerId) -> None:
    stage.job("other")
    stage.actor().claim(worker)
    stage.job(runs_alone=True)
    assert answer(stage) == ("alone", "it runs alone, and 1 others run")


def test_a_retry_waits_for_its_time(stage: Stage, worker: WorkerId) -> None:
    stage.job()
    (run,) = stage.actor().claim(worker)
    stage.actor().finish(worker, failure(stage, run, Reason.ERROR, retry_after_ms=60_000))
    topic, words = answer(stage)
    assert topic == "request"
    assert words.startswith("attempt 2 waits for ")


def test_the_next_one_is_skipped_on_request(stage: Stage, worker: WorkerId) -> None:
    stage.job(due=None)
    stage.do("SELECT pgcron.skip_next('job')")
    assert answer(stage)[0] == "skip"


@pytest.mark.parametrize(("gap", "words"), [("run_after", r"at \1 01:00:00 UTC"), ("skip", "left out")])
def test_the_clocks_skip_its_time(stage: Stage, worker: WorkerId, gap: str, words: str) -> None:
    """02:30 on the last Sunday of March, in Berlin."""
    stage.job(due=None, schedule="30 2 * 3 0L", timezone="Europe/Berlin", dst_gap=gap)
    message = stage.row("SELECT message FROM pgcron.explain('job') WHERE topic = 'clocks'")["message"]
    said = r"(\d{4}-03-\d\d) 02:30:00 does not exist in Europe/Berlin, the clocks skip it: the run is "
    assert re.fullmatch(said + words, message), message


def test_it_tells_what_was_missed_last(stage: Stage, worker: WorkerId) -> None:
    stage.job(starting_deadline_ms=1000, due=60)
    stage.actor().claim(worker)
    message = stage.row("SELECT message FROM pgcron.explain('job') WHERE topic = 'missed'")["message"]
    assert message.startswith("last missed: 1, up to ")
    assert message.endswith("(too_late)")


def test_a_reader_may_ask_whatever_rules_there_are(stage: Stage, reader_url: str) -> None:
    stage.job(handler=HANDLER)
    stage.do("SELECT pgcron.set_blackout('nights', p_schedule => '0 22 * * *', p_duration => interval '8 hours')")
    stage.do("SELECT pgcron.set_limit('handler', %s, 3)", HANDLER)
    with psycopg.connect(reader_url) as connection:
        assert connection.execute("SELECT count(*) FROM pgcron.explain('job')").fetchone()[0] > 3  # type: ignore[index]  # a count has a row
