"""Zones: loading them by IANA name, and the facts about readings that a zone skips or repeats.

Condition: a skipped or repeated reading has one offset change beside it. Since 1970 no zone has two within a week.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pgcron_py.errors import UnknownTimeZone

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")
# Files beside the zones. `localtime` and `posixrules` mean whatever a host says; `right/` counts leap seconds.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})
_NOT_ROOTS = frozenset({"right", "posix"})
_LONGEST_NAME = 64
_SECOND = timedelta(seconds=1)
_PROBE = timedelta(days=1)


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """The zone of this IANA name, spelled exactly. Raises UnknownTimeZone."""
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or name in _NOT_ZONES or name.split("/")[0] in _NOT_ROOTS:
        raise UnknownTimeZone(name[:_LONGEST_NAME])
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(name) from error


def wall_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in the zone show: naive."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def offset_at(instant: datetime, zone: ZoneInfo) -> timedelta:
    return _known(instant.astimezone(zone).utcoffset())


def instant_of(wall: datetime, zone: ZoneInfo, fold: int = 0) -> datetime:
    """The instant of a reading; fold=1 means its second pass."""
    return (wall - _offset(wall, zone, fold)).replace(tzinfo=UTC)


def passes(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """The offsets of a naive reading's first and second pass: alike, but for one that is repeated (the first is larger) or
    skipped (the second is)."""
    return _offset(wall, zone, 0), _offset(wall, zone, 1)


def _offset(wall: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    # A zone is asked with a naive reading: to make an aware one of it first costs more than the answer.
    return _known(zone.utcoffset(wall if wall.fold == fold else wall.replace(fold=fold)))


def _known(offset: timedelta | None) -> timedelta:
    if offset is None:
        raise AssertionError("zoneinfo knows every offset")
    return offset


@dataclass(frozen=True, slots=True)
class Change:
    """A zone's offset change at instant `at`: from then on the offset is `after`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    @property
    def is_fold(self) -> bool:
        return self.after < self.before

    @property
    def start(self) -> datetime:
        """The first reading skipped or repeated; [start, end) is the gap or the fold."""
        return self.at.replace(tzinfo=None) + min(self.before, self.after)

    @property
    def end(self) -> datetime:
        return self.at.replace(tzinfo=None) + max(self.before, self.after)


def change_at(wall: datetime, zone: ZoneInfo) -> Change:
    """The change that skips or repeats this reading (ask `passes` first)."""
    first, second = instant_of(wall, zone, 0), instant_of(wall, zone, 1)
    return _between(min(first, second), max(first, second), zone)


def changes_between(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Change]:
    """Every change in (start, end], found by looking once a day."""
    low = start.replace(microsecond=0)
    offset = offset_at(low, zone)
    while low < end:
        high = min(low + _PROBE, end)
        seen = offset_at(high, zone)
        if seen != offset:
            yield _between(low, high.replace(microsecond=0), zone)
        low, offset = high, seen


def _between(low: datetime, high: datetime, zone: ZoneInfo) -> Change:
    """The one change in (low, high], both whole seconds."""
    before, after = offset_at(low, zone), offset_at(high, zone)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if offset_at(middle, zone) == after:
            high = middle
        else:
            low = middle
    return Change(high, before, after)
