"""The layer against an oracle that tries every minute (or second) of a window, by the rules alone.

The oracle never reads a text: expressions are *built*, each item with the set of values it means, so no parser is
shared. It walks instants, converts each to the zone's clock, and applies the day rule and the DST rule as sentences. It
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

SCALE = 10 if os.environ.get("PGCRON_PROOF") == "1" else 1
BATCHES = 10
WARM_UP = timedelta(hours=26)

# A zone and an instant near one of its changes.
CHANGES = [
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("Europe/Dublin", "2026-10-25T01:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00"),
    ("America/Sao_Paulo", "2018-02-18T02:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kiritimati", "1994-12-31T10:00"),
    ("Africa/Casablanca", "2024-03-10T02:00"),
    ("Africa/Casablanca", "2024-04-14T02:00"),
    ("Asia/Kathmandu", "1985-12-31T18:30"),
    ("America/St_Johns", "2006-04-02T03:31"),
    ("America/St_Johns", "2006-10-29T02:31"),
    ("America/Caracas", "2007-12-09T07:00"),
    ("Asia/Pyongyang", "2015-08-14T15:00"),
    ("Asia/Pyongyang", "2018-05-04T15:00"),
    ("Antarctica/Troll", "2026-03-29T01:00"),
    ("Antarctica/Troll", "2026-10-25T01:00"),
    ("America/Havana", "2026-03-08T05:00"),
    ("America/Havana", "2026-11-01T05:00"),
    ("Pacific/Chatham", "2026-04-04T14:00"),
    ("Asia/Tehran", "2021-09-21T19:30"),
    ("Europe/Moscow", "2014-10-25T22:00"),
    ("UTC", "2026-02-28T12:00"),
]


@dataclass(frozen=True)
class Built:
    """A text with what it means."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    doms: frozenset[int]
    months: frozenset[int]
    dows: frozenset[int]
    days_and: bool
    wildcard: bool

    def day_matches(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        dom, dow = day.day in self.doms, (day.weekday() + 1) % 7 in self.dows
        return dom and dow if self.days_and else dom or dow

    def matches(self, wall: datetime) -> bool:
        time_matches = wall.second in self.seconds and wall.minute in self.minutes and wall.hour in self.hours
        return time_matches and self.day_matches(wall.date())


def build_item(rng: random.Random, low: int, high: int, near: int) -> tuple[str, set[int]]:
    shape = rng.random()
    value = near if rng.random() < 0.5 else rng.randint(low, high)
    step = rng.randint(1, max(1, min(20, high - low)))
    end = rng.randint(value, high)
    if shape < 0.55:
        return str(value), {value}
    if shape < 0.7:
        return f"{value}-{end}", set(range(value, end + 1))
    if shape < 0.8:
        return f"{value}-{end}/{step}", set(range(value, end + 1, step))
    if value > 0:
        return f"{value}/{step}", set(range(value, high + 1, step))
    return str(high), {high}


def build_field(rng: random.Random, low: int, high: int, near: int, stars: float) -> tuple[str, set[int]]:
    """The text and its values; a list may lead with a star step."""
    if rng.random() < stars:
        return "*", set(range(low, high + 1))
    items = [build_item(rng, low, high, near) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    if rng.random() < 0.25:
        step = rng.randint(2, max(2, min(15, high - low)))
        items.insert(0, (f"*/{step}", set(range(low, high + 1, step))))
    return ",".join(text for text, _ in items), set().union(*(values for _, values in items))


def build(rng: random.Random, near: datetime, with_seconds: bool) -> Built:
    second, seconds = build_field(rng, 0, 59, 0, 0.3) if with_seconds else ("0", {0})
    minute, minutes = build_field(rng, 0, 59, rng.choice((0, 1, 15, 30, 45, near.minute)), 0.2)
    hour, hours = build_field(rng, 0, 23, (near.hour + rng.randint(-2, 2)) % 24, 0.4 if with_seconds else 0.25)
    dom, doms = build_field(rng, 1, 31, near.day, 0.9 if with_seconds else 0.6)
    month, months = build_field(rng, 1, 12, near.month, 0.9)
    dow, dows = build_field(rng, 0, 6, (near.weekday() + 1) % 7, 0.9 if with_seconds else 0.6)
    return Built(
        text=" ".join([*([second] if with_seconds else []), minute, hour, dom, month, dow]),
        seconds=frozenset(seconds),
        minutes=frozenset(minutes),
        hours=frozenset(hours),
        doms=frozenset(doms),
        months=frozenset(months),
        dows=frozenset(dows),
        days_and=dom.startswith("*") or dow.startswith("*"),
        wildcard=minute.startswith("*") or hour.startswith("*"),
    )


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


def case(
    rng: random.Random, with_seconds: bool
) -> tuple[Built, str, datetime, datetime, DstGap | None, DstFold | None]:
    zone, change = rng.choice(CHANGES)
    at = datetime.fromisoformat(change).replace(tzinfo=UTC)
    spread = 1 if with_seconds else 30
    after = at + timedelta(minutes=rng.randint(-60 * spread, 30 * spread))
    until = at + timedelta(minutes=rng.randint(30 * spread + 1, 60 * spread))
    near = at.astimezone(ZoneInfo(zone))
    gap: DstGap | None = rng.choice((None, None, None, "run_after", "skip"))
    fold: DstFold | None = rng.choice((None, None, None, "first", "both", "second"))
    return build(rng, near, with_seconds), zone, after, until, gap, fold


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


def day_fields(rng: random.Random) -> str:
    dom = rng.choice(["*", "*", "L", "$", "LW", f"{rng.randint(1, 31)}W", "*/2", f"*/{rng.randint(2, 31)}"])
    if rng.random() < 0.4:
        dom = ",".join(str(rng.randint(1, 31)) for _ in range(rng.randint(1, 3))) + rng.choice(("", "", ",L"))
    dow = rng.choice(["*", "*", f"*/{rng.randint(2, 6)}", str(rng.randint(0, 7)), "1,3", "5,7"])
    if dom == "*" and rng.random() < 0.6:
        words = [f"{rng.randint(0, 7)}#{rng.randint(1, 5)}", f"{rng.randint(0, 7)}L", str(rng.randint(0, 7))]
        dow = ",".join(rng.sample(words, rng.randint(1, 3)))
    return f"{dom} {dow if 'W' not in dom else '*'}"


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
