"""What is measured of every system. Each case yields what it found, row by row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from suite.database import Database, commits, statements_per_second
from suite.figures import Measurement, gathered, spread
from suite.ours import PgCronPy
from suite.processes import cpu_seconds, own_mib, rss_mib
from suite.system import System


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    is_quick: bool
    repeat: int

    def pick(self, full: Any, quick: Any) -> Any:
        return quick if self.is_quick else full


Case = Callable[[System, Database, Scale], Iterator[Measurement]]


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def lag(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    quick = [(1, 1), (100, 1), (1000, 1), (1000, 4)] if isinstance(system, PgCronPy) else [(100, 1), (1000, 1)]
    for schedules, workers in scale.pick([(n, w) for w in (1, 4) for n in (1, 100, 1000)], quick):
        what = f"{plural(schedules, 'schedule')}, {plural(workers, 'worker')}"
        if schedules > system.limits.most_schedules:
            yield Measurement(
                "A", what, system.name, note=f"left out: more than {system.limits.most_schedules} would take minutes"
            )
            continue
        runs = []
        for _ in range(scale.repeat):
            starts, missed, duplicated = system.lag_ms(schedules, workers)
            runs.append({**spread(starts or [float("nan")]), "missed": float(missed), "duplicated": float(duplicated)})
        yield Measurement("A", what, system.name, gathered(runs))


def run_now(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    count = scale.pick(400, 100)
    runs = [spread(system.run_now_ms(count, 20)) for _ in range(scale.repeat)]
    yield Measurement("B", f"{count} calls at 20 a second", system.name, gathered(runs))


def drain(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    count = min(scale.pick(system.limits.drain, system.limits.drain // 2), scale.pick(100_000, 20_000))
    for workers in (1, 2):
        what = f"requests, {plural(workers, 'worker')}"
        yield Measurement(
            "C",
            what,
            system.name,
            gathered([_drained(system, count, workers) for _ in range(scale.repeat)]),
            f"{count:,} requests",
        )
    if isinstance(system, PgCronPy):
        yield from drain_schedules(system, scale)


def _drained(system: System, count: int, workers: int) -> dict[str, float]:
    system.fill(count, "noop")
    with system.working(workers) as crew:
        return {"runs a second": count / system.drained(crew, count, 600)}


def drain_schedules(system: PgCronPy, scale: Scale) -> Iterator[Measurement]:
    count = scale.pick(20_000, 5_000)
    for workers in (1, 2):
        runs = []
        for _ in range(scale.repeat):
            system.fill_due(count)
            with system.working(workers) as crew:
                runs.append({"runs a second": count / system.drained(crew, count, 600)})
        yield Measurement(
            "C", f"due schedules, {plural(workers, 'worker')}", system.name, gathered(runs), f"{count:,} schedules"
        )


def idle(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    schedules, seconds = min(1000, system.limits.most_schedules), scale.pick(60, 20)
    runs = []
    for _ in range(min(scale.repeat, scale.pick(3, 1))):
        system.fill_schedules(schedules)
        with system.working(1, schedules=schedules) as crew:
            time.sleep(scale.pick(10, 5))  # what it does once, after its start
            began, before = time.monotonic(), {part.name: _cpu(part.pids) for part in crew.parts()}
            found = {"statements a second": statements_per_second(system.database, seconds)}
            for part in crew.parts():
                used = (_cpu(part.pids) - before[part.name]) / (time.monotonic() - began)
                found[f"{part.name}: CPU seconds a minute"] = used * 60
                found[f"{part.name}: RSS MiB"] = sum(map(rss_mib, part.pids))
                found[f"{part.name}: PSS MiB"] = sum(map(own_mib, part.pids))
            runs.append(found)
    yield Measurement("D", plural(schedules, "schedule"), system.name, gathered(runs))


def _cpu(pids: list[int]) -> float:
    return sum(map(cpu_seconds, pids))


def others(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    """Commits of 16 other clients while the system drains, against the same without it, taken right before."""
    seconds = scale.pick(4, 3)
    runs, is_short = [], False
    for _ in range(scale.repeat):
        system.fill(system.limits.drain, "noop")
        alone = commits(floor, 16, seconds)
        with system.working(1) as crew:
            while system.is_drained() is False and not _has_begun(system, crew):
                time.sleep(0.01)
            beside = commits(floor, 16, seconds)
            is_short = is_short or system.is_drained()
        runs.append({"alone, commits a second": alone, "beside, commits a second": beside, "ratio": beside / alone})
    note = "it was done before the other clients were: the ratio flatters it" if is_short else ""
    yield Measurement("G", "16 clients", system.name, gathered(runs), note)


def _has_begun(system: System, crew: Any) -> bool:
    if isinstance(system, PgCronPy):
        return bool(system.database.value("SELECT EXISTS (SELECT FROM pgcron.cron_log)"))
    return bool(crew.starts)


def blocking(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    count = 1000
    runs = []
    for _ in range(scale.repeat):
        system.fill(count, "sync")
        with system.working(1, "sync") as crew:
            runs.append({"seconds": system.drained(crew, count, 300)})
    yield Measurement("I", f"{count:,} handlers of 10 ms, 1 worker", system.name, gathered(runs))


CASES: dict[str, Case] = {"A": lag, "B": run_now, "C": drain, "D": idle, "G": others, "I": blocking}
TITLES = {
    "A": "Start lag: handler start minus due time, ms",
    "B": "Run now: from the client's call to the handler's first line, ms",
    "C": "Drain: no-op async handlers ready now, runs a second until everything is recorded",
    "D": "Idle: one worker, schedules of which none is due",
    "F": "Growth",
    "G": "Commits of others while it drains",
    "H": "Executors",
    "I": "Sync handlers",
    "K": "Fifty workers on one database",
    "L": "Startup: seconds until it is there",
}
