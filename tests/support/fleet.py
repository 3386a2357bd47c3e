"""Real worker processes on a test's database."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from support.kept import kept

PATIENCE = 30.0


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


class Worker:
    """A `pgcron worker` process and what it logged."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log_file = process, log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def says(self, text: str, seconds: float = PATIENCE) -> None:
        wait_for(lambda: text in self.log, f"{text!r} in the log:\n{self.log}", seconds)

    def executor_pids(self) -> list[int]:
        """Every process below the supervisor."""
        found, level = [], [self.pid]
        while level:
            level = [child for pid in level for child in children_of(pid)]
            found += level
        return found

    def async_executor(self) -> int:
        """The process of `async def` handlers."""
        (pid,) = self.async_executors()
        return pid

    def async_executors(self) -> list[int]:
        """None of them while it is started again."""
        found = []
        for pid in children_of(self.pid):
            with contextlib.suppress(OSError):
                if b"executors.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def signal_tree(self, number: signal.Signals) -> None:
        for pid in [self.pid, *self.executor_pids()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self, seconds: float = PATIENCE) -> int:
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {seconds:g} s:\n{self.log}") from None


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Fleet:
    """Starts workers of one application on one database, and ends whatever is left of them."""

    def __init__(self, folder: Path, url: str, worker_url: str) -> None:
        self.folder, self.url, self.worker_url = folder, url, worker_url
        self.workers: list[Worker] = []
        self.environment: dict[str, str] = {"PGCRON_LEASE_TTL": "30", "PGCRON_BEAT": "6", "PGCRON_CANCEL_GRACE": "0.5"}

    def app(self, source: str, name: str = "jobs") -> None:
        """Writes the application's module. A table `effect` takes what handlers do."""
        (self.folder / f"{name}.py").write_text(
            "import asyncio, os, signal, sys, time\nfrom pgcron_py import JobContext, PgCron\n"
            "app = PgCron('test', release='1.0')\n" + textwrap.dedent(source)
        )

    def start(self, *flags: str, url: str | None = None, ready: bool = True, **environment: str) -> Worker:
        number = len(self.workers)
        log = self.folder / f"worker-{number}.log"
        variables = {**os.environ, "PGCRON_DATABASE_URL": url or self.worker_url, **self.environment, **environment}
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "pgcron_workers", "--app", "jobs", "--log-format", "json", *flags],
                cwd=self.folder, env=variables, stdout=sink, stderr=subprocess.STDOUT,
            )  # fmt: skip
        worker = Worker(process, log)
        self.workers.append(worker)
        if ready:
            wait_for(lambda: '"worker_ready"' in worker.log or process.poll() is not None, "the worker is ready")
            assert process.poll() is None, worker.log
        return worker

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with kept(self.url).cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values or None).fetchall()

    def row(self, query: str, *values: object) -> dict[str, Any]:
        (row,) = self.rows(query, *values)
        return row

    def do(self, statement: str, *values: object) -> None:
        kept(self.url).execute(statement, values or None)

    def ended(self, job: str, count: int = 1, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """The ended runs of a job, once there are `count`."""

        def runs() -> list[dict[str, Any]] | None:
            found = self.rows(
                "SELECT l.* FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = %s AND l.status <> 'RUNNING' ORDER BY l.seq", job
            )  # fmt: skip
            return found if len(found) >= count else None

        try:
            return wait_for(runs, f"{count} ended runs of {job}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(worker.log for worker in self.workers)) from None

    def planned(self) -> None:
        """Returns once every job has its plan."""
        wait_for(
            lambda: not self.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan LIMIT 1"), "all jobs are planned"
        )

    def broken_invariants(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM pgcron.check_invariants()")

    def begin_anew(self) -> None:
        """No job, no run and no effect of the test before; its workers live on. Raises AssertionError when one is dead."""
        assert all(worker.process.poll() is None for worker in self.workers), [worker.log for worker in self.workers]
        self.do("UPDATE pgcron.cron_job SET is_enabled = false")
        wait_for(lambda: not self.rows("SELECT FROM pgcron.cron_log WHERE status = 'RUNNING'"), "nothing runs any more")
        self.do("DELETE FROM pgcron.cron_job")
        self.do("TRUNCATE effect")

    def end(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.signal_tree(signal.SIGCONT)
                worker.signal_tree(signal.SIGKILL)
                worker.process.wait(10)


@contextlib.contextmanager
def fleet_in(folder: Path, url: str, worker_url: str) -> Iterator[Fleet]:
    fleet = Fleet(folder, url, worker_url)
    try:
        yield fleet
    finally:
        fleet.end()
