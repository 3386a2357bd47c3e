"""How fast the timetable layer is: `python benchmarks/timetable.py`. One thread, one core, no database.

Prints next-run computations per second with warm caches, the cost of a text never seen, and what a worker pays after a
month of downtime. Figures depend on the machine: compare them with each other.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import days, grammar, next_runs, parse, zones

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ROUNDS = 5_000
TICKING = [
    ("plain cron, UTC", "*/5 * * * *", "UTC"),
    ("plain cron, DST zone", "*/5 * * * *", "America/New_York"),
    ("daily, DST zone", "30 2 * * *", "Europe/Berlin"),
    ("weekdays, DST zone", "0 9 * * 1-5", "Europe/Berlin"),
    ("6 fields", "*/10 * * * * *", "America/New_York"),
    ("@every", "@every 90m", "America/New_York"),
    ("monthly (croniter)", "0 0 1 * *", "Europe/Berlin"),
    ("both days (croniter)", "0 9 13 * 5", "UTC"),
    ("last Friday (croniter)", "0 9 * * 5L", "UTC"),
]
LONG = ",".join(f"{n}-{n + 1}" for n in range(58))
SPECIALS = ",".join(["1#5", "2#5", "3#5", "0L", "4"] * 15)
HARD = [
    ("leap Sunday", "0 0 29 2 */7"),
    ("never fires", "0 0 0 30 2 * 1970-2099"),
    ("256 characters", f"{LONG[:240].rsplit(',', 1)[0]} * * * *"),
    ("256 characters of specials", f"0 0 * * {SPECIALS[:246].rsplit(',', 1)[0]}"),
]
LATE = ["* * * * * *", "0 9 * * 1-5", "0 9 */2 * *", "0 0 1 * *"]


def main() -> None:
    print("next_after, walking on: runs/s (goal: 10,000)")
    for label, text, zone in TICKING:
        print(f"  {label:26}{walk(text, zone):>12,.0f}")
    print("parse + plan + next_after, everything cached: per second")
    print(f"  {'*/5 * * * * in New York':26}{cached():>12,.0f}")
    print("parse + plan + first run of a text never seen: ms, worst of 20")
    for label, text in HARD:
        print(f"  {label:26}{unseen(text):>12.2f}")
    month = NOW - timedelta(days=30)
    print("after a month of `* * * * * *` in New York: ms")
    plan = parse("* * * * * *").plan("America/New_York")
    print(f"  {'latest_before':26}{worst(lambda: plan.latest_before(month, NOW)):>12.2f}")
    print(
        f"  {'count_between':26}{worst(lambda: plan.count_between(month, NOW)):>12.2f}  {plan.count_between(month, NOW)}"
    )
    print("count_between over 10 years: ms")
    for text in LATE:
        print(f"  {text:26}{count_cost(text):>12.2f}")
    print("RSS that the import adds: KiB")
    for label, statement in IMPORTS:
        print(f"  {label:26}{added_memory(statement):>12,}")


def walk(text: str, zone: str) -> float:
    plan, at = parse(text).plan(zone), NOW
    started = time.perf_counter()
    for _ in range(ROUNDS):
        following = plan.next_after(at)
        assert following
        at = following
    return ROUNDS / (time.perf_counter() - started)


def cached() -> float:
    started = time.perf_counter()
    for _ in range(ROUNDS):
        parse("*/5 * * * *").plan("America/New_York").next_after(NOW)
    return ROUNDS / (time.perf_counter() - started)


def count_cost(text: str) -> float:
    plan = parse(text).plan("America/New_York")
    return worst(lambda: plan.count_between(NOW - timedelta(days=3650), NOW))


def unseen(text: str) -> float:
    def once() -> None:
        for cache in (grammar._parse, days.days_of, zones.load_zone):
            cache.cache_clear()
        days._engines.of.cache_clear()
        with suppress(InvalidSchedule):
            next_runs(text, "America/New_York", NOW, 1)

    return worst(once)


def worst(call: Callable[[], object], rounds: int = 20) -> float:
    slowest = 0.0
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        slowest = max(slowest, time.perf_counter() - started)
    return slowest * 1_000


IMPORTS = [
    ("pgcron_py.timetable", "import pgcron_py.timetable"),
    ("  + a calendar question", "import pgcron_py.timetable as t; t.parse('0 0 1 * *')"),
]
PROBE = """
import dataclasses, datetime, enum, functools, typing
def rss(): return int(open('/proc/self/statm').read().split()[1]) * 4
before = rss()
{statement}
print(rss() - before)
"""


def added_memory(statement: str) -> int:
    """In a fresh interpreter (Linux)."""
    probe = [sys.executable, "-c", PROBE.format(statement=statement)]
    return int(subprocess.run(probe, capture_output=True, check=True, text=True).stdout)


if __name__ == "__main__":
    main()
