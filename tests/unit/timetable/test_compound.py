"""Several timetables, a period and exclusions: against a scan of every minute, and in the corners."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from pgcron_py.domain.job import Timing
from pgcron_py.domain.words import JobId
from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import ExcludingPlan, exclusion_of, following

T0 = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe")
TEXTS = ("*/20 * * * *", "7 */3 * * *", "30 2 * * *", "0 0 * * 1-5", "@every 50m", "15 1-3 * * 0", "31 59 * * * *")
EXCLUSIONS = ("* * * * 6,0", "* 2 * * *", "* 22-23,0 * * *", "* * 29 * *")


def timing(*schedules: str, zone: str = "UTC", **more: object) -> Timing:
    return Timing(JobId(UUID(int=1)), "j", schedules[0], zone, T0, extra=schedules[1:], **more)  # type: ignore[arg-type]  # test data


def runs(plan: Timing, after: datetime = T0, n: int = 4) -> list[str]:
    return [f"{at:%d %H:%M}" for at in following(plan.plan(), after, n)]


@pytest.mark.parametrize("seed", range(40))
def test_it_names_what_a_look_at_every_minute_finds(seed: int) -> None:
    dice = random.Random(seed)
    zone = dice.choice(ZONES)
    texts = dice.sample(TEXTS, dice.randint(1, 3))
    excluded = tuple(dice.sample(EXCLUSIONS, dice.randint(0, 2)))
    around = dice.choice((T0, datetime(2026, 10, 31, 12, 0, tzinfo=UTC), datetime(2026, 4, 4, 6, 0, tzinfo=UTC)))
    start, end = around + timedelta(hours=dice.randint(0, 9)), around + timedelta(hours=dice.randint(50, 90))
    compound = timing(*texts, zone=zone, excluded=excluded, start_at=start, end_at=end)
    until = around + timedelta(days=4)
    parts = [timing(text, zone=zone).plan() for text in texts]
    named = sorted({at for part in parts for at in part.occurrences_between(around, until, 10_000)})
    expected = [at for at in named if start <= at <= end and not any(_matches(text, at, zone) for text in excluded)]
    plan = compound.plan()
    assert plan.occurrences_between(around, until, 10_000) == expected
    assert plan.count_between(around, until) == (len(expected), True)
    assert plan.latest_before(around, until) == (expected[-1] if expected else None)


def _matches(text: str, at: datetime, zone: str) -> bool:
    """By the definition: the reading of that minute is one that the exclusion names."""
    wall = at.astimezone(ZoneInfo(zone))
    _, hours, days, _, weekdays = text.split()
    return (
        (hours == "*" or wall.hour in {"2": {2}, "22-23,0": {22, 23, 0}}[hours])
        and (days == "*" or wall.day == int(days))
        and (weekdays == "*" or wall.isoweekday() % 7 in (6, 0))
    )


def test_where_two_coincide_there_is_one_occurrence() -> None:
    assert runs(timing("0 13 * * *", "0 */1 * * *"), n=3) == ["27 13:00", "27 14:00", "27 15:00"]


def test_the_ends_of_a_period_belong_to_it() -> None:
    period = timing("0 * * * *", start_at=T0 + 60 * MINUTE, end_at=T0 + 180 * MINUTE)
    assert runs(period) == ["27 13:00", "27 14:00", "27 15:00"]
    assert runs(timing("0 * * * *", start_at=T0 + timedelta(hours=1, microseconds=1)), n=1) == ["27 14:00"]


def test_what_is_excluded_for_ever_names_nothing_and_says_so_soon() -> None:
    assert runs(timing("*/5 * * * * *", excluded=("* * * * *",))) == []
    assert runs(timing("* * * * * *", excluded=("* 0-11 * * *", "* 12-23 * * *"))) == []


def test_a_rare_one_passes_over_an_excluded_year() -> None:
    """Christmas of 2027 is a Saturday."""
    plan = timing("0 9 25 12 *", excluded=("* * * * 6,0",)).plan()
    assert [at.year for at in following(plan, datetime(2026, 12, 31, tzinfo=UTC), 2)] == [2028, 2029]


def test_the_first_instant_after_an_excluded_hour_is_named() -> None:
    """Also when one in the last minute of that hour, past its first second, was left out."""
    plan = timing("31 59 0 * * *", "0 1 * * *", excluded=("* 0 * * *",))
    assert runs(plan, n=2) == ["28 01:00", "29 01:00"]


def test_it_tells_what_it_left_out() -> None:
    plan = timing("0 9 * * *", excluded=("* * * * 6,0",)).plan()
    assert isinstance(plan, ExcludingPlan)
    friday, monday = datetime(2026, 3, 27, 9, tzinfo=UTC), datetime(2026, 3, 30, 9, tzinfo=UTC)
    assert plan.next_after(friday) == monday
    saturday = friday + timedelta(days=1)
    assert plan.excluded_between(friday, monday - MINUTE) == (saturday, saturday + timedelta(days=1), 2, True)
    assert plan.excluded_between(monday, monday + MINUTE) is None


@pytest.mark.parametrize("text", ["0 0 25 12 *", "@daily", "*/2 * * * *", "0 * * 25 12 *", "@every 1h", "@reboot"])
def test_an_exclusion_of_single_minutes_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InvalidSchedule, match="single minutes") as refusal:
        exclusion_of(text)
    assert "* * 25 12 *" in (refusal.value.hint or "")
