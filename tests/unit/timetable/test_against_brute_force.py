"""The layer against an oracle that tries every minute (or second) of a window, by the rules alone.

The oracle never reads a text: expressions are *built* (support.expressions), each item with the set of values it means,
so no parser is shared. It walks instants, converts each to the zone's clock, and applies the day rule and the DST rule as sentences. It
knows no transitions: a gap is where the clock jumps between two instants, a second pass is a reading seen before.

PGCRON_PROOF=1 runs ten times as many cases.
"""

import calendar
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import DstFold, DstGap, next_runs, parse
from support.expressions import Built, case, day_fields

SCALE = 10 if os.environ.get("PGCRON_PROOF") == "1" else 1
BATCHES = 10
WARM_UP = timedelta(hours=26)


def oracle(
    built: Built, zone: ZoneInfo, after: datetime, until: datetime, step: timedelta, gap: DstGap, fold: DstFold
) -> Iterator[datetime]:
    """Every instant in (after, until], by trying each."""
    repeated = walls_seen_twice(zone, after - WARM_UP, until + WARM_UP, step)
    seen: set[datetime] = set()
    previous: datetime | None = None
    instant = after - WARM_UP
    while instant <= until:
        wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        swallowed = False
        missing = previous + step if previous else wall
        while missing < wall:
            swallowed = swallowed or built.matches(missing)
            missing += step
        second_pass = wall in seen
        fires = built.matches(wall) and (
            wall not in repeated or fold == "both" or (fold == "second" if second_pass else fold == "first")
        )
        if instant > after and (fires or (swallowed and gap == "run_after")):
            yield instant
        seen.add(wall)
        previous, instant = wall, instant + step


def walls_seen_twice(zone: ZoneInfo, start: datetime, end: datetime, step: timedelta) -> set[datetime]:
    seen: set[datetime] = set()
    twice: set[datetime] = set()
    while start <= end:
        wall = start.astimezone(zone).replace(tzinfo=None, fold=0)
        (twice if wall in seen else seen).add(wall)
        start += step
    return twice


def check(rng: random.Random, with_seconds: bool) -> int:
    built, zone, after, until, gap, fold = case(rng, with_seconds)
    try:
        timetable = parse(built.text)
    except InvalidSchedule as error:
        assert error.code == "never_fires", built.text  # noqa: PT017  # the property's other half
        return 0
    step = timedelta(seconds=1) if with_seconds else timedelta(minutes=1)
    default_gap: DstGap = "skip" if built.wildcard else "run_after"
    default_fold: DstFold = "both" if built.wildcard else "first"
    expected = list(oracle(built, ZoneInfo(zone), after, until, step, gap or default_gap, fold or default_fold))
    plan = timetable.plan(zone, dst_gap=gap, dst_fold=fold)
    told = f"{built.text!r} in {zone}, gap {gap}, fold {fold}, ({after}, {until}]"
    assert plan.occurrences_between(after, until, 10**6) == expected, told
    assert plan.latest_before(after, until) == (expected[-1] if expected else None), told
    count, exact = plan.count_between(after, until)
    assert (count, exact) == (len(expected), True), told
    if expected:
        odd = rng.choice(expected)
        assert plan.next_after(odd - timedelta(microseconds=1)) == odd, told
        assert plan.latest_before(after, odd + timedelta(microseconds=1)) == odd, told
    return len(expected)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_five_fields_agree_with_every_minute_tried(batch: int) -> None:
    rng = random.Random(1_000 + batch)
    fired = sum(check(rng, with_seconds=False) > 0 for _ in range(30 * SCALE))
    assert fired > 15 * SCALE  # the cases are no empty ones


@pytest.mark.parametrize("batch", range(4))
def test_six_fields_agree_with_every_second_tried(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two hours hold the longest fold here but the skipped days, whose gap is found by any warm-up.
    monkeypatch.setitem(globals(), "WARM_UP", timedelta(hours=2, minutes=30))
    rng = random.Random(2_000 + batch)
    fired = sum(check(rng, with_seconds=True) > 0 for _ in range(9 * SCALE))
    assert fired >= 2 * SCALE


@dataclass(frozen=True)
class BuiltDay:
    """Day fields with a predicate written from the definition of each word."""

    text: str

    def matches(self, day: date) -> bool:
        dom, dow = self.text.split()
        length = calendar.monthrange(day.year, day.month)[1]
        dom_matches = any(self._dom(item, day, length) for item in dom.split(","))
        dow_matches = any(self._dow(item, day, length) for item in dow.split(","))
        both = dom.startswith("*") or dow.startswith("*")
        return dom_matches and dow_matches if both else dom_matches or dow_matches

    @staticmethod
    def _dom(item: str, day: date, length: int) -> bool:
        if item == "*":
            return True
        if item in ("L", "$"):
            return day.day == length
        if item.endswith("W"):
            target = length if item == "LW" else int(item[:-1])
            return target <= length and day == nearest_weekday(day.replace(day=target))
        return day.day % int(item[2:]) == 1 % int(item[2:]) if item.startswith("*/") else day.day == int(item)

    @staticmethod
    def _dow(item: str, day: date, length: int) -> bool:
        if item == "*":
            return True
        weekday = day.isoweekday()
        if item.startswith("*/"):
            return weekday % 7 % int(item[2:]) == 0
        if int(item[0]) % 7 != weekday % 7:
            return False
        if item.endswith("L"):
            return day.day > length - 7
        return item[1:] == "" or (day.day - 1) // 7 + 1 == int(item[2:])


def nearest_weekday(target: date) -> date:
    """The weekday nearest, in the same month."""
    options = [target + timedelta(days=offset) for offset in (0, -1, 1, -2, 2)]
    return next(day for day in options if day.month == target.month and day.weekday() < 5)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_days_agree_with_every_day_tried(batch: int) -> None:
    rng = random.Random(3_000 + batch)
    for _ in range(10 * SCALE):
        fields = day_fields(rng)
        start = datetime(2023 + rng.randint(0, 8), 1, 1, tzinfo=UTC) + timedelta(days=rng.randint(0, 365))
        built, days = BuiltDay(fields), [start + timedelta(days=n) for n in range(450)]
        dom, dow = fields.split()
        expected = [day for day in days if built.matches(day.date())]
        runs = next_runs(f"0 0 {dom} * {dow}", "UTC", start - timedelta(seconds=1), len(expected) + 1)
        assert runs[:-1] == expected, (fields, start)
        assert runs[-1] > days[-1], (fields, start)
