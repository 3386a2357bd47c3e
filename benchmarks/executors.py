"""What an executor costs: from a claim's COMMIT to the first line of a warm handler, and memory for each process.

    python benchmarks/executors.py [--runs 500] [--json]

The pool is the worker's own, without a database: the claimer hands orders to it right after its COMMIT, so the time from
`submit` to the handler's first line is what a run waits for its executor. All processes of a host share time.monotonic().
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog

from pgcron_py.domain.words import RunId
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.pool import ExecutorPool

APP = """
import time
from pgcron_py import PgCron
app = PgCron("bench", release="1")
@app.handler("async")
async def async_() -> float:
    return time.monotonic()
@app.handler("def")
def def_() -> float:
    return time.monotonic()
@app.handler("sleep")
def sleep() -> None:
    time.sleep(1)
"""
MIB = 1024 * 1024


def order(handler: str) -> Order:
    return Order(RunId(uuid4()), uuid4(), handler, handler, {}, 1, 1, "schedule", None, None, None, uuid4())


class Bench:
    """A pool whose ends are awaited one at a time."""

    def __init__(self, processes: int) -> None:
        config = {
            "app": "bench_app", "database_url": "postgresql://nowhere", "connections": 1, "log_level": "warning",
            "cancel_grace": 2.0, "processes": processes,
        }  # fmt: skip

        async def no_backend(run: RunId) -> None:
            """Nothing here is transactional."""

        self.pool = ExecutorPool(config, structlog.get_logger(), no_backend)
        self.pool.on_end = self._ended
        self.pool.on_output(lambda news: None)
        self._waiting: dict[RunId, asyncio.Future[RunEnd]] = {}

    def _ended(self, end: RunEnd) -> None:
        self._waiting.pop(end.run_id).set_result(end)

    def submit(self, *handlers: str) -> list[asyncio.Future[RunEnd]]:
        orders = [order(handler) for handler in handlers]
        for it in orders:
            self._waiting[it.run_id] = asyncio.get_running_loop().create_future()
        waiting = [self._waiting[it.run_id] for it in orders]
        self.pool.submit(orders)
        return waiting

    async def start_ms(self, handler: str) -> float:
        submitted = time.monotonic()
        (waiting,) = self.submit(handler)
        end = await waiting
        return (end.result - submitted) * 1000


def descendants(pid: int) -> list[int]:
    children = [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if stat.read_text().rpartition(")")[2].split()[1] == str(pid)
    ]
    return children + [below for child in children for below in descendants(child)]


def memory_mib(pid: int) -> dict[str, float]:
    """pss: with its share of what it shares; own: what would be free without it."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in rollup}
    return {"pss": kib["Pss"] / 1024, "own": (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024}


async def measure(runs: int) -> dict[str, Any]:
    bench = Bench(processes=4)
    await bench.pool.start()
    found: dict[str, Any] = {}
    for handler in ("async", "def"):
        for _ in range(20):
            await bench.start_ms(handler)
        times = []
        for _ in range(runs):
            await asyncio.sleep(0.002)  # idle between runs, as between schedules
            times.append(await bench.start_ms(handler))
        cuts = statistics.quantiles(times, n=100)
        found[f"warm_start_ms_{handler}"] = {"p50": statistics.median(times), "p95": cuts[94], "p99": cuts[98]}
    busy = bench.submit(*["sleep"] * 4)
    await asyncio.sleep(0.7)
    found["memory_mib"] = sorted((memory_mib(pid) for pid in descendants(os.getpid())), key=lambda it: -it["own"])
    await asyncio.gather(*busy)
    await bench.pool.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench_app.py").write_text(APP)
        os.chdir(folder)
        found = asyncio.run(measure(arguments.runs))
        os.chdir("/")
    if arguments.json:
        json.dump(found, sys.stdout)
        return
    for handler in ("async", "def"):
        times = found[f"warm_start_ms_{handler}"]
        print(
            f"first line of a warm {handler:5} handler: p50 {times['p50']:.2f} p95 {times['p95']:.2f} p99 {times['p99']:.2f} ms"
        )
    for process in found["memory_mib"]:
        print(
            f"a process below the supervisor: {process['own']:.1f} MiB of its own, {process['pss']:.1f} MiB with its share"
        )


if __name__ == "__main__":
    main()
