"""Cancelling from anywhere, and draining from afar: real workers, told by SQL and by the CLI."""

from __future__ import annotations

import json
import signal
import time

import psycopg
import pytest

from pgcron_py.cli import cli
from support.fleet import Fleet, wait_for

LONG = """
@app.cron_job("async", "@yearly", idempotent=True, max_attempts=3)
async def async_() -> None:
    await asyncio.sleep(600)
@app.cron_job("polite", "@yearly")
def polite(ctx: JobContext) -> None:
    while not ctx.cancelled:
        time.sleep(0.01)
    raise RuntimeError("stopped in time")
@app.cron_job("deaf", "@yearly")
def deaf() -> None:
    time.sleep(600)
@app.cron_job("writes", "@yearly", transactional=True)
async def writes(ctx: JobContext) -> None:
    await ctx.connection.execute("INSERT INTO effect (what) VALUES ('x')")
    await ctx.connection.execute("SELECT pg_sleep(600)")
"""

RUNNING = "SELECT l.id FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = %s AND l.status = 'RUNNING'"


def running(fleet: Fleet, name: str) -> str:
    fleet.planned()
    fleet.do("SELECT pgcron.run_now(%s)", name)
    return wait_for(lambda: fleet.rows(RUNNING, name), f"{name} runs")[0]["id"]


def test_a_run_is_cancelled_from_sql_within_a_second_and_says_by_whom_and_why(fleet: Fleet) -> None:
    fleet.app(LONG)
    worker = fleet.start()
    for name in ("async", "polite", "deaf", "writes"):
        run = running(fleet, name)
        time.sleep(0.2)  # its handler is at work
        started = time.monotonic()
        fleet.do("SELECT set_config('pgcron.actor', 'ana', false), pgcron.cancel_run(%s, 'wrong month')", run)
        (ended,) = fleet.ended(name)
        assert time.monotonic() - started < 1 + 2 * float(fleet.environment["PGCRON_CANCEL_GRACE"]), name
        assert (ended["status"], ended["reason"], ended["is_strike"]) == ("FAILED", "cancelled", False), name
        assert ended["error"] == "cancelled by ana: wrong month"
        assert (ended["cancel_requested_by"], ended["cancel_reason"]) == ("ana", "wrong month")
    assert fleet.rows("SELECT * FROM effect") == []
    assert fleet.rows("SELECT 1 FROM pgcron.cron_request WHERE state = 'PENDING'") == []  # never tried again
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


def test_the_cli_cancels_a_run_and_waits_for_its_end(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.app(LONG)
    fleet.start()
    running(fleet, "async")
    with pytest.raises(SystemExit) as exit_:
        cli(["runs", "cancel", "async#1", "--wait", "--reason", "enough", "--database-url", fleet.url])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "FAILED (cancelled)" in out
    assert ": enough" in out
    with pytest.raises(SystemExit) as exit_:
        cli(["runs", "cancel", "async#1", "--database-url", fleet.url])
    assert exit_.value.code == 1
    assert "has ended" in capsys.readouterr().err


def test_cancelling_a_job_ends_what_goes_on_and_what_waits(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.app(LONG)
    fleet.start()
    running(fleet, "async")
    fleet.do(
        "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) SELECT id, 'backfill', clock_timestamp() FROM pgcron.cron_job WHERE name = 'async'"
    )
    with pytest.raises(SystemExit):
        cli(["jobs", "cancel", "async", "--reason", "stop it", "--database-url", fleet.url])
    assert "1 run asked to end, 1 waiting request cancelled" in capsys.readouterr().out
    assert fleet.ended("async")[0]["reason"] == "cancelled"
    assert fleet.row("SELECT state, cancel_reason FROM pgcron.cron_request WHERE cause = 'backfill'") == {
        "state": "CANCELLED",
        "cancel_reason": "stop it",
    }
    assert fleet.row("SELECT is_enabled FROM pgcron.cron_job WHERE name = 'async'") == {"is_enabled": True}
    with pytest.raises(SystemExit) as exit_:
        cli(["jobs", "cancel", "async", "--database-url", fleet.url])
    assert exit_.value.code == 3
    assert fleet.broken_invariants() == []


def test_a_worker_is_drained_from_afar_and_its_runs_end_first(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.app("""
        @app.cron_job("slow", "@yearly")
        async def slow() -> None:
            await asyncio.sleep(1)
    """)
    worker = fleet.start()
    running(fleet, "slow")
    id_ = str(fleet.row("SELECT id FROM pgcron.cron_worker")["id"])
    with pytest.raises(SystemExit) as exit_:
        cli(
            [
                "workers",
                "drain",
                id_[:30],
                "--wait",
                "--timeout",
                "20",
                "--reason",
                "new kernel",
                "--database-url",
                fleet.url,
            ]
        )
    assert exit_.value.code == 0
    assert "has left" in capsys.readouterr().out
    assert worker.process.wait(10) == 0
    assert fleet.ended("slow")[0]["status"] == "SUCCESS"
    assert fleet.row("SELECT state, drain_reason FROM pgcron.cron_worker") == {
        "state": "GONE",
        "drain_reason": "new kernel",
    }
    with pytest.raises(psycopg.Error, match="nothing to drain") as refusal:
        fleet.do("SELECT pgcron.drain_worker(%s)", id_)
    assert refusal.value.sqlstate == "PC011"
    assert fleet.broken_invariants() == []


def test_a_worker_that_drains_claims_nothing_more(fleet: Fleet) -> None:
    fleet.app("@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n")
    worker = fleet.start()
    fleet.ended("tick", 1)
    fleet.do("SELECT pgcron.drain_worker(id) FROM pgcron.cron_worker")
    count = fleet.row("SELECT run_seq AS n FROM pgcron.cron_job")["n"]
    assert worker.process.wait(10) == 0
    assert fleet.row("SELECT run_seq AS n FROM pgcron.cron_job")["n"] == count


@pytest.mark.long
def test_a_worker_that_was_declared_dead_before_it_heard_that_it_should_drain_leaves_all_the_same(fleet: Fleet) -> None:
    fleet.app("@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n")
    fleet.environment |= {"PGCRON_LEASE_TTL": "4", "PGCRON_BEAT": "0.5"}
    worker = fleet.start()
    worker.signal_tree(signal.SIGSTOP)
    fleet.do("SELECT pgcron.drain_worker(id) FROM pgcron.cron_worker")
    fleet.start()
    wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_worker WHERE state = 'DEAD'"), "it is reaped", 15)
    worker.signal_tree(signal.SIGCONT)
    assert worker.process.wait(15) == 0
    assert fleet.row("SELECT count(*) AS n FROM pgcron.cron_worker") == {"n": 2}
    assert fleet.broken_invariants() == []


def test_a_chosen_run_is_tried_again_with_its_arguments(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.app("""
        @app.cron_job("adds", "@yearly", args={"n": 1})
        async def adds(ctx: JobContext, n: int) -> int:
            if ctx.attempt == 1:
                raise ValueError("the first time")
            return n
    """)
    fleet.start()
    fleet.planned()
    fleet.do("SELECT pgcron.run_now('adds', '{\"n\": 7}')")
    fleet.ended("adds")
    with pytest.raises(SystemExit) as exit_:
        cli(["runs", "retry", "adds#1", "--wait", "--timeout", "20", "--json", "--database-url", fleet.url])
    assert exit_.value.code == 0
    run = json.loads(capsys.readouterr().out)
    assert (run["cause"], run["attempt"], run["result"], run["args"]) == ("retry", 2, 7, {"n": 7})
    fleet.do("SELECT pgcron.disable('adds')")
    with pytest.raises(SystemExit) as exit_:
        cli(["runs", "retry", "adds#1", "--database-url", fleet.url])
    assert exit_.value.code == 1
    assert fleet.broken_invariants() == []
