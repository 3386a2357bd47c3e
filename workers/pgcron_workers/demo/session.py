"""One session of the demo, from an empty folder to the last process gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console

from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.cluster import is_alive
from pgcron_py.errors import PgCronError
from pgcron_py.storage.sqlstates import refusals_translated
from pgcron_workers.demo import children
from pgcron_workers.demo.children import Child
from pgcron_workers.demo.place import Keys, beside, free_port, shown
from pgcron_workers.demo.seed import DATABASE, Urls, seed, sign_in_path
from pgcron_workers.demo.stopping import Stopping
from pgcron_workers.demo.summary import Summary
from pgcron_workers.demo.view import Lines, Screen, View
from pgcron_workers.demo.watch import Watch
from pgcron_workers.demo.worlds import World

ROUND_S = 0.25
READY_WITHIN_S = 30.0
RUN_AT_START = "two-factor-token-cleanup"
# Shorter than a service's: kill a worker and see its runs given up within seconds.
WORKER_SETTINGS = {
    "PGCRON_LEASE_TTL": "10",
    "PGCRON_BEAT": "2",
    "PGCRON_SHUTDOWN_GRACE": "5",
    "PGCRON_LOG_FORMAT": "json",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for. exit_after: seconds after the first worker is ready; None = until stopped."""

    data_dir: Path
    port: int
    workers: int
    exit_after: float | None
    begun: float
    world: World


class Session:
    """console: where to show progress. Call `run()` in the main thread: children are tied to it."""

    def __init__(self, wanted: Wanted, console: Console, stopping: Stopping) -> None:
        self._wanted, self._console, self._stopping = wanted, console, stopping
        self._server = EmbeddedServer(data_dir=wanted.data_dir)
        self._children: list[Child] = []
        self._ready: float | None = None
        self._asked_to_run = False

    def run(self) -> Summary:
        """Raises PgCronError; StoppedEarly when a signal came before anything could run."""
        lines = Lines(self._console)
        lines.tell(f"PostgreSQL starts on {shown(self._wanted.data_dir)}")
        with self._server:
            keys = Keys(self._server)
            if self._wanted.world.takes:
                lines.tell(self._wanted.world.takes)
            try:
                keys.write()
                with refusals_translated():
                    urls = seed(self._server, self._wanted.world)
                    watch, self._sign_in_path = Watch(urls.owner), sign_in_path(urls.owner)
                self._start_children(urls)
                self._introduce(lines, keys)
                self._stopping.interrupts = False
                return self._perform(watch, lines, keys)
            finally:
                self._stopping.interrupts = False
                children.stop(self._children, lambda: self._stopping.is_urgent)
                keys.remove()

    def _start_children(self, urls: Urls) -> None:
        data_dir = self._wanted.data_dir
        for number in range(1, self._wanted.workers + 1):
            environment = WORKER_SETTINGS | {"PGCRON_APP": self._wanted.world.app, "PGCRON_DATABASE_URL": urls.worker}
            log_file = beside(data_dir, f".worker-{number}.log")
            self._children.append(Child(f"worker {number}", lambda: ["worker"], environment, log_file))
        for child in self._children:
            child.start()
        self._admin_port = free_port(self._wanted.port)
        environment = {"PGCRON_DATABASE_URL": urls.web}
        self._admin = Child("admin", self._admin_arguments, environment, beside(data_dir, ".admin.log"))

    def _admin_arguments(self) -> list[str]:
        self._admin_port = free_port(self._admin_port)
        return ["admin", "--dev", "--port", str(self._admin_port)]

    def _workers_are_ready(self, view: View) -> None:
        """The admin starts only now: on a small machine it would delay the first run."""
        self._ready = time.monotonic()
        expected = self._admin_url
        self._children.append(self._admin)
        self._admin.start()
        if self._admin_url != expected:
            view.tell(f"admin: {self._admin_url} (the other port was taken meanwhile)")

    def _introduce(self, lines: Lines, keys: Keys) -> None:
        lines.tell(f"psql:   {self._server.psql_command(dbname=DATABASE)}")
        lines.tell(f"pgcron: . {shown(keys.environment)}   (then pgcron jobs list, pgcron runs list, …)")
        lines.tell(f"admin:  {self._admin_url}")
        lines.tell(f"        sign in, once: http://127.0.0.1:{self._admin_port}{self._sign_in_path}")
        for child in self._children:
            lines.tell(f"{child.name}: process {child.pid}, log {shown(child.log_file)}")

    @property
    def _admin_url(self) -> str:
        return f"http://127.0.0.1:{self._admin_port}/"

    def _perform(self, watch: Watch, lines: Lines, keys: Keys) -> Summary:
        view = self._view(lines, keys)
        try:
            while not self._is_over():
                self._patiently(lambda: self._round(watch, view))
                self._stopping.wait(ROUND_S)
            workers = watch.workers()
            seconds = time.monotonic() - (self._ready or time.monotonic())
        finally:
            view.close()
        lines.tell("stopping")
        children.stop(self._children, lambda: self._stopping.is_urgent)
        summary = self._summary(watch, workers, seconds)
        watch.close()
        return summary

    def _view(self, lines: Lines, keys: Keys) -> View:
        if not self._console.is_terminal:
            return lines
        return Screen(self._console, lambda: f"psql: {shown(keys.psql)} · admin: {self._admin_url} · Ctrl-C ends it")

    def _is_over(self) -> bool:
        if self._stopping.is_asked:
            return True
        if self._wanted.exit_after is None:
            return False
        if self._ready is None:
            return time.monotonic() - self._wanted.begun > self._wanted.exit_after + READY_WITHIN_S
        return time.monotonic() - self._ready >= self._wanted.exit_after

    def _round(self, watch: Watch, view: View) -> None:
        if self._ready is None and watch.is_ready:
            self._workers_are_ready(view)
        if not self._asked_to_run:
            self._asked_to_run = watch.run_now(RUN_AT_START)
        for child in self._children:
            if ending := child.ended():
                view.tell(f"{child.name} ended with {ending}; it is started again (log: {shown(child.log_file)})")
        view.show(watch)

    def _patiently(self, step: Callable[[], None]) -> None:
        """A cut connection is made again; a server that is gone is the end."""
        try:
            step()
        except psycopg.OperationalError as error:
            if not is_alive(self._server.pid):
                raise PgCronError(
                    "the embedded PostgreSQL server ended", hint=f"see {shown(self._server.log_file)}"
                ) from error

    def _summary(self, watch: Watch, workers: int, seconds: float) -> Summary:
        tally, violations = watch.tally(), watch.violations()
        since_epoch = time.time() - (time.monotonic() - self._wanted.begun)
        first = None if tally.first_at is None else round(tally.first_at.timestamp() - since_epoch, 3)
        return Summary(
            runs=tally.runs, successes=tally.successes, failures=tally.failures, caught_up=tally.caught_up,
            lag_p50_ms=_rounded(tally.lag_p50_ms), lag_p99_ms=_rounded(tally.lag_p99_ms), invariant_violations=len(violations),
            workers=workers, seconds=round(seconds, 3), first_run_s=first, violations=violations,
        )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def process_began() -> float:
    """time.monotonic() when this process was started, the interpreter's own start included."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - started)
