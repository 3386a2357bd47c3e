"""`H` and jitter: hashes that every worker, process and release computes alike."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from pgcron_py.timetable import jitter_offset, jittered_start, parse

AT = datetime(2026, 3, 4, tzinfo=UTC)


def test_h_is_the_same_in_every_process() -> None:
    script = "from pgcron_py.timetable import parse; print(parse('H H H H H', name='nightly report').canonical)"
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert seen == {parse("H H H H H", name="nightly report").canonical}


def test_h_never_changes_between_releases() -> None:
    assert parse("H H H H H", name="nightly report").canonical == PINNED


PINNED = "11 20 19 10 4"


@pytest.mark.parametrize("name", ["a", "b", "nightly", "ünïcode", "", "x" * 300])
def test_h_stays_within_its_field_and_skips_no_month(name: str) -> None:
    second, minute, hour, dom, month, dow, year = parse("H H H H H H H", name=name).fields
    assert len(second.values) == len(minute.values) == len(hour.values) == len(month.values) == len(dow.values) == 1
    assert dom.values[0] <= 28
    assert 0 <= dow.values[0] <= 6
    assert 1970 <= year.values[0] <= 2099


def test_h_with_a_step_starts_anywhere_in_its_first_period() -> None:
    starts = Counter(parse("H/15 * * * *", name=f"job {n}").fields[0].values[0] for n in range(400))
    assert set(starts) == set(range(15))
    minutes = parse("H/15 * * * *", name="job").fields[0].values
    assert len(minutes) == 4
    assert {b - a for a, b in pairwise(minutes)} == {15}


def test_h_in_a_range_stays_in_it_and_spreads() -> None:
    hours = Counter(parse("0 H(1-5) * * *", name=f"job {n}").fields[1].values[0] for n in range(500))
    assert set(hours) == {1, 2, 3, 4, 5}
    assert max(hours.values()) < 150


def test_h_differs_by_field_and_by_name() -> None:
    fields = [parse("H H * * *", name=f"job {n}").fields for n in range(50)]
    assert len({minute.values for minute, *_ in fields}) > 20
    assert any(minute.values[0] != hour.values[0] for minute, hour, *_ in fields)


def test_jitter_is_fixed_for_an_occurrence_and_spreads_over_its_span() -> None:
    offsets = [jitter_offset("job", AT + timedelta(hours=n), 60_000) for n in range(500)]
    assert offsets == [jitter_offset("job", AT + timedelta(hours=n), 60_000) for n in range(500)]
    assert all(timedelta(0) <= offset < timedelta(minutes=1) for offset in offsets)
    assert len(set(offsets)) > 480


def test_jitter_is_of_the_instant_and_not_of_its_zone() -> None:
    from zoneinfo import ZoneInfo

    assert jitter_offset("job", AT, 60_000) == jitter_offset("job", AT.astimezone(ZoneInfo("Asia/Tokyo")), 60_000)


def test_no_jitter_is_none() -> None:
    assert jitter_offset("job", AT, 0) == timedelta(0)
    assert jitter_offset("job", AT, -5) == timedelta(0)


def test_jitter_needs_an_aware_instant() -> None:
    with pytest.raises(ValueError, match="aware"):
        jitter_offset("job", datetime(2026, 1, 1), 1_000)


def test_a_jittered_start_stays_before_the_next_occurrence() -> None:
    following = AT + timedelta(seconds=1)
    starts = [jittered_start(f"job {n}", AT, 60_000, following) for n in range(200)]
    assert all(AT <= start < following for start in starts)
    assert jittered_start("job", AT, 60_000, None) == AT + jitter_offset("job", AT, 60_000)
