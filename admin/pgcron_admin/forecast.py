"""The load of days to come: from occurrences and durations to starts and runs at a time, minute by minute. Pure.

A run counts for whole seconds, one at least; the figure of a minute is the most at any of its seconds.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from zoneinfo import ZoneInfo

MINUTE = 60
UNKNOWN_MS = 1000.0  # of jobs that never succeeded


@dataclass(frozen=True, slots=True)
class Member:
    """A job of a group. mean_ms: how long its runs take; None when nobody knows."""

    id: str
    name: str
    mean_ms: float | None

    @property
    def seconds(self) -> int:
        return max(1, -(-int(self.mean_ms or UNKNOWN_MS) // 1000))


@dataclass(frozen=True, slots=True)
class Group:
    """Jobs that start at the same instants. starts: seconds since 1970, in order. is_complete: up to the end of the window."""

    members: Sequence[Member]
    starts: Sequence[int]
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Load:
    """Of each minute from the window's begin. total: starts."""

    starts: list[int]
    concurrent: list[int]
    total: int


@dataclass
class Window:
    """begin: a whole minute, in seconds since 1970."""

    begin: int
    minutes: int
    _starts: array[float] = field(init=False)
    _changes: array[int] = field(init=False)

    def __post_init__(self) -> None:
        self._starts = array("d", bytes(8 * self.minutes))
        self._changes = array("q", bytes(8 * (self.minutes * MINUTE + 1)))

    @property
    def seconds(self) -> int:
        return self.minutes * MINUTE

    def add(self, group: Group) -> None:
        lengths = Counter(member.seconds for member in group.members)
        for start in group.starts:
            second = start - self.begin
            if 0 <= second < self.seconds:
                self._starts[second // MINUTE] += len(group.members)
                for length, count in lengths.items():
                    self._occupy(second, second + length, count)
        if not group.is_complete and len(group.starts) > 1:
            self._go_on(group, lengths)

    def add_running(self, left_seconds: Iterable[int]) -> None:
        """What runs already, and for how long it goes on."""
        for seconds in left_seconds:
            self._occupy(0, max(seconds, 1), 1)

    def _go_on(self, group: Group, lengths: Mapping[int, int]) -> None:
        """Where there are more occurrences than were computed, they go on as often as they came."""
        first, last = group.starts[0], group.starts[-1]
        gap = max((last - first) / (len(group.starts) - 1), 0.001)
        at = last + gap - self.begin
        if at >= self.seconds:
            return
        for minute in range(int(at) // MINUTE, self.minutes):
            part = min(MINUTE, (minute + 1) * MINUTE - at) if minute == int(at) // MINUTE else MINUTE
            self._starts[minute] += len(group.members) * part / gap
        for length, count in lengths.items():
            self._occupy(int(at), self.seconds, max(1, round(count * length / gap)))

    def _occupy(self, begin: int, end: int, count: int) -> None:
        self._changes[begin] += count
        self._changes[min(end, self.seconds)] -= count

    def load(self) -> Load:
        by_second = list(accumulate(self._changes[: self.seconds]))
        concurrent = [max(by_second[at : at + MINUTE]) for at in range(0, self.seconds, MINUTE)]
        starts = [round(count) for count in self._starts]
        return Load(starts, concurrent, sum(starts))


def heat_of(begin: int, starts: Sequence[int], zone: ZoneInfo) -> list[list[int]]:
    """Starts by weekday (Monday first) and hour, in this zone."""
    heat = [[0] * 24 for _ in range(7)]
    for minute, count in enumerate(starts):
        if count:
            at = datetime.fromtimestamp(begin + minute * MINUTE, UTC).astimezone(zone)
            heat[at.weekday()][at.hour] += count
    return heat


def first_starts(groups: Iterable[Group], most: int) -> list[tuple[int, Member]]:
    """The first of all, in order of time, then of names."""
    found = sorted(((start, group) for group in groups for start in group.starts), key=lambda it: it[0])
    told: list[tuple[int, Member]] = []
    for start, group in found:
        if len(told) >= most and (not told or told[-1][0] < start):
            break
        told += [(start, member) for member in group.members]
    told.sort(key=lambda it: (it[0], it[1].name))
    return told[:most]
