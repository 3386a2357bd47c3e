"""Writes what runs print, log and report, on a connection of its own: no run's end ever waits for it.

What came while the last write was under way goes in the next one. Of each run at most its first and last 64 KiB wait here;
when the database is away for long and many runs are chatty, lines are dropped and counted.

A job's log_level says what is kept: of `none` no line is ever written. Of `errors` lines are written while the run goes on,
for the worker may die, and the last of them wait for the run's end: a success takes all of them away again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from structlog.typing import FilteringBoundLogger

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.words import RunId, Status, WorkerId
from pgcron_py.storage import output
from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES
from pgcron_workers.loop import Alarm
from pgcron_workers.session import Connection, Session

IDLE = 60.0
BATCH_RUNS = 200
MOST_WAITING = 32 * 1024 * 1024  # characters of lines; more are dropped
COMPLAIN_EVERY = 60.0  # seconds
HELD_AT_MOST = 30.0  # seconds for a run's end to be recorded; then its lines are written, and may be taken away again

News = dict[str, Any]


class OutputRecorder:
    """One write at a time; a failure drops output, never a run."""

    name = "output"

    def __init__(
        self,
        session: Session,
        clock: DatabaseClock,
        log: FilteringBoundLogger,
        level_of: Callable[[UUID], str] = lambda _: "all",
    ) -> None:
        self.alarm = Alarm()
        self.worker_id: WorkerId | None = None
        self._session, self._clock, self._log, self._level_of = session, clock, log, level_of
        self._waiting: dict[str, News] = {}
        self._held: dict[str, float] = {}  # runs of `errors` whose end is awaited, and until when
        self._has_lines: set[str] = set()  # runs of `errors` with lines in the database
        self._in_flight: list[News] = []
        self._size = 0
        self._lost: dict[str, tuple[int, int]] = {}
        self._complained = -COMPLAIN_EVERY
        self._idle = asyncio.Event()
        self._idle.set()

    def received(self, news: Iterable[News]) -> None:
        """What an executor says of its runs."""
        for run in news:
            level = self._level_of(UUID(run["run_id"]))
            if level == "none":
                self._add(_without_lines(run))
                continue
            self._add(run | {"kept": self._affordable(run)})
            if level == "errors":
                if run["is_complete"]:
                    self._held[run["run_id"]] = time.monotonic() + HELD_AT_MOST
                elif run["kept"]:
                    self._has_lines.add(run["run_id"])
        self._idle.clear()
        self.alarm.ring()

    def judged(self, run_id: RunId, status: Status) -> None:
        """The end of a run is recorded."""
        if not (self._held or self._has_lines):
            return
        key = str(run_id)
        was_held = self._held.pop(key, None) is not None
        had_lines = key in self._has_lines
        self._has_lines.discard(key)
        if status is Status.SUCCESS and (was_held or had_lines):
            run = self._waiting.get(key)
            if run is not None:
                self._size -= _size_of(run)
                self._waiting[key] = _without_lines(run) | {"forget_all": had_lines}
            elif had_lines:
                self._waiting[key] = _nothing_of(key)
        if was_held or had_lines:
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
        self._size -= _size_of(earlier) - sum(len(line[4]) for line in still)
        return later | {"kept": still + later["kept"], "progress": later["progress"] or earlier["progress"]}

    async def flushed(self) -> None:
        """When nothing waits to be written."""
        await self._idle.wait()

    async def run_once(self) -> float:
        if not self._in_flight:
            self._in_flight = self._taken()
            self._size -= sum(map(_size_of, self._in_flight))
        if not self._in_flight:
            if self._held:
                return max(min(self._held.values()) - time.monotonic(), 0.01)
            self._idle.set()
            return IDLE
        await self._write_or_drop(self._in_flight)
        self._in_flight = []
        return 0

    def _taken(self) -> list[News]:
        """What is to be written now: held back is only what came last, and not for ever."""
        now = time.monotonic()
        for run_id in [run_id for run_id, until in self._held.items() if until <= now]:
            del self._held[run_id]
            self._has_lines.add(run_id)
        free = [run_id for run_id in self._waiting if run_id not in self._held]
        return [self._waiting.pop(run_id) for run_id in free[:BATCH_RUNS]]

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


def _size_of(run: News) -> int:
    return sum(len(line[4]) for line in run["kept"])


def _without_lines(run: News) -> News:
    """Its totals and its progress: all lines count as dropped."""
    return run | {"kept": [], "tail_from": None, "dropped_lines": run["lines"], "dropped_bytes": run["bytes"]}


def _nothing_of(run_id: str) -> News:
    return {
        "run_id": run_id, "lines": 0, "bytes": 0, "head_lines": 0, "dropped_lines": 0, "dropped_bytes": 0, "is_complete": True,
        "tail_from": None, "progress": None, "kept": [], "forget_all": True,
    }  # fmt: skip
