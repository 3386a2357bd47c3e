"""Rules as a fleet obeys them: blackouts while it works, limits across workers, a job that runs alone, backfills."""

from __future__ import annotations

import pytest

from support.fleet import Fleet, wait_for

pytestmark = pytest.mark.long  # tests/storage/test_rules.py has each rule step by step

APP = """
import asyncio, time
from pgcron_py import JobContext, PgCron

app = PgCron("rules", release="1.4")

@app.cron_job("every second", "* * * * * *", tags=["dark"])
async def every_second(): ...

@app.handler("slow")
async def slow():
    await asyncio.sleep(0.5)

@app.handler("interval")
def interval(ctx: JobContext):
    begin, end = ctx.data_interval
    return {"is_backfill": ctx.is_backfill, "from": begin.isoformat(), "to": end.isoformat()}
"""
# Pairs of runs that went on at the same time.
TOGETHER = """
SELECT a.id FROM pgcron.cron_log a JOIN pgcron.cron_log b ON b.id <> a.id AND b.started_at < a.completed_at AND a.started_at < b.completed_at
 WHERE a.handler = 'slow' AND b.handler = 'slow'
"""
JOB = (
    "INSERT INTO pgcron.cron_job (name, schedule, handler, runs_alone, min_version) VALUES (%s, '@yearly', %s, %s, %s)"
)


def test_a_window_that_is_set_while_the_fleet_works_holds_at_once_and_ends_by_itself(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.start()
    fleet.ended("every second")
    fleet.do(
        "SELECT pgcron.set_blackout('now', clock_timestamp(), clock_timestamp() + interval '2.5 s', p_tag => 'dark')"
    )
    wait_for(
        lambda: fleet.rows("SELECT FROM pgcron.cron_miss WHERE reason = 'blackout' AND count >= 2"), "two are missed"
    )
    fleet.ended("every second", 3)
    started = "SELECT FROM pgcron.cron_log l, pgcron.cron_blackout b WHERE l.started_at > b.created_at + interval '0.1 s' AND l.started_at < b.ends_at"  # fmt: skip
    assert fleet.rows(started) == []
    assert fleet.broken_invariants() == []


def test_a_limit_holds_across_workers_and_nothing_is_left_behind(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.do("SELECT pgcron.set_limit('handler', 'slow', 1)")
    fleet.start()
    fleet.start()
    for number in range(5):
        fleet.do(JOB, f"slow {number}", "slow", False, None)
    fleet.planned()
    fleet.do("SELECT pgcron.run_now(name) FROM pgcron.cron_job WHERE handler = 'slow'")
    for number in range(5):
        fleet.ended(f"slow {number}", seconds=30)
    assert fleet.rows(TOGETHER) == []


def test_a_job_that_runs_alone_gets_its_turn_between_the_others(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.start()
    fleet.do(JOB, "other", "slow", False, None)
    fleet.do(JOB, "lonely", "slow", True, None)
    fleet.planned()
    for _ in range(2):
        fleet.do("SELECT pgcron.run_now('other'), pgcron.run_now('lonely')")
        wait_for(
            lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_request WHERE state = 'PENDING'")["n"] == 0,
            "both began",
        )
        wait_for(
            lambda: not fleet.rows("SELECT FROM pgcron.cron_log WHERE status = 'RUNNING' AND handler = 'slow'"),
            "both ended",
        )
    beside = "SELECT FROM pgcron.cron_log a JOIN pgcron.cron_log b ON b.id <> a.id AND b.started_at < a.completed_at AND a.started_at < coalesce(b.completed_at, 'infinity') JOIN pgcron.cron_job j ON j.id = a.job_id AND j.runs_alone"  # fmt: skip
    assert fleet.rows(beside) == []
    fleet.ended("lonely", 2)
    fleet.ended("every second")


def test_an_older_release_leaves_a_job_to_newer_ones(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.do(JOB, "new", "slow", False, "1.5")
    fleet.do(JOB, "old", "slow", False, "1.4")
    fleet.start()
    fleet.planned()
    fleet.do("SELECT pgcron.run_now('new'), pgcron.run_now('old')")
    fleet.ended("old")
    fleet.ended("every second", 2)
    assert (
        fleet.rows("SELECT FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = 'new'") == []
    )
    fleet.app(APP.replace("1.4", "1.5"), name="newer")
    fleet.start("--app", "newer")
    fleet.ended("new")


def test_a_backfilled_run_knows_that_it_is_one_and_its_stretch_of_data(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.start()
    fleet.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, timezone) VALUES ('daily', '0 3 * * *', 'interval', 'Europe/Berlin')"
    )
    fleet.planned()
    fleet.do("SELECT pgcron.backfill('daily', '2026-03-29', '2026-03-31')")
    found = [run["result"] for run in fleet.ended("daily", 2)]
    assert found == [
        {"is_backfill": True, "from": "2026-03-28T02:00:00+00:00", "to": "2026-03-29T01:00:00+00:00"},
        {"is_backfill": True, "from": "2026-03-29T01:00:00+00:00", "to": "2026-03-30T01:00:00+00:00"},
    ]
