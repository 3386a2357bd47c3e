"""Times, durations and shares as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from pgcron_py.errors import UnknownTimeZone

UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
NOTHING = "-"


def zone_of(name: str) -> tzinfo:
    """The zone, or UTC when it is unknown here: times are better shown in UTC than not at all."""
    from pgcron_py.timetable import load_zone

    try:
        return load_zone(name)
    except UnknownTimeZone:
        return UTC


def local(at: datetime | None, zone: str) -> str:
    """`2026-03-29 03:00:00 CEST`; zones without letters show their offset."""
    return f"{at.astimezone(zone_of(zone)):%Y-%m-%d %H:%M:%S %Z}" if at else NOTHING


def local_with_offset(at: datetime, zone: str) -> str:
    """`Sun 2026-03-29 03:00:00 CEST +02:00`."""
    there = at.astimezone(zone_of(zone))
    name = f"{there:%Z}"
    offset = f"{there:%z}"
    return f"{there:%a %Y-%m-%d %H:%M:%S} {'' if name[0] in '+-' else f'{name} '}{offset[:3]}:{offset[3:5]}"


def relative(at: datetime | None, now: datetime) -> str:
    """`in 3 h 12 min`, `5 s ago`, `now`."""
    if at is None:
        return NOTHING
    seconds = round((at - now) / timedelta(seconds=1))
    if seconds == 0:
        return "now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def span(seconds: int) -> str:
    """The two largest units: `2 d 3 h`."""
    parts: list[str] = []
    for size, unit in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def duration(ms: float | None) -> str:
    """`17 ms`, `1.5 s`, `2 min 5 s`."""
    if ms is None:
        return NOTHING
    if ms < 1000:
        return f"{round(ms)} ms"
    return f"{ms / 1000:.3g} s" if ms < 60_000 else span(round(ms / 1000))


def share(value: float | None) -> str:
    """`99.9 %`; never 100 % when something failed."""
    if value is None:
        return NOTHING
    percent = min(value * 100, 99.9) if value < 1 else 100.0
    return f"{percent:.3g} %" if percent < 100 else "100 %"


def last_run(at: datetime | None, status: str | None, reason: str | None, now: datetime) -> str:
    if at is None:
        return NOTHING
    return f"{status or 'gone'}{f' ({reason})' if reason else ''}, {relative(at, now)}"
