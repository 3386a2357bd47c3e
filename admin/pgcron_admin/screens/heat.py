"""A week as 7 times 24 numbers, and an hour of it as 60. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TIERS = 5
NAMED = 3


@dataclass(frozen=True, slots=True)
class Cell:
    """tier: 0 (nothing) to 5."""

    count: int
    tier: int


@dataclass(frozen=True, slots=True)
class Slot:
    """An hour of the week."""

    day: int
    hour: int
    count: int

    @property
    def key(self) -> str:
        return f"{self.day}-{self.hour}"

    @property
    def word(self) -> str:
        return f"{DAYS[self.day]} {self.hour:02d}:00"


@dataclass(frozen=True, slots=True)
class Week:
    """busiest, quietest: a few of each, none of which is the other."""

    rows: list[list[Cell]]
    total: int
    busiest: list[Slot]
    quietest: list[Slot]


@dataclass(frozen=True, slots=True)
class Minute:
    at: datetime
    cell: Cell


def tier_of(count: int, least: int, most: int) -> int:
    """By where it lies between the least and the most that is not nothing: what is much on one site is little on another."""
    return 0 if count == 0 else TIERS if most == least else 1 + (TIERS - 1) * (count - least) // (most - least)


def _cells(counts: Sequence[int]) -> list[Cell]:
    some = [count for count in counts if count] or [0]
    return [Cell(count, tier_of(count, min(some), max(some))) for count in counts]


def week_of(heat: Sequence[Sequence[int]]) -> Week:
    cells = _cells([count for row in heat for count in row])
    rows, most = [cells[day * 24 : day * 24 + 24] for day in range(len(heat))], max(cell.count for cell in cells)
    slots = sorted(
        (Slot(day, hour, count) for day, row in enumerate(heat) for hour, count in enumerate(row)),
        key=lambda slot: -slot.count,
    )
    quiet = [slot for slot in reversed(slots) if slot.count < most]
    busy = [slot for slot in slots[:NAMED] if slot.count]
    return Week(rows, sum(map(sum, heat)), busy, quiet[:NAMED])


def slot_of(text: str) -> tuple[int, int] | None:
    """`0-13`: Monday, 13 to 14 o'clock."""
    day, _, hour = text.partition("-")
    if not (day.isdecimal() and hour.isdecimal() and len(text) <= 4):
        return None
    return (int(day), int(hour)) if int(day) < 7 and int(hour) < 24 else None


def hour_of(begin: datetime, starts: Sequence[int], zone: ZoneInfo, day: int, hour: int) -> list[Minute]:
    """The minutes of that hour, in six rows of ten; of two such hours (the week begins within it) the counts are added."""
    counts, first = [0] * 60, [begin] * 60
    for number, count in enumerate(starts):
        at = begin + timedelta(minutes=number)
        local = at.astimezone(zone)
        if (local.weekday(), local.hour) == (day, hour):
            counts[local.minute] += count
            first[local.minute] = at if first[local.minute] == begin and number else first[local.minute]
    return [Minute(at.astimezone(UTC), cell) for at, cell in zip(first, _cells(counts), strict=True)]
