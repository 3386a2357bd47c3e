"""A bad handler harms nobody else: time-outs that end, crashes that stay alone, processes that never outlive their worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from support.fleet import Fleet, is_alive, wait_for

NEIGHBOURS = """
@app.cron_job("fine-async", "* * * * * *")
async def fine_async() -> None: ...
@app.cron_job("fine-sync", "* * * * * *")
def fine_sync() -> None: ...
"""

REGEX = "import re; re.match(r'(a+)+$', 'a' * 64 + 'b')"  # holds the interpreter for longer than anybody waits


def run_now(fleet: Fleet, name: str) -> None:
    wait_for(
        lambda: not fleet.row("SELECT needs_plan FROM pgcron.cron_job WHERE name = %s", name)["needs_plan"], "planned"
    )
    fleet.do("SELECT pgcron.run_now(%s)", name)


ENDLESS = {
    "computing": "while True: pass",
    "sleeping": "time.sleep(600)",
    "in C": REGEX,
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
}


def test_a_timeout_really_ends_a_def_handler_and_only_it_whatever_it_does(fleet: Fleet) -> None:
    handlers = [
        f"@app.cron_job('{name}', '@yearly', timeout=0.3)\ndef bad{number}() -> None:\n    {body}\n"
        for number, (name, body) in enumerate(ENDLESS.items())
    ]
    fleet.app(NEIGHBOURS + "".join(handlers))
    worker = fleet.start()
    before = worker.async_executor()
    for name in ENDLESS:
        run_now(fleet, name)
        (run,) = fleet.ended(name, seconds=8)
        assert (run["reason"], run["is_strike"]) == ("timeout", True), name
        assert "timed out after 300 ms" in run["error"], name
        assert worker.async_executor() == before, name
    assert worker.stop() == 0
    assert (
        fleet.rows(
            "SELECT 1 FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name LIKE 'fine%%' AND l.status <> 'SUCCESS'"
        )
        == []
    )
    assert fleet.broken_invariants() == []


def test_a_def_handler_that_looks_at_its_context_ends_by_itself(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("polite", "@yearly", timeout=0.2)
        def polite(ctx: JobContext) -> None:
            while not ctx.cancelled:
                time.sleep(0.01)
            ctx.metadata["stopped"] = True
            raise RuntimeError("stopped in time")
    """)
    fleet.start()
    run_now(fleet, "polite")
    (run,) = fleet.ended("polite")
    assert (run["reason"], run["metadata"]) == ("timeout", {"stopped": True})
    assert run["duration"] < 1500


@pytest.mark.parametrize("body", ["time.sleep(600)", REGEX, "while True: pass"])
@pytest.mark.long
def test_an_async_handler_that_blocks_the_loop_is_ended_and_its_neighbours_are_innocent(
    fleet: Fleet, body: str
) -> None:
    fleet.app(f"""
        @app.cron_job("blocker", "@yearly", timeout=0.5)
        async def blocker() -> None:
            await asyncio.sleep(0.3)
            {body}
        @app.cron_job("neighbour", "@yearly", timeout=60, idempotent=True, backoff=0)
        async def neighbour(ctx: JobContext) -> None:
            await asyncio.sleep(30 if ctx.attempt == 1 else 0)
    """)
    worker = fleet.start()
    run_now(fleet, "neighbour")
    run_now(fleet, "blocker")
    (blocker,) = fleet.ended("blocker", seconds=8)
    assert (blocker["reason"], blocker["is_strike"]) == ("timeout", True)
    first, second = fleet.ended("neighbour", 2)
    assert (first["reason"], first["is_strike"], second["status"], second["attempt"]) == (
        "neighbour",
        False,
        "SUCCESS",
        2,
    )
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


def test_an_async_handler_that_swallows_its_cancellation_is_ended_with_its_executor(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("stubborn", "@yearly", timeout=0.2)
        async def stubborn() -> None:
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
    """)
    fleet.start()
    run_now(fleet, "stubborn")
    (run,) = fleet.ended("stubborn", seconds=8)
    assert run["reason"] == "timeout"
    assert fleet.broken_invariants() == []


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "signal SIGSEGV"),
        ("os.close(1); os.close(2); os._exit(0)", "exit code 0"),
    ],
)
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.long
def test_a_crash_fails_only_its_own_run_within_a_second(fleet: Fleet, kind: str, body: str, ending: str) -> None:
    fleet.app(NEIGHBOURS + f"@app.cron_job('bad', '@yearly')\n{kind} bad() -> None:\n    {body}\n")
    worker = fleet.start()
    fleet.ended("fine-sync")
    run_now(fleet, "bad")
    (run,) = fleet.ended("bad")
    assert (run["reason"], run["is_strike"]) == ("crashed", True)
    assert ending in run["error"]
    assert (run["completed_at"] - run["started_at"]).total_seconds() < 1
    count = fleet.row("SELECT count(*) AS n FROM pgcron.cron_log")["n"]
    wait_for(
        lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_log WHERE status = 'SUCCESS'")["n"] > count + 2,
        "others go on",
    )
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


def test_a_handler_that_forks_leaves_its_run_intact(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("forks", "@yearly")
        def forks() -> str:
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            return "parent"
    """)
    fleet.start()
    run_now(fleet, "forks")
    assert fleet.ended("forks")[0]["result"] == "parent"


def test_the_backend_of_a_transactional_run_that_timed_out_is_ended(fleet: Fleet) -> None:
    fleet.app(f"""
        @app.cron_job("stuck", "@yearly", timeout=0.5, transactional=True)
        def stuck(ctx: JobContext) -> None:
            ctx.connection.execute("INSERT INTO effect (what) VALUES ('stuck')")
            {REGEX}
    """)
    fleet.start()
    run_now(fleet, "stuck")
    (row,) = wait_for(
        lambda: fleet.rows("SELECT backend_pid FROM pgcron.cron_log WHERE backend_pid IS NOT NULL"), "it runs"
    )
    (run,) = fleet.ended("stuck", seconds=8)
    assert run["reason"] == "timeout"
    # SIGTERM may end the handler before anybody ends its backend: then its process has rolled back, and keeps the connection.
    wait_for(
        lambda: not fleet.rows("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND (state <> 'idle' OR xact_start IS NOT NULL)", row["backend_pid"]),
        "its backend is gone, or rolled back",
        2,
    )  # fmt: skip
    assert fleet.rows("SELECT * FROM effect") == []
    assert fleet.broken_invariants() == []


def test_no_more_def_handlers_run_at_a_time_than_there_are_processes(fleet: Fleet) -> None:
    fleet.app("""
        for n in range(6):
            def make(n):
                def work(ctx: JobContext) -> None:
                    ctx.metadata["from"] = time.time()
                    time.sleep(0.4)
                    ctx.metadata["to"] = time.time()
                return work
            app.cron_job(f"job {n}", "@yearly", handler=f"h{n}")(make(n))
    """)
    fleet.start("--processes", "2")
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan"), "planned")
    fleet.do("SELECT pgcron.run_now(name) FROM pgcron.cron_job")
    wait_for(
        lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_log WHERE status = 'SUCCESS'")["n"] == 6, "all ended"
    )
    spans = [row["metadata"] for row in fleet.rows("SELECT metadata FROM pgcron.cron_log")]
    beside = [sum(other["from"] <= span["from"] < other["to"] for other in spans) for span in spans]
    assert max(beside) == 2


@pytest.mark.parametrize("body", ["time.sleep(600)", REGEX])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_nothing_outlives_a_killed_supervisor(fleet: Fleet, kind: str, body: str) -> None:
    fleet.app(f"@app.cron_job('busy', '@yearly')\n{kind} busy() -> None:\n    {body}\n")
    worker = fleet.start()
    run_now(fleet, "busy")
    wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING'"), "it runs")
    below = worker.executor_pids()
    assert len(below) >= (3 if kind == "def" else 1)
    worker.signal(signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid) for pid in below), "everything below is gone", 5)


def test_an_executor_that_is_killed_again_and_again_while_it_starts_comes_back(fleet: Fleet) -> None:
    """Killed before it read its first message, it resets the connection instead of closing it."""
    fleet.app("@app.cron_job('fine', '@yearly')\nasync def fine() -> None: ...\n")
    worker = fleet.start()
    killed: set[int] = set()
    for _ in range(6):
        pid = wait_for(lambda: set(worker.async_executors()) - killed, "the next executor").pop()
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    run_now(fleet, "fine")
    (run,) = fleet.ended("fine")
    assert run["status"] == "SUCCESS"
    assert worker.stop() == 0


def test_an_executor_imports_nothing_of_what_only_its_supervisor_needs() -> None:
    code = (
        "import sys, pgcron_workers.executors.child, pgcron_workers.executors.sync_child; "
        "print([name for name in ('structlog', 'pydantic', 'click', 'rich', 'sqlalchemy') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
