"""Words for times, durations and shares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pgcron_py.app.schedules import pointer
from pgcron_py.cli import formatting as fmt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (0.4, "now"),
        (5, "in 5 s"),
        (-5, "5 s ago"),
        (3720, "in 1 h 2 min"),
        (86_400, "in 1 d"),
        (90_061, "in 1 d 1 h"),
        (86_461, "in 1 d"),
    ],
)
def test_relative_times_have_at_most_two_units(seconds: float, words: str) -> None:
    assert fmt.relative(NOW + timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "-"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1500, "1.5 s"),
        (59_400, "59.4 s"),
        (60_000, "1 min"),
        (125_000, "2 min 5 s"),
    ],
)
def test_durations_are_short(ms: float | None, words: str) -> None:
    assert fmt.duration(ms) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "-"), (1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50 %"), (0.0, "0 %")]
)
def test_a_share_is_never_rounded_up_to_all(value: float | None, words: str) -> None:
    assert fmt.share(value) == words


def test_times_of_an_unknown_zone_are_told_in_utc() -> None:
    assert fmt.local(NOW, "Mars/X") == "2026-01-01 00:00:00 UTC"


def test_a_long_text_is_cut_around_the_caret() -> None:
    text, caret = pointer("0 " * 120 + "x", 241).splitlines()
    assert len(text) <= 76
    assert text[len(caret) - 1] == "x"


def test_tabs_and_control_letters_do_not_move_the_caret() -> None:
    assert pointer("0\t\x1b *", 3) == "0 ? *\n  ^"
