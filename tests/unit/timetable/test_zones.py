"""Zones: IANA names, spelled exactly; nothing else reaches the file system."""

from datetime import UTC, datetime

import pytest

from pgcron_py.errors import UnknownTimeZone
from pgcron_py.timetable import load_zone, next_runs

GOOD = ["UTC", "Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Etc/GMT-14", "EST5EDT", "GB"]
BAD = [
    "",
    " ",
    "Mars/Olympus",
    "europe/berlin",
    "utc",
    "Europe",
    "America/Argentina",
    "Europe/Berlin ",
    " Europe/Berlin",
    "Europe//Berlin",
    "Europe/",
    "/etc/passwd",
    "/usr/share/zoneinfo/UTC",
    "../UTC",
    "Europe/../UTC",
    "./UTC",
    "Europe/Berlin\x00",
    "Europe/Berlin\n",
    "Europe\\Berlin",
    "posixrules",
    "localtime",
    "Factory",
    "right/UTC",
    "posix/UTC",
    "leapseconds",
    "tzdata.zi",
    "zone.tab",
    "UTC+2",
    "+02:00",
    "EST5EDT,M3.2.0,M11.1.0",
    ":UTC",
    "Zürich",
    "\udc80",
    "a" * 10_000,
]


@pytest.mark.parametrize("name", GOOD)
def test_iana_names_are_zones(name: str) -> None:
    assert load_zone(name).key == name


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_an_unknown_zone(name: str) -> None:
    with pytest.raises(UnknownTimeZone) as caught:
        load_zone(name)
    assert "Europe/Berlin" in (caught.value.hint or "")


def test_a_schedule_in_an_unknown_zone_is_refused() -> None:
    with pytest.raises(UnknownTimeZone):
        next_runs("@daily", "Mars/Olympus", datetime(2026, 1, 1, tzinfo=UTC), 1)
