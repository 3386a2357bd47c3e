"""Random schedules: built with what they mean, near the changes of zones, and of every form the grammar has."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pgcron_py.timetable import DstFold, DstGap

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


def day_fields(rng: random.Random) -> str:
    dom = rng.choice(["*", "*", "L", "$", "LW", f"{rng.randint(1, 31)}W", "*/2", f"*/{rng.randint(2, 31)}"])
    if rng.random() < 0.4:
        dom = ",".join(str(rng.randint(1, 31)) for _ in range(rng.randint(1, 3))) + rng.choice(("", "", ",L"))
    dow = rng.choice(["*", "*", f"*/{rng.randint(2, 6)}", str(rng.randint(0, 7)), "1,3", "5,7"])
    if dom == "*" and rng.random() < 0.6:
        words = [f"{rng.randint(0, 7)}#{rng.randint(1, 5)}", f"{rng.randint(0, 7)}L", str(rng.randint(0, 7))]
        dow = ",".join(rng.sample(words, rng.randint(1, 3)))
    return f"{dom} {dow if 'W' not in dom else '*'}"


DAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
ALIASES = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@reboot"]


def any_schedule(rng: random.Random, near: datetime) -> str:
    """A text of any form; few of them can never fire."""
    kinds = (
        five_or_six,
        five_or_six,
        with_special_days,
        with_special_days,
        with_years,
        hashed,
        named,
        interval_or_alias,
    )
    return rng.choice(kinds)(rng, near)


def five_or_six(rng: random.Random, near: datetime) -> str:
    return build(rng, near, with_seconds=rng.random() < 0.3).text


def with_special_days(rng: random.Random, near: datetime) -> str:
    dom, dow = day_fields(rng).split()
    minute, hour, month = (
        build_field(rng, *bounds, 0.3)[0] for bounds in ((0, 59, 0), (0, 23, 2), (1, 12, near.month))
    )
    return f"{minute} {hour} {dom} {month} {dow}"


def with_years(rng: random.Random, near: datetime) -> str:
    year = min(max(near.year + rng.randint(-3, 12), 1970), 2099)
    years = rng.choice(
        ("*", str(year), f"{year}-2099", f"{year}/{rng.randint(1, 9)}", f"*/{rng.randint(2, 40)}", "2099")
    )
    return f"{rng.choice(('0', '*/20', '7,9'))} {with_special_days(rng, near)} {years}"


def hashed(rng: random.Random, near: datetime) -> str:
    fields = five_or_six(rng, near).split()
    if len(fields) == 5:
        minute, hour, dow = (
            rng.choice(("H", "H/7", "H(3-40)")),
            rng.choice(("H", "H/5", "H(1-4)")),
            rng.choice(("H", "H(mon-fri)")),
        )
        for place, word in ((0, minute), (1, hour), (2, "H"), (3, rng.choice(("H", "H/4"))), (4, dow)):
            fields[place] = word if rng.random() < 0.5 else fields[place]
    return " ".join(fields)


def named(rng: random.Random, near: datetime) -> str:
    first, last = sorted((rng.randint(0, 6), rng.randint(0, 6)))
    days = rng.choice(
        (DAY_NAMES[first], f"{DAY_NAMES[first]}-{DAY_NAMES[last]}".upper(), f"{DAY_NAMES[last]}-sun", f"{first}/2", "?")
    )
    months = rng.choice(("*", rng.choice(MONTH_NAMES), f"{MONTH_NAMES[first]}-{MONTH_NAMES[last + 5]}/2", "Feb,aUg"))
    dom = rng.choice(("?", "*", "*/9", "1-31", f"{near.day}"))
    return f"\t{rng.randint(0, 59)}  {rng.choice(('0/6', '2', '*', '1-3'))} {dom} {months} {days} "


def interval_or_alias(rng: random.Random, near: datetime) -> str:
    every = f"@every {rng.randint(0, 90)}h{rng.randint(1, 90)}m{rng.randint(0, 3)}s"
    return rng.choice(
        (every, "@every 8784h", f"{rng.randint(1, 59)} seconds", rng.choice(ALIASES), rng.choice(ALIASES))
    )
