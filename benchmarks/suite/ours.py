"""pgcron_py as it is used: handlers in executor processes, each run logged and counted, policies and audit on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pgcron_py.app.database import upgrade
from pgcron_py.embedded import EmbeddedServer
from suite.database import Database
from suite.processes import descendants
from suite.system import Limits, Part, Task

APP = """
import time
from pgcron_py import JobContext, PgCron
app = PgCron("bench", release="1")
@app.handler("timed")
async def timed(ctx: JobContext) -> None:
    ctx.metadata["at"] = time.time()
@app.handler("noop")
async def noop() -> None: ...
@app.handler("sync")
def sync() -> None:
    time.sleep(0.01)
"""
FAR = "0 0 1 {month} *"
DUE_AT = """
INSERT INTO pgcron.cron_job (name, schedule, handler)
SELECT 'job ' || n, format('%%s %%s,%%s %%s * * *', %s::int, %s::int, n %% 60, %s::int), %s FROM generate_series(1, %s) n
"""
STARTS = """
SELECT j.name, extract(epoch FROM l.scheduled_for)::float8, (l.metadata ->> 'at')::float8
  FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE l.status = 'SUCCESS'
"""
# Any number at a time and no ledger: a thousand jobs with a hundred waiting requests each, as a backfill makes them.
MANY = """
INSERT INTO pgcron.cron_job (name, schedule, handler, is_exclusive, overlap_policy, max_running)
SELECT 'job ' || n, %s, %s, false, 'allow_all', 10000 FROM generate_series(1, %s) n
"""
WAITING = """
INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for)
SELECT j.id, 'backfill', timestamptz '2026-01-01' + n * interval '1 min' FROM pgcron.cron_job j, generate_series(1, %s) n
"""
ALL_RECORDED = "SELECT NOT EXISTS (SELECT FROM pgcron.cron_request WHERE state = 'PENDING') AND NOT EXISTS (SELECT FROM pgcron.cron_log WHERE status = 'RUNNING')"
TOOK = "SELECT extract(epoch FROM max(completed_at) - min(started_at))::float8 FROM pgcron.cron_log"
SUCCEEDED = "SELECT count(*) FROM pgcron.cron_log WHERE status = 'SUCCESS'"
PLANNED = "SELECT NOT EXISTS (SELECT FROM pgcron.cron_job WHERE needs_plan)"
LIVE = "SELECT count(*) FROM pgcron.cron_worker WHERE state = 'LIVE'"


def far_schedule() -> str:
    """Half a year away, whenever that is."""
    return FAR.format(month=(time.gmtime().tm_mon + 5) % 12 + 1)


class Workers:
    def __init__(self, processes: list[subprocess.Popen[bytes]]) -> None:
        self.processes = processes

    def parts(self) -> list[Part]:
        supervisors = [it.pid for it in self.processes]
        return [
            Part("supervisor", supervisors),
            Part("executors", [it for pid in supervisors for it in descendants(pid)]),
        ]


class PgCronPy:
    name = "pgcron_py"
    limits = Limits()

    def __init__(self, server: EmbeddedServer, folder: Path, processes: int = 4) -> None:
        self.folder, self._processes = folder, processes
        self.settings = f"worker --concurrency 1000 --processes {processes}; every run logged, counted and isolated"
        self.database = Database(server, "pgcron_py" if processes == 4 else f"pgcron_py_{processes}")
        if processes != 4:
            self.name = f"pgcron_py, {processes} processes"
        upgrade(self.database.url)
        (folder / "bench_app.py").write_text(APP)

    def empty(self) -> None:
        self.database.do("DELETE FROM pgcron.cron_worker")
        self.database.do(
            "TRUNCATE pgcron.cron_log, pgcron.cron_request, pgcron.cron_miss, pgcron.cron_outbox, pgcron.cron_job CASCADE"
        )
        self.database.settle()

    @contextlib.contextmanager
    def working(
        self, workers: int, task: Task = "noop", schedules: int = 0, concurrency: int = 1000
    ) -> Iterator[Workers]:
        del task, schedules  # the jobs say it
        command = [
            sys.executable, "-m", "pgcron_workers", "--app", "bench_app", "--log-format", "json", "--log-level", "warning",
            "--concurrency", str(concurrency), "--processes", str(self._processes),
        ]  # fmt: skip
        environment = {**os.environ, "PGCRON_DATABASE_URL": self.database.url}
        processes = [subprocess.Popen(command, cwd=self.folder, env=environment) for _ in range(workers)]
        try:
            self.database.until(LIVE, workers)
            yield Workers(processes)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)
            self.database.do("DELETE FROM pgcron.cron_worker")

    def lag_ms(self, schedules: int, workers: int) -> tuple[list[float], int, int]:
        self.empty()
        with self.working(workers):
            time.sleep(0.5)
            self._due_in(6 if schedules > 500 else 4, schedules, "timed")
            with contextlib.suppress(TimeoutError):  # then some are missed
                self.database.until(SUCCEEDED, schedules, 60)
            starts = self.database.rows(STARTS)
        found = {name for name, _, _ in starts}
        return [(at - due) * 1000 for _, due, at in starts], schedules - len(found), len(starts) - len(found)

    def _due_in(self, seconds: float, schedules: int, handler: str) -> float:
        due = int(time.time() + seconds)
        at = time.gmtime(due)
        self.database.do(DUE_AT, at.tm_sec, at.tm_min, at.tm_hour, handler, schedules)
        return due

    def run_now_ms(self, count: int, rate: float) -> list[float]:
        self.empty()
        with self.working(1):
            self.database.do(MANY, far_schedule(), "timed", count)
            self.database.until(PLANNED, True)
            time.sleep(1)
            called: dict[str, float] = {}
            for number in range(1, count + 1):
                began = called[f"job {number}"] = time.time()
                self.database.do("SELECT pgcron.run_now(%s)", f"job {number}")
                time.sleep(max(0.0, 1 / rate - (time.time() - began)))
            self.database.until(SUCCEEDED, count)
            rows = self.database.rows(
                "SELECT j.name, (l.metadata ->> 'at')::float8 FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id"
            )
        return [(at - called[name]) * 1000 for name, at in rows]

    def fill(self, count: int, task: Task) -> None:
        self.fill_schedules(min(count, 1000), task)
        self.database.do(WAITING, count // min(count, 1000))
        self.database.settle()

    def fill_schedules(self, count: int, task: Task = "noop") -> None:
        self.empty()
        self.database.do(MANY, far_schedule(), task, count)
        with self.working(1):
            self.database.until(PLANNED, True)

    def fill_due(self, count: int) -> None:
        """Schedules that come due while no worker is there."""
        self.empty()
        due = self._due_in(20, count, "noop")
        with self.working(1, concurrency=1):
            self.database.until(PLANNED, True, 19)
        time.sleep(max(0.0, due - time.time()))
        self.database.settle()

    def drained(self, crew: object, count: int, seconds: float) -> float:
        del crew
        self.database.until(ALL_RECORDED, True, seconds)
        self.database.until(SUCCEEDED, count, seconds)
        return float(self.database.value(TOOK))

    def is_drained(self) -> bool:
        return bool(self.database.value(ALL_RECORDED))

    def violations(self) -> int:
        return int(self.database.value("SELECT count(*) FROM pgcron.check_invariants()"))
