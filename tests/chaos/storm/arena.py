"""Where the storm takes place: a server of its own, seats for workers, and a proxy before each seat."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from chaos.storm import app as application
from pgcron_py.app.database import upgrade
from pgcron_py.embedded import EmbeddedServer
from support.fleet import Fleet, Worker, fleet_in, is_alive
from support.proxy import Proxy, proxied

TTL, BEAT = 4.0, 0.8
ENVIRONMENT = {
    "PGCRON_LEASE_TTL": f"{TTL:g}", "PGCRON_BEAT": f"{BEAT:g}", "PGCRON_CANCEL_GRACE": "0.5", "PGCRON_SHUTDOWN_GRACE": "3",
}  # fmt: skip
# Else a crash of the server could lose what it acknowledged, and the oracle would rightly complain.
SERVER_SETTINGS = {"synchronous_commit": "on"}
STATEMENT_LIMIT = 2  # seconds: the driver must not be held up by its own locks
GOING = 5.0  # seconds in which what a worker started ends after it
LEAVE_PATIENCE = 45.0  # seconds from SIGTERM: grace, cancelling, a database that is away
SETUP = """
CREATE TABLE effect (at timestamptz DEFAULT clock_timestamp(), what text);
CREATE ROLE storm_worker LOGIN IN ROLE pgcron_worker;
GRANT ALL ON effect TO storm_worker;
SELECT pgcron.set_limit('tag', 'limited', 1);
"""
# With DONT_FAKE_MONOTONIC=1 libfaketime 0.9.10 still breaks one call: clock_nanosleep() until an instant of the monotonic
# clock, which is time.sleep(), fails with EINVAL.
SLEEP_THAT_WORKS = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@dataclass
class Seat:
    """A place for a worker: whoever dies here is replaced."""

    number: int
    proxy: Proxy
    url: str
    worker: Worker
    environment: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


@dataclass
class Leaving:
    """A worker that was asked to go, and by when it must be gone."""

    worker: Worker
    deadline: float


class Arena:
    """The fleet, its server, and what went wrong with them."""

    def __init__(self, server: EmbeddedServer, fleet: Fleet) -> None:
        self.server, self.fleet = server, fleet
        self.seats: list[Seat] = []
        self.leaving: list[Leaving] = []
        self.killed: set[int] = set()
        self.complaints: list[str] = []

    def is_ready(self, seat: Seat) -> bool:
        return '"worker_ready"' in seat.worker.log

    @property
    def starts_file(self) -> Path:
        return self.fleet.folder / "starts"

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """As superuser, past the proxies, bounded."""
        with connected(self.fleet.url, limit=STATEMENT_LIMIT) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def now(self) -> Any:
        return self.rows("SELECT clock_timestamp() AS now")[0]["now"]

    # -- seats

    def take_seat(self, number: int, proxy: Proxy, url: str) -> None:
        environment = clock_offset(number, self.fleet.folder / "clock")
        worker = self._start(number, url, environment)
        self.seats.append(Seat(number, proxy, url, worker, environment))

    def _start(self, number: int, url: str, environment: dict[str, str]) -> Worker:
        return self.fleet.start(
            "--queues", f"default,seat-{number}", "--processes", "4", url=url, ready=False, **environment
        )

    def refill(self) -> None:
        """A new worker wherever one is gone; somebody whom nobody killed must not be."""
        for seat in self.seats:
            if (code := seat.worker.process.poll()) is None:
                continue
            if seat.worker.pid not in self.killed:
                self.complaints.append(
                    f"worker {seat.worker.log_file.name} ended by itself with code {code}: {tail(seat.worker)}"
                )
            self._replace(seat)
        self._let_go()

    def _replace(self, seat: Seat) -> None:
        seat.stopped = False
        seat.worker = self._start(seat.number, seat.url, seat.environment)

    def dismiss(self, seat: Seat) -> Worker:
        """SIGTERM, and a replacement at once."""
        seat.worker.signal(signal.SIGTERM)
        return self.expect_to_leave(seat)

    def expect_to_leave(self, seat: Seat) -> Worker:
        """It was asked to; a replacement at once."""
        worker = seat.worker
        self.leaving.append(Leaving(worker, time.monotonic() + LEAVE_PATIENCE))
        self._replace(seat)
        return worker

    def kill(self, seat: Seat) -> None:
        self.killed.add(seat.worker.pid)
        seat.worker.signal(signal.SIGKILL)
        seat.worker.process.wait(10)

    def left_over(self) -> list[str]:
        """Processes that work in the fleet's folder some seconds after all workers are gone. They are ended, too."""
        deadline = time.monotonic() + GOING
        while (processes := self._in_our_folder()) and time.monotonic() < deadline:
            time.sleep(0.05)
        found = []
        for process in processes:
            with contextlib.suppress(OSError):
                found.append(f"{process.name} {(process / 'cmdline').read_bytes()[:200]!r}")
                os.kill(int(process.name), signal.SIGKILL)
        return found

    def _in_our_folder(self) -> list[Path]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink() == self.fleet.folder and is_alive(int(process.name)):
                    found.append(process)
        return found

    def _let_go(self) -> None:
        """Whoever was asked to leave does so with code 0, and in time."""
        for one in list(self.leaving):
            code = one.worker.process.poll()
            if code is None and time.monotonic() < one.deadline:
                continue
            self.leaving.remove(one)
            if code is None:
                one.worker.signal_tree(signal.SIGKILL)
            if code != 0 and not (code == -signal.SIGTERM and is_deaf(one.worker)):
                self.complaints.append(
                    f"{one.worker.log_file.name} left with code {code} (None: not in {LEAVE_PATIENCE:g} s): {tail(one.worker)}"
                )


@contextlib.contextmanager
def connected(url: str, limit: float = 30) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """limit: seconds for a statement."""
    limits = f"-c statement_timeout={limit:g}s -c lock_timeout={limit:g}s"
    with psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=5, options=limits) as it:
        yield it


def is_deaf(worker: Worker) -> bool:
    """Before a worker listens to signals, and when it has nothing more to do, SIGTERM does what it always does. One that
    is stopped before it was ready has nothing to do at once."""
    log = worker.log
    return '"worker_ready"' not in log or '"worker_gone"' in log


@contextlib.contextmanager
def refused_or_away() -> Iterator[None]:
    """What a person gets to hear in a storm: our refusals, and a server that is away or busy."""
    try:
        yield
    except psycopg.OperationalError:
        pass
    except psycopg.DatabaseError as error:
        if not (error.sqlstate or "").startswith("PC"):
            raise


def tail(worker: Worker) -> str:
    return " | ".join(worker.log.splitlines()[-4:])[-1500:]


def clock_offset(number: int, folder: Path) -> dict[str, str]:
    """The first seat's worker lives in another hour, where libfaketime is installed. Monotonic clocks stay true."""
    if number != 0 or FAKETIME is None:
        return {}
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLEEP_THAT_WORKS)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "+3h", "DONT_FAKE_MONOTONIC": "1", "PYTHONPATH": path}


@contextlib.contextmanager
def arena_in(folder: Path) -> Iterator[Arena]:
    (folder / "jobs.py").write_text(Path(application.__file__).read_text())
    with EmbeddedServer(settings=SERVER_SETTINGS) as server, contextlib.ExitStack() as stack:
        url, worker_url = server.dsn("postgres", "postgres"), server.dsn("storm_worker", "postgres")
        upgrade(url)
        with connected(url) as connection:
            connection.execute(SETUP)
        fleet = stack.enter_context(fleet_in(folder, url, worker_url))
        fleet.environment = {**ENVIRONMENT, "STORM_STARTS": str(folder / "starts")}
        arena = Arena(server, fleet)
        for number in range(application.SEATS):
            proxy, through = stack.enter_context(proxied(worker_url))
            arena.take_seat(number, proxy, through)
        yield arena
