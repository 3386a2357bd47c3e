"""How many occurrences a window holds, without naming them.

The window is cut where the zone's offset changes; inside a piece, readings are counted day by day and multiplied,
so a month of `* * * * * *` (2.6 million) is exact in microseconds. To stay below 5 ms the count gives up, and says so,
after MAX_DAYS firing days, MAX_ANSWERS days that croniter had to find (about 0.1 ms each) or a window of MAX_WINDOW;
what it has then is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from pgcron_py.timetable.dst import Policy
from pgcron_py.timetable.walls import Walls
from pgcron_py.timetable.zones import Change, changes_between, offset_at

MAX_DAYS = 1_000
MAX_ANSWERS = 24
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


def count(
    walls: Walls, zone: ZoneInfo, policy: Policy, after: datetime, until: datetime, max_days: int
) -> tuple[int, bool]:
    """(count, exact) in (after, until], both whole seconds in UTC."""
    left = max_days if walls.days.weekdays is not None else min(max_days, MAX_ANSWERS)
    end = min(until, after + MAX_WINDOW)
    total = 0
    for piece in _pieces(zone, policy, after, end):
        if piece.gap and _gap_runs(walls, piece.gap):
            total += 1
        found, left = _count_piece(walls, piece, left)
        total += found
        if left < 0:
            return total, False
    return total, end == until


def _count_piece(walls: Walls, piece: _Piece, left: int) -> tuple[int, int]:
    total, at = 0, piece.start
    while at < piece.end and (found := walls.days.on_or_after(at.date())):
        start = max(at, datetime.combine(found, datetime.min.time()))
        if start >= piece.end:
            break
        left -= 1
        if left < 0:
            break
        total += walls.count_on(found, start, piece.end)
        at = datetime.combine(found + _DAY, datetime.min.time())
    return total, left


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
