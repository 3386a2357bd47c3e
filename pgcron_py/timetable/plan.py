"""A timetable in a zone: the instants it names. One abstract Plan; three kinds.

Instants are aware; those given back are UTC and whole seconds. Nothing here reads a clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, assert_never, get_args
from zoneinfo import ZoneInfo

from pgcron_py.timetable import counting, dst
from pgcron_py.timetable.model import Kind, Timetable
from pgcron_py.timetable.walls import Walls, walls_of
from pgcron_py.timetable.zones import load_zone

DstGap = Literal["run_after", "skip"]
DstFold = Literal["first", "both", "second"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_FIRST_YEAR, _END_YEAR = 1900, 9000


class Plan(ABC):
    """Which instants a timetable names. Windows are (after, until]: the first end is out, the last is in."""

    @abstractmethod
    def _next(self, after: datetime) -> datetime | None: ...

    @abstractmethod
    def _count(self, after: datetime, until: datetime) -> tuple[int, bool]: ...

    def next_after(self, after: datetime) -> datetime | None:
        """The first occurrence strictly after `after`; None when there is no more."""
        found = self._next(_whole(after))
        return found if found and found.year < _END_YEAR else None

    def latest_before(self, after: datetime, now: datetime) -> datetime | None:
        """The latest occurrence in (after, now]. Looks backward from now, so a month of `* * * * * *` is cheap."""
        return _latest(self, _whole(after), _whole(now))

    def occurrences_between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The first `limit` occurrences in (after, until]. Costs about 10 µs each: bound it."""
        end, at, found = _whole(until), _whole(after), list[datetime]()
        while len(found) < limit and (following := self.next_after(at)) and following <= end:
            found.append(following)
            at = following
        return found

    def count_between(self, after: datetime, until: datetime) -> tuple[int, bool]:
        """(count, exact) of (after, until]. When exact is False the count is a lower bound: see `counting`."""
        start, end = _whole(after), _whole(until)
        return self._count(start, end) if start < end else (0, True)


@dataclass(frozen=True, slots=True)
class CalendarPlan(Plan):
    """kind cron: readings of the wall clock, mapped to instants."""

    walls: Walls
    zone: ZoneInfo
    policy: dst.Policy

    def _next(self, after: datetime) -> datetime | None:
        return dst.next_instant(self.walls, self.zone, self.policy, after)

    def _count(self, after: datetime, until: datetime) -> tuple[int, bool]:
        return counting.count(self.walls, self.zone, self.policy, after, until)


@dataclass(frozen=True, slots=True)
class IntervalPlan(Plan):
    """kind interval: anchor + k * interval, whatever clocks do."""

    interval: timedelta
    anchor: datetime

    def _index(self, instant: datetime) -> int:
        return (instant - self.anchor) // self.interval

    def _next(self, after: datetime) -> datetime | None:
        return self.anchor + (self._index(after) + 1) * self.interval

    def _count(self, after: datetime, until: datetime) -> tuple[int, bool]:
        return self._index(until) - self._index(after), True


@dataclass(frozen=True, slots=True)
class RebootPlan(Plan):
    """kind reboot: no instant is known beforehand."""

    def _next(self, after: datetime) -> datetime | None:
        return None

    def _count(self, after: datetime, until: datetime) -> tuple[int, bool]:
        return 0, True


def plan_for(
    timetable: Timetable, tz_name: str, anchor: datetime | None, dst_gap: DstGap | None, dst_fold: DstFold | None
) -> Plan:
    """The plan of a timetable. anchor: what intervals count from (aware, cut to the second; default the Unix epoch).

    dst_gap, dst_fold: None means Debian cron's rule.
    Raises UnknownTimeZone; ValueError for a naive anchor or an unknown word.
    """
    if dst_gap not in (None, *get_args(DstGap)) or dst_fold not in (None, *get_args(DstFold)):
        raise ValueError(f"dst_gap is one of {get_args(DstGap)}, dst_fold one of {get_args(DstFold)}")
    start = EPOCH if anchor is None else _whole(anchor)
    return _plan(timetable, load_zone(tz_name), start if timetable.kind is Kind.INTERVAL else EPOCH, dst_gap, dst_fold)


@lru_cache(maxsize=4096)
def _plan(
    timetable: Timetable, zone: ZoneInfo, anchor: datetime, dst_gap: DstGap | None, dst_fold: DstFold | None
) -> Plan:
    match timetable.kind:
        case Kind.CRON:
            policy = dst.policy_for(timetable.wildcard, dst_gap, dst_fold)
            return CalendarPlan(walls_of(timetable), zone, policy)
        case Kind.INTERVAL:
            return IntervalPlan(timedelta(seconds=timetable.interval_seconds or 1), anchor)
        case Kind.REBOOT:
            return RebootPlan()
        case unreachable:
            assert_never(unreachable)


def _whole(instant: datetime) -> datetime:
    """In UTC and cut to the second: occurrences are whole seconds, so no window changes its content."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise ValueError(f"{instant!r} is naive: give an aware datetime, such as datetime(2026, 1, 1, tzinfo=UTC)")
    if not _FIRST_YEAR <= instant.year <= _END_YEAR:
        raise ValueError(f"{instant!r} is outside the years {_FIRST_YEAR} to {_END_YEAR}")
    return instant.astimezone(UTC).replace(microsecond=0)


def _latest(plan: Plan, after: datetime, now: datetime) -> datetime | None:
    """Windows back from now grow fourfold until one holds an occurrence; halving then finds the last in it.

    Sparse timetables end in the first steps forward, before any window is tried.
    """
    found = plan.next_after(after)
    if found is None or found > now:
        return None
    for _ in range(3):
        following = plan.next_after(found)
        if following is None or following > now:
            return found
        found = following
    window = _SECOND
    while (start := now - window) > found:
        if (inside := plan.next_after(start)) and inside <= now:
            found = inside
            break
        window *= 4
    return _last_from(plan, found, now)


def _last_from(plan: Plan, found: datetime, now: datetime) -> datetime:
    """The last occurrence up to now, when `found` is one of them."""
    empty_from = now  # nothing is named in (empty_from, now]
    while empty_from > found:
        middle = found + (empty_from - found) // (2 * _SECOND) * _SECOND
        later = plan.next_after(middle)
        if later and later <= now:
            found = later
        else:
            empty_from = middle
    return found
