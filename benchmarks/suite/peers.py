"""A peer behind its adapter (benchmarks/peers): processes that are told a role and an order, and answer in lines of JSON."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

from pgcron_py.embedded import EmbeddedServer
from suite.database import Database
from suite.environments import Package, install, variables
from suite.ours import far_schedule
from suite.processes import descendants
from suite.system import Limits, Part, Task

# Whether everything that was enqueued is recorded as done.
DRAINED = {
    "procrastinate": "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
    "pgqueuer": "SELECT NOT EXISTS (SELECT FROM pgqueuer)",
    "apscheduler": "SELECT NOT EXISTS (SELECT FROM jobs)",
    "graphile-worker": "SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs)",
    "pg-boss": "SELECT NOT EXISTS (SELECT FROM pgboss.job WHERE state < 'completed' AND name = 'noop')",
}
SETTINGS = {
    "procrastinate": "concurrency 30, psycopg pool of 12, LISTEN; succeeded jobs stay in its table, as by default",
    "pgqueuer": "asyncpg, uvloop, pool of 10; batch_size 500 for drains, 10 (default) else",
    "apscheduler": "asyncpg data store and event broker, max_concurrent_jobs 100",
    "graphile-worker": "concurrentJobs 100, pool of 12; localQueue 500 and batched completion; rows of done jobs are deleted",
    "pg-boss": "polls every 0.5 s, batchSize 2000, cron monitor and cron worker every second",
}
BLOCKED = "a handler that blocks blocks all of a Node process"
LIMITS = {
    "procrastinate": Limits(drain=10_000),
    "apscheduler": Limits(drain=2_000),
    "graphile-worker": Limits(left_out={"I": BLOCKED}),
    "pg-boss": Limits(drain=20_000, most_schedules=100, left_out={"I": BLOCKED}),
}
MINUTES = {"graphile-worker", "pg-boss"}  # their schedules know no seconds; the others' take a sixth field
STORED_ONE_BY_ONE = {"apscheduler", "pg-boss"}
CONCURRENCY = {"procrastinate": 30}


class Crew:
    """Worker processes, and what their handlers told."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self.processes = processes
        self.starts: list[tuple[str, float]] = []
        self._ready = [threading.Event() for _ in processes]
        for process, ready in zip(processes, self._ready, strict=True):
            threading.Thread(target=self._hear, args=(process, ready), daemon=True).start()

    def _hear(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            self.starts += [(key, at) for key, at in message.get("starts", ())]
            if "ready" in message:
                ready.set()

    def wait_until_ready(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        for process, ready in zip(self.processes, self._ready, strict=True):
            while not ready.wait(0.05):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"a worker ended or was not ready within {seconds:g} s")

    def heard(self, count: int, until: float) -> None:
        """Returns when so many starts were told, or at that time (epoch)."""
        while len({key for key, _ in self.starts}) < count and time.time() < until:
            time.sleep(0.05)

    def parts(self) -> list[Part]:
        return [Part("worker", [pid for it in self.processes for pid in (it.pid, *descendants(it.pid))])]


class Peer:
    def __init__(self, server: EmbeddedServer, package: Package) -> None:
        self.name, self.version, self._package = package.name, package.version, package
        self._command = install(package)
        self.settings = SETTINGS[package.name]
        self.limits = LIMITS.get(package.name, Limits())
        self.database = Database(server, package.name.replace("-", "_"))

    def _role(self, role: str, **order: Any) -> dict[str, Any]:
        """Runs one role to its end; what it said last."""
        order["url"] = self.database.url
        command = [*self._command, role, json.dumps(order)]
        done = subprocess.run(command, env=variables(self._package), capture_output=True, text=True, timeout=1200)
        if done.returncode:
            raise RuntimeError(f"{self.name}, {role}: {done.stderr[-2000:]}")
        lines = done.stdout.strip().splitlines()
        return json.loads(lines[-1]) if lines else {}

    def _anew(self) -> None:
        self.database.recreate()
        self._role("setup")

    @contextlib.contextmanager
    def _crew(
        self, workers: int, tells: str, schedules: int = 0, cron: str = "", concurrency: int = 0
    ) -> Iterator[Crew]:
        order = {
            "url": self.database.url, "count": schedules, "cron": cron, "tells": tells,
            "concurrency": concurrency or CONCURRENCY.get(self.name, 100),
        }  # fmt: skip
        command = [*self._command, "work", json.dumps(order)]
        log = (self._package.folder / "worker.log").open("w")
        processes = [
            subprocess.Popen(command, env=variables(self._package), stdout=subprocess.PIPE, stderr=log, text=True)
            for _ in range(workers)
        ]  # fmt: skip
        crew = Crew(processes)
        try:
            crew.wait_until_ready()
            yield crew
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()
            log.close()

    def lag_ms(self, schedules: int, workers: int) -> tuple[list[float], int, int]:
        self._anew()
        needed = 8 + workers * 2 + schedules * (0.03 if self.name in STORED_ONE_BY_ONE else 0.003)
        unit = 60 if self.name in MINUTES else 1
        due = (time.time() + needed + unit) // unit * unit
        at = time.gmtime(due)
        cron = f"{at.tm_min} {at.tm_hour} * * *" + (f" {at.tm_sec}" if unit == 1 else "")
        self._role("schedule", count=schedules, cron=cron)
        self.database.settle()
        with self._crew(workers, "all", schedules, cron) as crew:
            crew.heard(schedules, due + 60)
            time.sleep(2)  # for duplicates
        found = {key for key, _ in crew.starts}
        return [(at - due) * 1000 for _, at in crew.starts], schedules - len(found), len(crew.starts) - len(found)

    def run_now_ms(self, count: int, rate: float) -> list[float]:
        self._anew()
        with self._crew(1, "all") as crew:
            time.sleep(2)
            called = dict(self._role("trigger", count=count, rate=rate)["calls"])
            crew.heard(count, time.time() + 30)
        return [(at - called[key]) * 1000 for key, at in crew.starts]

    def fill(self, count: int, task: Task) -> None:
        self._anew()
        self._role("fill", count=count, task=task)
        self.database.settle()

    def fill_schedules(self, count: int) -> None:
        self._anew()
        self._role("schedule", count=count, cron=far_schedule())

    def working(self, workers: int, task: Task = "noop", schedules: int = 0) -> contextlib.AbstractContextManager[Crew]:
        concurrency = 50 if task == "sync" else 0
        return self._crew(workers, "first", schedules, far_schedule() if schedules else "", concurrency)

    def drained(self, crew: Crew, count: int, seconds: float) -> float:
        del count
        ended = self.database.until(DRAINED[self.name], True, seconds)
        return ended - min(at for _, at in crew.starts)

    def is_drained(self) -> bool:
        return bool(self.database.value(DRAINED[self.name]))
