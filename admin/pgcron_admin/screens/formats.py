"""Figures and instants in words, for templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from pgcron_admin.preferences import Preferences

IN_UTC = re.compile(r"\b(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b")
MINUTE, HOUR, DAY = 60, 3600, 86_400
_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))


def duration(milliseconds: float | None) -> str:
    """`840 ms`, `4.2 s`, `3 min 20 s`; – for none."""
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    return span(seconds)


def span(seconds: float) -> str:
    """The two largest units: `2 d 3 h`."""
    left, parts = round(seconds), list[str]()
    for size, unit in _UNITS:
        count, rest = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
            left = rest
        if len(parts) == 2:
            break
    return " ".join(parts[:1] if len(parts) == 2 and parts[1].startswith("0 ") else parts)


def ago(instant: datetime | None, now: datetime) -> str:
    """`4 min ago`, `in 2 h`, `now`; – for none."""
    if instant is None:
        return "–"
    seconds = (now - instant).total_seconds()
    if abs(seconds) < 1:
        return "now"
    size, unit = next(entry for entry in _UNITS if abs(seconds) >= entry[0])
    told = f"{abs(seconds) // size:.0f} {unit}"
    return f"{told} ago" if seconds > 0 else f"in {told}"


def in_zone(instant: datetime | None, zone: str) -> str:
    """`Thu 2026-11-26 03:00:00 CET`, in this zone whatever anybody prefers; – for none."""
    return "–" if instant is None else instant.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M:%S %Z")


@pass_context
def at(context: Context, instant: datetime | None, zone: str = "UTC") -> str:
    """As `in_zone`, in the zone that they want who look: `zone`, the job's, unless they chose another."""
    return in_zone(instant, zone_of(context, zone))


@pass_context
def zone_of(context: Context, zone: str = "UTC") -> str:
    """The zone in which an instant of a job in this zone is shown: for headings above times."""
    found = context.resolve("preferences")
    return found.zone(zone) if isinstance(found, Preferences) else zone


@pass_context
def rezoned(context: Context, text: str, zone: str = "UTC") -> str:
    """A sentence of the database, which tells instants in UTC, with those in the zone of `at`."""

    def told(match: re.Match[str]) -> str:
        return at(context, datetime.fromisoformat(match[1]).replace(tzinfo=UTC), zone)

    return IN_UTC.sub(told, text)


@pass_context
def short(context: Context, instant: datetime | None, zone: str = "UTC") -> str:
    """`03:00:00 CET` today, `26 Nov 03:00 CET` this year, else the date; in the zone of `at`."""
    if instant is None:
        return "–"
    zone = zone_of(context, zone)
    local, today = instant.astimezone(ZoneInfo(zone)), datetime.now(ZoneInfo(zone))
    if local.date() == today.date():
        return local.strftime("%H:%M:%S %Z")
    if abs(local - today) < timedelta(days=180):
        return local.strftime("%d %b %H:%M %Z")
    return local.strftime("%Y-%m-%d")


def iso(instant: datetime | None) -> str:
    return "" if instant is None else instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def percent(share: float | None) -> str:
    """`98.7 %`; never 100 % of what failed once; – for none."""
    if share is None:
        return "–"
    if 0.999 < share < 1:
        return "99.9 %"
    return f"{share * 100:.1f} %".replace(".0 %", " %")


def count(number: int) -> str:
    """With spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def compact(number: int) -> str:
    """For a small cell: `940`, `1.2k`, `14k`."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 9950 else f"{number / 1000:.0f}k"


def size(number: int) -> str:
    """`840 B`, `12.3 kB`, `4.0 MB`."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1000:.1f} kB" if number < 1_000_000 else f"{number / 1_000_000:.1f} MB"


def plural(number: int, one: str, many: str) -> str:
    return f"{count(number)} {one if number == 1 else many}"


FILTERS: dict[str, Callable[..., Any]] = {
    "duration": duration, "ago": ago, "at": at, "in_zone": in_zone, "zone_of": zone_of, "rezoned": rezoned, "short": short, "iso": iso, "percent": percent,
    "count": count, "plural": plural, "span": span, "bytes": size, "compact": compact,
}  # fmt: skip
