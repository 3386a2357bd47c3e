"""How many occurrences a window holds, without naming them.

The window is cut where the zone's offset changes; inside a piece, firing days are counted and multiplied, so a month of
`* * * * * *` (2.6 million) is exact in a fraction of a millisecond. To stay below 5 ms the count covers at most
MAX_WINDOW, and at most MAX_ANSWERS days that croniter has to find (0.1 ms each); what it has then is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from pgcron_py.timetable.days import Days
from pgcron_py.timetable.dst import Policy
from pgcron_py.timetable.walls import Walls
from pgcron_py.timetable.zones import Change, changes_between, offset_at

MAX_ANSWERS = 16
MAX_WINDOW = timedelta(days=1_000)
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
# No change moves clocks by more than a day, so a fold that reaches into the window has its change this near.
_REACH = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Readings [start, end) that fire, after a gap that makes one more run if it swallowed a slot."""

    start: datetime
    end: datetime
    gap: Change | None = None


def count(walls: Walls, zone: ZoneInfo, policy: Policy, after: datetime, until: datetime) -> tuple[int, bool]:
    """(count, exact) in (after, until], both whole seconds in UTC."""
    end = min(until, after + MAX_WINDOW)
    total, answers = 0, MAX_ANSWERS
    for piece in _pieces(zone, policy, after, end):
        if piece.gap and _gap_runs(walls, piece.gap):
            total += 1
        if piece.start < piece.end:
            found, answers = _count_piece(walls, piece, answers)
            total += found
        if answers <= 0:
            return total, False
    return total, end == until


def _count_piece(walls: Walls, piece: _Piece, answers: int) -> tuple[int, int]:
    """Whole days from the first to before the last, less the first one's head, plus the last one's."""
    first, last = piece.start.date(), piece.end.date()
    days, answers = _count_days(walls.days, first, last, answers)
    total = days * walls.times.per_day - _head(walls, piece.start)
    return (total + _head(walls, piece.end) if answers > 0 else max(total, 0)), answers


def _head(walls: Walls, wall: datetime) -> int:
    """How many readings of wall's day come before it."""
    day = wall.date()
    return walls.times.count_before(wall.time()) if walls.days.on_or_after(day) == day else 0


def _count_days(days: Days, first: date, end: date, answers: int) -> tuple[int, int]:
    """Firing days in [first, end), and how many more may be asked for."""
    if days.weekdays is not None:
        weeks, rest = divmod((end - first).days, 7)
        left = sum((first + n * _DAY).isoweekday() % 7 in days.weekdays for n in range(rest))
        return weeks * len(days.weekdays) + left, answers
    count = 0
    while answers > 0 and (found := days.on_or_after(first)) and found < end:
        count, answers, first = count + 1, answers - 1, found + _DAY
    return count, answers


def _gap_runs(walls: Walls, gap: Change) -> bool:
    """A swallowed slot, and none of its own at the gap's end: slots of one instant are one run."""
    return walls.any_in(gap.start, gap.end) and not walls.any_in(gap.end, gap.end + _SECOND)


def _pieces(zone: ZoneInfo, policy: Policy, after: datetime, until: datetime) -> Iterator[_Piece]:
    """The window's readings, one piece for each stretch of constant offset, less the passes that don't fire."""
    first, last = after + _SECOND, until + _SECOND  # [first, last) as half-open, like pieces
    changes = list(changes_between(first - _REACH, last + _REACH, zone))
    edges: list[Change | None] = [None, *changes, None]
    offset = offset_at(first - _REACH, zone)
    for opening, closing in pairwise(edges):
        offset = opening.after if opening else offset
        low = max(first, opening.at) if opening else first
        high = min(last, closing.at) if closing else last
        if low < high:
            gap = opening if opening and opening.is_gap and policy.run_after and opening.at == low else None
            start, end = (instant.astimezone(UTC).replace(tzinfo=None) + offset for instant in (low, high))
            if opening and opening.is_fold and not policy.second:
                start = max(start, opening.end)
            if closing and closing.is_fold and not policy.first:
                end = min(end, closing.start)
            yield _Piece(start, end, gap)
