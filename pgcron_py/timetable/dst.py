"""From readings of the wall clock to instants, across gaps and folds, by Debian cron's rule (docs/schedules.md).

The idea: walk the naive readings in order; a reading in a gap becomes the gap's end or nothing, a reading in a fold the
first pass, the second, or both. Only a fold that `after` itself lies in needs more than one look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pgcron_py.timetable.walls import Walls
from pgcron_py.timetable.zones import change_at, passes

if TYPE_CHECKING:
    from pgcron_py.timetable.plan import DstFold, DstGap

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """run_after: slots in a gap become one run at its end. first, second: which passes of a fold fire."""

    run_after: bool
    first: bool
    second: bool


def policy_for(wildcard: bool, dst_gap: DstGap | None, dst_fold: DstFold | None) -> Policy:
    """Debian cron: fixed-time jobs run once after a gap and in the first pass; wildcard jobs go by the wall clock."""
    gap = dst_gap or ("skip" if wildcard else "run_after")
    fold = dst_fold or ("both" if wildcard else "first")
    return Policy(gap == "run_after", fold in ("first", "both"), fold in ("second", "both"))


def next_instant(walls: Walls, zone: ZoneInfo, policy: Policy, after: datetime) -> datetime | None:
    """The first instant strictly after `after` (a whole second in UTC)."""
    local = after.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    first, second = passes(wall, zone)
    if first <= second:
        return _onward(walls, zone, policy, wall + _SECOND)
    fold = change_at(wall, zone)
    in_first = after < fold.at
    if in_first and policy.first and (found := walls.at_or_after(wall + _SECOND)) and found < fold.end:
        return (found - fold.before).replace(tzinfo=UTC)
    if policy.second:
        start = fold.start if in_first else wall + _SECOND
        if (found := walls.at_or_after(start)) and found < fold.end:
            return (found - fold.after).replace(tzinfo=UTC)
    return _onward(walls, zone, policy, fold.end)


def _onward(walls: Walls, zone: ZoneInfo, policy: Policy, wall: datetime) -> datetime | None:
    """The first instant of a reading from `wall` on, which no earlier pass can hold."""
    while found := walls.at_or_after(wall):
        first, second = passes(found, zone)
        if first >= second:
            return (found - (first if policy.first else second)).replace(tzinfo=UTC)
        gap = change_at(found, zone)
        if policy.run_after:
            return gap.at
        wall = gap.end
    return None
