"""Against cronsim, which also follows Debian cron. 5 fields only: with 6, cronsim leaves Debian's rule.

Where the two differ:
- slots of one gap are one run here; cronsim yields the gap's end once for each slot (compared without repeats);
- `v/n` in day-of-week ends on Saturday here (a week of seven days), on 7 in cronsim: `1/2` adds Sunday (not generated);
- `0/n` in minute and hour is `*/n` here and so a wildcard, a fixed time in cronsim (not generated);
- `9-9/2` is 9 here, `9/2` in cronsim (not generated);
- cronsim has no `nW`, and no `W`, `L` or `#` beside lists that we refuse (not generated);
- a wildcard job whose day begins inside a gap (`*/30 0 4 * *` in Sao Paulo, 2018-11-04): cronsim jumps to the imaginary
  midnight and fires at the gap's end; here the clock never shows it (such zones are in the brute-force test instead);
- a wildcard job across a half-hour change (`* 20 * 4 0#1` in Lord Howe, 2027-04-04): cronsim steps by whole hours of UTC
  and begins at 20:30 instead of 20:00 (Lord Howe is compared with fixed-time jobs only).
"""

import os
import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import next_runs, parse

SCALE = 10 if os.environ.get("PGCRON_PROOF") == "1" else 1
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns"]
HALF_HOUR_CHANGE = "Australia/Lord_Howe"


def field(rng: random.Random, low: int, high: int, stars: float) -> str:
    if rng.random() < stars:
        return rng.choice(("*", "*", f"*/{rng.randint(2, min(high, 12))}"))
    value = rng.randint(max(low, 1), high)
    end = rng.randint(value, high)
    spans = (f"{value}-{end}", f"{value}-{end}/2") if end > value else ()
    return rng.choice((str(value), f"{value},{end}", *spans))


def expression(rng: random.Random) -> str:
    dom = rng.choice(("L", "LW")) if rng.random() < 0.1 else field(rng, 1, 31, 0.6)
    dow = rng.choice(("1#2", "5L", "0#1")) if rng.random() < 0.15 and dom == "*" else field(rng, 0, 6, 0.7)
    if dom == "LW":
        dow = "*"
    return " ".join((field(rng, 0, 59, 0.4), field(rng, 0, 23, 0.4), dom, field(rng, 1, 12, 0.8), dow))


def theirs(text: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """Without repeats. Started at local noon, where no zone changes."""
    found: list[datetime] = []
    for local in islice(CronSim(text, after.astimezone(ZoneInfo(zone))), count * 5):
        instant = local.astimezone(UTC)
        if instant not in found:
            found.append(instant)
    return found[:count]


@pytest.mark.parametrize("batch", range(10))
def test_runs_agree_with_cronsim(batch: int) -> None:
    rng = random.Random(4_000 + batch)
    compared = 0
    for _ in range(50 * SCALE):
        text, zone = expression(rng), rng.choice(ZONES)
        noon = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo(zone)) + timedelta(days=rng.randint(0, 700))
        try:
            if parse(text).wildcard and zone == HALF_HOUR_CHANGE:
                continue
            expected = theirs(text, zone, noon.astimezone(UTC), 12)
        except (InvalidSchedule, CronSimError):
            continue
        assert next_runs(text, zone, noon, len(expected)) == expected, (text, zone, noon)
        compared += 1
    assert compared > 30 * SCALE
