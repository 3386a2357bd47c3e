"""Writes what runs print, log and report, on a connection of its own: no run's end ever waits for it.

What came while the last write was under way goes in the next one. Of each run at most its first and last 64 KiB wait here;
when the database is away for long and many runs are chatty, lines are dropped and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import psycopg
from structlog.typing import FilteringBoundLogger

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.words import WorkerId
from pgcron_py.storage import output
from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES
from pgcron_workers.loop import Alarm
from pgcron_workers.session import Connection, Session

IDLE = 60.0
BATCH_RUNS = 200
MOST_WAITING = 32 * 1024 * 1024  # characters of lines; more are dropped
COMPLAIN_EVERY = 60.0  # seconds

News = dict[str, Any]


class OutputRecorder:
    """One write at a time; a failure drops output, never a run."""

    name = "output"

    def __init__(self, session: Session, clock: DatabaseClock, log: FilteringBoundLogger) -> None:
        self.alarm = Alarm()
        self.worker_id: WorkerId | None = None
        self._session, self._clock, self._log = session, clock, log
        self._waiting: dict[str, News] = {}
        self._in_flight: list[News] = []
        self._size = 0
        self._lost: dict[str, tuple[int, int]] = {}
        self._complained = -COMPLAIN_EVERY
        self._idle = asyncio.Event()
        self._idle.set()

    def received(self, news: Iterable[News]) -> None:
        """What an executor says of its runs."""
        for run in news:
            self._add(run | {"kept": self._affordable(run)})
        self._idle.clear()
        self.alarm.ring()

    def _affordable(self, run: News) -> list[list[Any]]:
        size = sum(len(line[4]) for line in run["kept"])
        if self._size + size <= MOST_WAITING:
            self._size += size
            return [[*line[:3], self._instant(line[3]), line[4]] for line in run["kept"]]
        lines, bytes_ = self._lost.get(run["run_id"], (0, 0))
        self._lost[run["run_id"]] = (lines + len(run["kept"]), bytes_ + size)
        return []

    def _instant(self, at: float) -> str:
        """at: time.monotonic() of the executor, which runs on this host."""
        return (self._clock.now() - timedelta(seconds=max(time.monotonic() - at, 0))).isoformat()

    def _add(self, run: News) -> None:
        if run["progress"] is not None:
            run["progress"] = run["progress"] | {"at": self._instant(run["progress"]["at"])}
        lost = self._lost.pop(run["run_id"], (0, 0)) if run["is_complete"] else self._lost.get(run["run_id"], (0, 0))
        run["dropped_lines"] = min(run["dropped_lines"] + lost[0], run["lines"])
        run["dropped_bytes"] = min(run["dropped_bytes"] + lost[1], run["bytes"])
        earlier = self._waiting.pop(run["run_id"], None)
        self._waiting[run["run_id"]] = self._merged(earlier, run) if earlier else run

    def _merged(self, earlier: News, later: News) -> News:
        first, end = later["head_lines"], later["tail_from"] or 0
        still = [line for line in earlier["kept"] if not first < line[0] < end]
        self._size -= sum(len(line[4]) for line in earlier["kept"]) - sum(len(line[4]) for line in still)
        return later | {"kept": still + later["kept"], "progress": later["progress"] or earlier["progress"]}

    async def flushed(self) -> None:
        """When nothing waits to be written."""
        await self._idle.wait()

    async def run_once(self) -> float:
        if not self._in_flight:
            for run_id in list(self._waiting)[:BATCH_RUNS]:
                self._in_flight.append(self._waiting.pop(run_id))
            self._size -= sum(len(line[4]) for run in self._in_flight for line in run["kept"])
        if not self._in_flight:
            self._idle.set()
            return IDLE
        await self._write_or_drop(self._in_flight)
        self._in_flight = []
        return 0

    async def _write_or_drop(self, runs: list[News]) -> None:
        """A run that was deleted meanwhile, or a line that the database refuses, must not take the others' with it."""
        try:
            await self._session.run(lambda connection: self._write(connection, runs))
        except psycopg.Error as error:
            if error.sqlstate in RETRIED_SQLSTATES:
                raise
            if len(runs) > 1:
                for run in runs:
                    await self._write_or_drop([run])
            else:
                self._complain(runs[0], error)

    async def _write(self, connection: Connection, runs: list[News]) -> None:
        if self.worker_id is not None:
            await output.write(connection, self.worker_id, runs)

    def _complain(self, run: News, error: psycopg.Error) -> None:
        if time.monotonic() - self._complained >= COMPLAIN_EVERY:
            self._complained = time.monotonic()
            self._log.warning("output_not_stored", run_id=run["run_id"], error=str(error).splitlines()[0])
