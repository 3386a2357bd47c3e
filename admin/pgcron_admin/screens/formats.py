"""Figures and instants in words, for templates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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


def at(instant: datetime | None, zone: str = "UTC") -> str:
    """`Thu 2026-11-26 03:00:00 CET`; – for none."""
    return "–" if instant is None else instant.astimezone(ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M:%S %Z")


def short(instant: datetime | None, zone: str = "UTC") -> str:
    """`03:00:00` today, `26 Nov 03:00` this year, else the date; in a zone."""
    if instant is None:
        return "–"
    local, today = instant.astimezone(ZoneInfo(zone)), datetime.now(ZoneInfo(zone))
    if local.date() == today.date():
        return local.strftime("%H:%M:%S")
    if abs(local - today) < timedelta(days=180):
        return local.strftime("%d %b %H:%M")
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
    "duration": duration, "ago": ago, "at": at, "short": short, "iso": iso, "percent": percent, "count": count, "plural": plural, "span": span, "bytes": size, "compact": compact,
}  # fmt: skip
