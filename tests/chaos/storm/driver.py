"""Runs a storm: strikes as planned, takes lasting faults back in time, then asks what became of everything."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from chaos.storm import effects, evidence, liveness, oracle, records, report
from chaos.storm.arena import Arena, connected
from chaos.storm.edits import Edits
from chaos.storm.faults import Faults
from chaos.storm.plan import EDIT_WEIGHTS, Step, drawn
from chaos.storm.watch import Watch
from support.fleet import wait_for

AROUND = 15.0  # seconds of faults told with a violation


@dataclass
class Outcome:
    """violations: none when all is well. lines: the summary."""

    violations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class Storm:
    """One storm in one arena."""

    def __init__(self, arena: Arena, seed: int, seconds: float, say: Callable[[str], None]) -> None:
        self.arena, self.say = arena, say
        self.steps = drawn(seed, seconds)
        self.faults, self.edits = Faults(arena), Edits(arena)
        self.outcome = Outcome()
        self.done: Counter[str] = Counter()
        self._undo: list[tuple[float, int, str, Callable[[], None]]] = []
        self._number = itertools.count()
        self._diary: list[tuple[float, str]] = []
        self._began = 0.0

    def run(self) -> Outcome:
        wait_for(self._workers_ready, "the fleet is ready", 60)
        self._began = time.monotonic()
        with Watch(self.arena.fleet.url, self.complain) as watch:
            for step in self.steps:
                self._wait_until(step.at)
                self._take(step)
            self._calm()
            self._settle(watch)
        return self.outcome

    def _workers_ready(self) -> bool:
        self.arena.refill()
        return all(self.arena.is_ready(seat) for seat in self.arena.seats)

    # -- steps

    def _take(self, step: Step) -> None:
        self._note(step)
        self.done[step.kind] += 1
        if step.kind in EDIT_WEIGHTS:
            self.edits.make(step)
            return
        with contextlib.suppress(psycopg.OperationalError):
            if (lasting := self.faults.strike(step)) is not None:
                heapq.heappush(
                    self._undo, (self._elapsed + lasting.seconds, next(self._number), step.kind, lasting.undo)
                )

    def _wait_until(self, at: float) -> None:
        """In small steps: what lasts is undone in time, and empty seats are filled."""
        while True:
            self._undo_until(self._elapsed)
            self.arena.refill()
            self._hear_complaints()
            if (left := at - self._elapsed) <= 0:
                return
            time.sleep(min(left, 0.1))

    def _undo_until(self, elapsed: float) -> None:
        while self._undo and self._undo[0][0] <= elapsed:
            _, _, kind, undo = heapq.heappop(self._undo)
            self._diary.append((self._elapsed, f"end of {kind}"))
            undo()

    def _calm(self) -> None:
        self._undo_until(float("inf"))
        for seat in self.arena.seats:
            seat.proxy.calm()
            seat.worker.signal_tree(signal.SIGCONT)

    # -- the end

    def _settle(self, watch: Watch) -> None:
        wait_for(self._enabled_all, "all jobs are enabled", 30)
        end = self.arena.now()
        self._diary.append((self._elapsed, f"all faults are over: {end}"))
        for complaint in liveness.complaints(self.arena, end):
            self.complain(complaint)
        self._stop_fleet()
        watch.look()
        self._judge(end)
        self.outcome.lines = [
            *report.summary(self.arena, *self._counts(), self.faults.taken, self.occurrences),
            f"invariants       checked {watch.checks} times",
        ]

    def _enabled_all(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            return self.edits.enable_all()
        return False

    def _stop_fleet(self) -> None:
        for seat in self.arena.seats:
            seat.worker.signal(signal.SIGTERM)
        for worker in [seat.worker for seat in self.arena.seats] + [one.worker for one in self.arena.leaving]:
            if (code := worker.process.wait(60)) != 0:
                self.complain(f"{worker.log_file.name} left with code {code} in calm weather")
        for left in self.arena.left_over():
            self.complain(f"outlives its worker: {left}")

    def _judge(self, end: datetime) -> None:
        with connected(self.arena.fleet.url) as connection:
            jobs = records.read_jobs(connection, self.edits.exact)
            for complaint in itertools.chain(
                *(oracle.verdict(job, end) for job in jobs),
                effects.wrong_effects(connection),
                effects.wrong_starts(connection, effects.read_starts(self.arena.starts_file)),
                effects.wrong_failures(connection),
                effects.wrong_company(connection),
                lost_edits(connection, self.edits.last),
            ):
                self._find(complaint)
            if self.outcome.violations:
                evidence.keep(connection, self.arena.fleet.folder, self._diary)
        self.occurrences = sum(len(oracle.expected(job, end).sure) for job in jobs)

    def _counts(self) -> tuple[Counter[str], Counter[str]]:
        edits = Counter({kind: n for kind, n in self.done.items() if kind in EDIT_WEIGHTS})
        return self.done - edits, edits

    # -- what is told

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _note(self, step: Step) -> None:
        self._diary.append(
            (self._elapsed, f"{step.kind} victim={step.victim:.2f} variant={step.variant:.2f} length={step.length:.2f}")
        )
        if step.kind not in EDIT_WEIGHTS:
            self.say(f"{self._elapsed:7.2f} {step.kind}")

    def _hear_complaints(self) -> None:
        while self.arena.complaints:
            self.complain(self.arena.complaints.pop())

    def _find(self, text: str) -> None:
        """A violation found afterwards: its own text says when."""
        self.outcome.violations.append(text)
        self.say(f"VIOLATION {text}")

    def complain(self, text: str) -> None:
        """A violation while it happens."""
        now = self._elapsed
        around = "; ".join(f"{at:.1f} {what}" for at, what in self._diary if now - at < AROUND)
        self.outcome.violations.append(f"at {now:.1f} s: {text}\n      after: {around}")
        self.say(f"VIOLATION {self.outcome.violations[-1]}")


def lost_edits(connection: psycopg.Connection[dict[str, object]], last: dict[str, str]) -> list[str]:
    """What somebody was told is in force must be."""
    rows = connection.execute("SELECT name, schedule FROM pgcron.cron_job").fetchall()
    return [
        f"{row['name']}: the last edit said {said!r}, the row says {row['schedule']!r}"
        for row in rows
        if (said := last.get(str(row["name"]))) is not None and said != row["schedule"]
    ]
