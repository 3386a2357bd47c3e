"""Statistics: against the slow way, over random pasts; and each run counted once, whoever dies or comes at the same time."""

from __future__ import annotations

import os
import random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from pgcron_py.domain.words import Reason
from pgcron_py.storage import retention, statistics
from support import history
from support.ageing import ended, make_old
from support.history import Past
from support.steps import Actor, Stage, failure, success

WINDOWS = ("24 hours", "7 days", "30 days")
TOTAL = """
SELECT coalesce(sum(d.run_count), 0)::int AS counted, coalesce(sum(d.success_count), 0)::int AS successes,
  coalesce(sum(d.duration_sum_ms), 0)::int AS duration FROM pgcron.cron_daily d
"""


def count(actor: Actor, limit: int = 1000) -> int:
    """Every batch of one round."""
    total, after = 0, retention.BEGINNING
    while True:
        counted, last, held = actor.do(lambda c, it=after: statistics.count_some_runs(c, it, limit))
        total += counted
        if last is None:
            return total
        after = held or last


def figures(stage: Stage, window: str, name: str = "job") -> dict[str, Any]:
    return stage.row("SELECT * FROM pgcron.statistics_of(%s, %s::interval)", name, window)


def check(stage: Stage, runs: list[Past], *, downtime: bool = True) -> None:
    for window in WINDOWS:
        found = figures(stage, window)
        wanted = history.expected(runs, found["from_at"], found["to_at"])
        wanted["longest_failure_streak"] = history.longest_failure_streak(runs)
        for name, values in (("duration", wanted.pop("durations")), ("lag", wanted.pop("lags"))):
            for share in (50, 95):
                value = history.quantile(values, share / 100)
                assert found[f"{name}_p{share}_ms"] == (value and pytest.approx(value, rel=0.05)), (window, name, share)
        for name, value in wanted.items():
            if downtime or name not in ("downtime_ms", "uptime"):
                # Downtime: each stretch is rounded to a millisecond, on each of its days.
                assert found[name] == (
                    pytest.approx(value, rel=1e-4, abs=100 if name == "downtime_ms" else 1e-4)
                    if isinstance(value, float)
                    else value
                ), (window, name)


@pytest.mark.parametrize("seed", range(200 if os.environ.get("PGCRON_PROOF") else 8))
def test_figures_are_those_of_the_slow_way_counted_or_not_purged_or_not(stage: Stage, seed: int) -> None:
    draw = random.Random(seed)
    job = stage.job(due=None)
    runs = history.drawn(draw, draw.choice([3, 60, 400]), draw.choice([2, 12, 45]))
    cut = draw.randrange(1, len(runs))
    history.write(stage, job, runs[:cut])
    check(stage, runs[:cut])
    actor = stage.actor()
    assert count(actor, draw.choice([1, 7, 1000])) == cut
    check(stage, runs[:cut])
    history.write(stage, job, runs[cut:])
    check(stage, runs)
    assert count(actor, draw.choice([1, 7, 1000])) == len(runs) - cut
    check(stage, runs)
    assert count(actor) == 0
    stage.do(
        "DELETE FROM pgcron.cron_log WHERE started_at < clock_timestamp() - %s * interval '1 day' AND seq < %s",
        draw.choice([0.01, 0.5, 5, 20]), len(runs),
    )  # fmt: skip
    check(stage, runs)
    stage.do("DELETE FROM pgcron.cron_log")
    check(stage, runs)


@pytest.mark.parametrize("seed", range(2))
def test_runs_that_overlap_are_counted_as_well(stage: Stage, seed: int) -> None:
    draw = random.Random(100 + seed)
    job = stage.job(due=None, is_exclusive=False, overlap_policy="allow_all", max_running=100)
    runs = history.drawn(draw, 300, 4, overlapping=True)
    history.write(stage, job, runs)
    check(stage, runs, downtime=False)
    count(stage.actor(), 50)
    check(stage, runs, downtime=False)


def test_a_job_without_runs_has_no_figures(stage: Stage) -> None:
    stage.job(due=None)
    found = figures(stage, "7 days")
    assert (found["run_count"], found["success_rate"], found["uptime"], found["duration_p95_ms"]) == (
        0,
        None,
        None,
        None,
    )
    assert count(stage.actor()) == 0


def test_a_job_that_fails_is_down_until_now(stage: Stage) -> None:
    job = stage.job(due=None, max_consecutive_failures=None)
    stage.do("UPDATE pgcron.cron_job SET created_at = created_at - interval '10 s'")
    ended(stage, job, 1)
    assert figures(stage, "1 hour")["uptime"] == 1
    ended(stage, job, 2, lambda stage, run: failure(stage, run, Reason.ERROR))
    found = figures(stage, "1 hour")
    assert (found["failure_streak"], found["success_streak"]) == (2, 0)
    assert 0 < found["uptime"] < 1
    count(stage.actor())
    assert figures(stage, "1 hour")["downtime_ms"] > found["downtime_ms"]
    ended(stage, job, 1)
    assert figures(stage, "1 hour")["downtime_ms"] == figures(stage, "1 hour")["downtime_ms"]


def test_a_window_must_be_one(stage: Stage) -> None:
    stage.job(due=None)
    with pytest.raises(psycopg.Error, match="a window of") as refused:
        figures(stage, "-1 day")
    assert refused.value.sqlstate == "PC014"
    with pytest.raises(psycopg.Error) as refused:
        figures(stage, "1 day", "nobody")
    assert refused.value.sqlstate == "PC007"


def test_a_run_that_goes_on_is_counted_when_it_has_ended(stage: Stage) -> None:
    job = stage.job(due=0, is_exclusive=False, overlap_policy="allow_all", max_running=9)
    worker, actor = stage.worker(), stage.actor()
    (slow,) = actor.claim(worker)
    stage.make_due(job)
    (quick,) = actor.claim(worker)
    actor.finish(worker, success(stage, quick))
    assert count(actor) == 1
    assert stage.row("SELECT seq, open_seqs FROM pgcron.cron_daily_mark") == {"seq": 2, "open_seqs": [1]}
    assert count(actor) == 0
    actor.finish(worker, success(stage, slow, duration=95))
    assert figures(stage, "1 hour")["run_count"] == 2
    assert count(actor) == 1
    assert stage.row(TOTAL) == {"counted": 2, "successes": 2, "duration": 100}
    assert stage.row("SELECT open_seqs FROM pgcron.cron_daily_mark") == {"open_seqs": []}


def test_whoever_is_killed_while_counting_has_counted_nothing(stage: Stage) -> None:
    job = stage.job(due=None)
    ended(stage, job, 5)
    victim = stage.actor()
    victim.say("BEGIN")
    assert count(victim) == 5
    stage.do("SELECT pg_terminate_backend(%s, 5000)", victim.pid)
    assert stage.row(TOTAL)["counted"] == 0
    assert count(stage.actor()) == 5
    assert stage.row(TOTAL)["counted"] == 5


def test_two_that_count_at_once_count_each_run_once(stage: Stage) -> None:
    job = stage.job(due=None)
    ended(stage, job, 3)
    one, two = stage.actor(), stage.actor()
    one.say("BEGIN")
    assert count(one) == 3
    assert count(two) == 0  # the job is held: left for the next round
    one.commit()
    assert count(two) == 0
    assert stage.row(TOTAL)["counted"] == 3


def test_a_finish_that_commits_while_others_count_is_not_forgotten(stage: Stage) -> None:
    """Its end lies before the counting in time, and becomes visible after it."""
    stage.job(due=0)
    worker, actor, counter = stage.worker(), stage.actor(), stage.actor()
    (run,) = actor.claim(worker)
    finish = success(stage, run)
    actor.say("BEGIN")
    actor.finish(worker, finish)
    assert count(counter) == 0
    actor.commit()
    assert count(counter) == 1


def test_runs_that_are_purged_before_they_were_counted_are_counted_with_it(stage: Stage) -> None:
    job = stage.job(due=None)
    old = ended(stage, job, 5)
    ended(stage, job, 1)
    make_old(stage, old, 91)
    actor = stage.actor()
    actor.say("BEGIN")
    batch = retention.Batch(90, limit=100)
    assert actor.do(lambda c: retention.purge_runs(c, batch))[0] == 5
    actor.rollback()
    assert stage.row(TOTAL)["counted"] == 0
    assert actor.do(lambda c: retention.purge_runs(c, batch))[0] == 5
    assert stage.row(TOTAL)["counted"] == 5
    assert count(actor) == 1
    assert stage.row("SELECT count(*) AS days FROM pgcron.cron_daily") == {"days": 2}


def test_a_purge_forgets_no_downtime(stage: Stage) -> None:
    job = stage.job(due=None)
    runs = history.drawn(random.Random(5), 200, 20)
    history.write(stage, job, runs)
    old = runs[:150]
    # As long as nothing is counted before it is deleted, nobody could tell how long the job was down.
    stage.do("UPDATE pgcron.cron_job SET retention_count = 50")
    assert stage.actor().do(lambda c: retention.purge_runs(c, retention.Batch(0, limit=1000, job=job)))[0] == len(old)
    assert count(stage.actor()) == len(runs) - len(old)
    found = stage.row("SELECT sum(downtime_ms)::float8 AS ms FROM pgcron.cron_daily")["ms"]
    wanted = history.expected(runs, runs[0].started_at, max(run.completed_at for run in runs))["downtime_ms"]
    assert found == pytest.approx(wanted, abs=500)


def delete(stage: Stage, seqs: list[int]) -> None:
    stage.do("DELETE FROM pgcron.cron_log WHERE seq = ANY (%s)", seqs)


def test_runs_that_somebody_deletes_in_psql_are_counted_once(stage: Stage) -> None:
    job = stage.job(due=None)
    ended(stage, job, 3)
    actor = stage.actor()
    delete(stage, [2])
    assert stage.row(TOTAL)["counted"] == 1
    assert count(actor) == 2
    delete(stage, [1])
    assert stage.row(TOTAL)["counted"] == 3
    ended(stage, job, 2)
    delete(stage, [3, 4, 5])
    assert stage.row(TOTAL) == {"counted": 5, "successes": 5, "duration": 25}
    assert count(actor) == 0
    assert stage.broken_invariants() == []


def test_a_delete_and_a_count_at_once_count_a_run_once(stage: Stage) -> None:
    job = stage.job(due=None)
    ended(stage, job, 3)
    counter, deleter = stage.actor(), stage.actor(stage.url)
    counter.say("BEGIN")
    assert count(counter) == 3
    deleting = deleter.start_saying("DELETE FROM pgcron.cron_log WHERE seq < 3")
    deleter.waits_for_a_lock()
    counter.commit()
    deleting.result(10)
    assert stage.row(TOTAL)["counted"] == 3
    ended(stage, job, 1)
    deleter.say("BEGIN")
    deleter.say("DELETE FROM pgcron.cron_log WHERE seq = 4")
    assert count(counter) == 0
    deleter.commit()
    count(counter)
    assert stage.row(TOTAL)["counted"] == 4


def test_a_job_and_its_days_go_together(stage: Stage) -> None:
    job = stage.job(due=None)
    ended(stage, job, 2)
    count(stage.actor())
    ended(stage, job, 1)
    stage.do("DELETE FROM pgcron.cron_job")
    assert stage.row(TOTAL)["counted"] == 0
    assert stage.rows("SELECT * FROM pgcron.cron_daily_mark") == []


def test_a_job_with_more_runs_than_a_batch_is_met_again(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        ended(stage, stage.job(name, due=None), 4)
    actor = stage.actor()
    assert actor.do(lambda c: statistics.count_some_runs(c, retention.BEGINNING, 3))[0] == 3
    assert count(actor, 3) == 9
    assert stage.row(TOTAL)["counted"] == 12


def test_a_large_job_that_somebody_holds_does_not_hold_up_the_round(stage: Stage) -> None:
    job = stage.job(due=None)
    ended(stage, job, 5)
    ended(stage, stage.job("other", due=None), 2)
    holder: Actor = stage.actor()
    holder.say("BEGIN")
    holder.say("SELECT 1 FROM pgcron.cron_job WHERE id = %s FOR NO KEY UPDATE", UUID(str(job)))
    assert count(stage.actor(), 2) == 2
    holder.rollback()
    assert count(stage.actor(), 2) == 5
