"""How soon everything goes on after a fault. Promises are in terms of the lease: 30 s in `make proof`, less otherwise."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from support.fleet import Fleet, Worker, wait_for
from support.proxy import Proxy

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

PROOF = os.environ.get("PGCRON_PROOF") == "1"
TTL = 30.0 if PROOF else 4.0
LEASE = {"PGCRON_LEASE_TTL": f"{TTL:g}", "PGCRON_BEAT": f"{TTL / 5:g}"}
REAPED_WITHIN = TTL + 10

Measured = Callable[[str, list[float], float], None]

LONG_RUNS = """
for index in range(6):
    def make():
        async def patient(ctx: JobContext) -> None:
            await asyncio.sleep(600 if ctx.attempt == 1 else 0)
        def stubborn(ctx: JobContext) -> None:
            time.sleep(600 if ctx.attempt == 1 else 0)
        return stubborn if index % 3 == 0 else patient
    app.cron_job(f"long {index}", "@yearly", handler=f"h{index}", idempotent=True, backoff=0)(make())
"""
TICK = """
@app.cron_job("tick", "* * * * * *")
async def tick() -> None: ...
@app.cron_job("tock", "* * * * * *")
def tock() -> None: ...
"""


def now(fleet: Fleet) -> datetime:
    at: datetime = fleet.row("SELECT clock_timestamp() AS at")["at"]
    return at


def ask_for_all(fleet: Fleet) -> None:
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan"), "all are planned")
    fleet.do("SELECT pgcron.run_now(name) FROM pgcron.cron_job")


def running(fleet: Fleet, count: int) -> list[dict[str, Any]]:
    """RUNNING rows with their worker's pid, once there are `count`."""
    query = "SELECT l.id, w.pid FROM pgcron.cron_log l JOIN pgcron.cron_worker w ON w.id = l.worker_id WHERE l.status = 'RUNNING'"
    return wait_for(lambda: len(rows := fleet.rows(query)) >= count and rows, f"{count} runs go on")


def of_busiest(fleet: Fleet, runs: list[dict[str, Any]]) -> tuple[Worker, list[Any]]:
    pid = statistics.mode(run["pid"] for run in runs)
    worker = next(worker for worker in fleet.workers if worker.pid == pid)
    return worker, [run["id"] for run in runs if run["pid"] == pid]


def ends(fleet: Fleet, run_ids: list[Any], seconds: float) -> list[dict[str, Any]]:
    """The rows of these runs, once all have ended."""

    def ended() -> list[dict[str, Any]] | None:
        rows = fleet.rows("SELECT * FROM pgcron.cron_log WHERE id = ANY (%s) AND status <> 'RUNNING'", run_ids)
        return rows if len(rows) == len(run_ids) else None

    return wait_for(ended, f"{len(run_ids)} runs have ended", seconds)


def seconds_after(at: datetime, rows: list[dict[str, Any]]) -> list[float]:
    return [(row["completed_at"] - at).total_seconds() for row in rows]


def all_succeed_in_the_end(fleet: Fleet, count: int) -> None:
    query = "SELECT count(*) AS n FROM pgcron.cron_log WHERE status = 'SUCCESS'"
    wait_for(lambda: fleet.row(query)["n"] >= count, "the retries have succeeded", REAPED_WITHIN + 20)
    assert fleet.broken_invariants() == []


def test_runs_of_a_killed_supervisor_are_given_up_by_another_worker(fleet: Fleet, measured: Measured) -> None:
    fleet.app(LONG_RUNS)
    fleet.environment |= LEASE
    fleet.start(), fleet.start()
    ask_for_all(fleet)
    worker, run_ids = of_busiest(fleet, running(fleet, 6))
    killed = now(fleet)
    worker.signal(signal.SIGKILL)
    rows = ends(fleet, run_ids, REAPED_WITHIN + 20)
    assert {row["reason"] for row in rows} == {"lost"}
    measured(f"killed supervisor, another lives, ttl {TTL:g} s", seconds_after(killed, rows), REAPED_WITHIN)
    assert fleet.broken_invariants() == []


@pytest.mark.parametrize("silence", [0.0, 0.7, 1.5])
def test_runs_of_a_lone_worker_that_was_killed_are_given_up_by_its_successor(
    fleet: Fleet, measured: Measured, silence: float
) -> None:
    """Silence longer than half the lease is an outage, as far as anybody can tell: what lived before it is spared once."""
    fleet.app(LONG_RUNS)
    fleet.environment |= LEASE
    worker = fleet.start()
    ask_for_all(fleet)
    run_ids = [run["id"] for run in running(fleet, 6)]
    worker.signal(signal.SIGKILL)
    worker.process.wait(10)
    time.sleep(silence * TTL)
    fleet.start()
    restarted = now(fleet)
    rows = ends(fleet, run_ids, REAPED_WITHIN + 20)
    assert {row["reason"] for row in rows} == {"lost"}
    what = f"killed and alone, back after {silence * TTL:g} s, ttl {TTL:g} s"
    measured(what, seconds_after(restarted, rows), REAPED_WITHIN)
    all_succeed_in_the_end(fleet, 6)


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_the_run_of_a_killed_executor_fails_within_a_second(fleet: Fleet, measured: Measured, kind: str) -> None:
    body = "await asyncio.sleep(600)" if kind == "async def" else "time.sleep(600)"
    fleet.app(
        f"@app.cron_job('long', '@yearly', max_consecutive_failures=None)\n{kind} long(ctx: JobContext) -> None:\n"
        f"    open('pid', 'w').write(str(os.getpid()))\n    {body}\n"
    )
    fleet.start()
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan"), "planned")
    seconds = [killed_executor(fleet) for _ in range(5)]
    # The middle one: a machine that is busy otherwise may hold up any single one.
    measured(f"killed executor of `{kind}` handlers", [statistics.median(seconds)], 1.0)
    assert fleet.broken_invariants() == []


def killed_executor(fleet: Fleet) -> float:
    file = fleet.folder / "pid"
    file.unlink(missing_ok=True)
    fleet.do("SELECT pgcron.run_now('long')")
    pid = int(wait_for(lambda: file.exists() and file.read_text(), "the handler is at work"))
    (run,) = running(fleet, 1)
    killed = now(fleet)
    os.kill(pid, signal.SIGKILL)
    (row,) = ends(fleet, [run["id"]], 30)
    assert row["reason"] == "crashed"
    return seconds_after(killed, [row])[0]


def test_nobody_is_given_up_wrongly_while_every_core_is_busy(fleet: Fleet) -> None:
    fleet.app(TICK)
    fleet.environment |= LEASE if PROOF else {"PGCRON_LEASE_TTL": "8", "PGCRON_BEAT": "1.6"}
    workers = [fleet.start(), fleet.start()]
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 2))]
    try:
        ends_at = time.monotonic() + (120 if PROOF else 20)
        while time.monotonic() < ends_at:
            fleet.ended("tick", len(fleet.ended("tick", 0)) + 1)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE reason = 'lost'") == []
    assert fleet.rows("SELECT 1 FROM pgcron.cron_worker WHERE state = 'DEAD'") == []
    for worker in workers:
        assert not any(word in worker.log for word in ("declared_dead", "worker_reaped", "runs_taken_away"))
    assert fleet.broken_invariants() == []


def test_claims_go_on_within_5_s_after_the_server_is_back(own_server: Any, measured: Measured) -> None:
    server, fleet = own_server
    fleet.app(TICK)
    fleet.environment |= LEASE
    fleet.start(), fleet.start()
    seconds = []
    for mode in ("immediate", "fast", "immediate"):
        fleet.ended("tick", 1)
        server.restart(mode)
        back = now(fleet)
        first = wait_for(partial(first_claim, fleet, back), "a claim after the restart")
        seconds.append((first - back).total_seconds())
    measured("claims after the server is back", seconds, 5)
    assert fleet.broken_invariants() == []


def first_claim(fleet: Fleet, since: datetime) -> datetime | None:
    return fleet.row("SELECT min(started_at) AS at FROM pgcron.cron_log WHERE started_at > %s", since)["at"]


def fallen_silent(proxy: Proxy) -> None:
    proxy.fall_silent()


def cut_off(proxy: Proxy) -> None:
    proxy.fall_silent()
    proxy.cut_all()


@pytest.mark.parametrize("outage", [fallen_silent, cut_off])
def test_results_that_come_during_an_outage_are_written_after_it(
    fleet: Fleet, proxy: tuple[Proxy, str], measured: Measured, outage: Callable[[Proxy], None]
) -> None:
    """60 s in `make proof`; the lease allows it, so that no handler is ended either."""
    through, url = proxy
    length = 60.0 if PROOF else 7.0
    fleet.app(f"""
        for index in range(8):
            def make(index):
                async def patient() -> int:
                    open(f"begun-{{index}}", "w").close()
                    await asyncio.sleep(2 + {length - 4:g} * index / 7)
                    return index
                def stubborn() -> int:
                    open(f"begun-{{index}}", "w").close()
                    time.sleep(2 + {length - 4:g} * index / 7)
                    return index
                return stubborn if index % 4 == 0 else patient
            app.cron_job(f"long {{index}}", "@yearly", handler=f"h{{index}}")(make(index))
    """)
    fleet.environment |= {"PGCRON_LEASE_TTL": f"{length * 2:g}", "PGCRON_BEAT": "1"}
    worker = fleet.start(url=url)
    ask_for_all(fleet)
    run_ids = [run["id"] for run in running(fleet, 8)]
    # Their rows are there a moment before the worker hears that its claims are committed.
    wait_for(lambda: len(list(fleet.folder.glob("begun-*"))) == 8, "all have begun")
    outage(through)
    time.sleep(length)  # meanwhile all have ended: nobody outside can see it
    through.fall_silent(False)
    over = now(fleet)
    rows = ends(fleet, run_ids, 30)
    assert sorted((row["status"], row["result"]) for row in rows) == [("SUCCESS", index) for index in range(8)]
    measured(f"results written after {length:g} s {outage.__name__}", [max(seconds_after(over, rows))], 15)
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []
