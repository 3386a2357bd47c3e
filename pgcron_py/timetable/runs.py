"""The next runs of a text."""

from __future__ import annotations

from datetime import datetime

from pgcron_py.timetable.grammar import parse
from pgcron_py.timetable.plan import DstFold, DstGap, Plan

MAX_RUNS = 10_000


def next_runs(
    text: str,
    tz: str,
    after: datetime,
    n: int,
    *,
    anchor: datetime | None = None,
    name: str = "",
    dst_gap: DstGap | None = None,
    dst_fold: DstFold | None = None,
) -> list[datetime]:
    """The first n (at most 10,000) instants strictly after `after`, aware and in UTC; fewer when there are no more.

    anchor: what `@every` and `N seconds` count from (default the Unix epoch). name: the job's, for `H`.
    Raises InvalidSchedule, UnknownTimeZone, and ValueError for a naive datetime.
    """
    plan = parse(text, name=name).plan(tz, anchor=anchor, dst_gap=dst_gap, dst_fold=dst_fold)
    return following(plan, after, n)


def following(plan: Plan, after: datetime, n: int) -> list[datetime]:
    """The first n (at most 10,000) occurrences of a plan strictly after `after`."""
    found: list[datetime] = []
    while len(found) < min(n, MAX_RUNS) and (next_one := plan.next_after(found[-1] if found else after)):
        found.append(next_one)
    return found
