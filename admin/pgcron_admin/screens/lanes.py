"""The days to come as lanes of bars, and the load above them. Pure.

A bar is as long as the job's runs usually take (p50), with a whisker to p95; bars that would touch are one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pgcron_admin.forecast import MINUTE, UNKNOWN_MS, Group, Load
from pgcron_admin.screens.axis import Axis
from pgcron_admin.screens.views import job_path

LANES_MOST = 30
COLUMNS_MOST = 180
BAR_LEAST, BAR_APART = 0.35, 0.12
MINUTE_JOBS_MOST = 50
NEARBY_MINUTES, QUIET_SHOWN = 30, 3
LOAD_HEIGHT = 84

# Seconds since 1970, p50 and p95 in ms, and how many jobs begin then.
Start = tuple[int, float | None, float | None, int]
Durations = Mapping[UUID, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True)
class LaneBar:
    """x, width, whisker (where it ends): percent. count: of runs that are this bar."""

    x: float
    width: float
    whisker: float | None
    count: int
    first: datetime


@dataclass(frozen=True, slots=True)
class Lane:
    """path: None for a tag."""

    name: str
    path: str | None
    bars: list[LaneBar]
    starts: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """A minute or a few of the load row. height: of LOAD_HEIGHT; over: how much of it is above capacity."""

    x: float
    width: float
    height: float
    over: float
    concurrent: int
    starts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LoadRow:
    """capacity_y: from the top. minutes: that one column stands for."""

    columns: list[Column]
    capacity: int
    capacity_y: float
    most: int
    minutes: int
    minutes_over: int


@dataclass(frozen=True, slots=True)
class MinuteJobs:
    """What begins in a minute, or a few; quiet: others nearby, by how much begins in them."""

    at: datetime
    end: datetime
    starts: list[tuple[datetime, str, str, float | None]]
    count: int
    concurrent: int
    quiet: list[tuple[datetime, int]]


def load_row(axis: Axis, load: Load, capacity: int) -> LoadRow:
    count = len(load.concurrent)
    step = -(-count // COLUMNS_MOST)
    most = max(max(load.concurrent, default=0), capacity, 1)
    columns = []
    for begin in range(0, count, step):
        concurrent = max(load.concurrent[begin : begin + step])
        at = axis.begin + timedelta(minutes=begin)
        end = min(axis.begin + timedelta(minutes=begin + step), axis.end)
        height = LOAD_HEIGHT * concurrent / most
        over = LOAD_HEIGHT * max(concurrent - capacity, 0) / most
        columns.append(Column(
            axis.x(at), round(axis.x(end) - axis.x(at), 3), round(height, 1), round(over, 1), concurrent, sum(load.starts[begin : begin + step]), at,
        ))  # fmt: skip
    over_minutes = sum(number > capacity for number in load.concurrent)
    return LoadRow(columns, capacity, round(LOAD_HEIGHT * (1 - capacity / most), 1), most, step, over_minutes)


def first_jobs(groups: Sequence[Group]) -> list[tuple[UUID, str, Group]]:
    """Every job of the groups that begins at all, by its first start, then its name."""
    found = [
        (group.starts[0], member.name, UUID(member.id), group)
        for group in groups
        if group.starts
        for member in group.members
    ]
    found.sort(key=lambda it: it[:2])
    return [(id_, name, group) for _, name, id_, group in found]


def job_lanes(axis: Axis, jobs: Sequence[tuple[UUID, str, Group]], durations: Durations) -> list[Lane]:
    lanes = []
    for id_, name, group in jobs:
        p50, p95 = durations.get(id_, (None, None))
        bars = bars_of(axis, [(start, p50, p95, 1) for start in group.starts])
        lanes.append(Lane(name, job_path(name, id_), bars, len(group.starts), p50, p95))
    return lanes


def tag_lanes(axis: Axis, groups: Sequence[Group], tags: Mapping[UUID, Sequence[str]]) -> list[Lane]:
    """The busiest first. Lengths are the means of the jobs that begin together: there may be thousands behind a lane."""
    starts: dict[str, list[Start]] = defaultdict(list)
    totals: Counter[str] = Counter()
    for group in groups:
        means: dict[str, list[float]] = defaultdict(list)
        for member in group.members:
            for tag in tags.get(UUID(member.id)) or ["no tag"]:
                means[tag].append(member.mean_ms or UNKNOWN_MS)
        for tag, known in means.items():
            length = sum(known) / len(known)
            starts[tag] += [(start, length, None, len(known)) for start in group.starts]
            totals[tag] += len(known) * len(group.starts)
    order = sorted(starts, key=lambda tag: (-totals[tag], tag))
    return [
        Lane(tag, None, bars_of(axis, sorted(starts[tag], key=lambda it: it[0])), totals[tag], None, None)
        for tag in order
    ]


def bars_of(axis: Axis, starts: Sequence[Start]) -> list[LaneBar]:
    """starts: in order."""
    bars: list[LaneBar] = []
    second = 100 / axis.length.total_seconds()
    for start, p50, p95, count in starts:
        at = datetime.fromtimestamp(start, UTC)
        if not axis.begin <= at < axis.end:
            continue
        x, width = axis.x(at), max((p50 or 1000) / 1000 * second, BAR_LEAST)
        whisker = min(x + p95 / 1000 * second, 100.0) if p95 and p95 / 1000 * second > width else None
        if bars and x <= bars[-1].x + bars[-1].width + BAR_APART:
            last = bars[-1]
            bars[-1] = LaneBar(
                last.x, round(max(x + width, last.x + last.width) - last.x, 3), None, last.count + count, last.first
            )
        else:
            bars.append(
                LaneBar(x, round(min(width, 100 - x), 3), None if whisker is None else round(whisker, 3), count, at)
            )
    return bars


def minute_jobs(axis: Axis, load: Load, groups: Sequence[Group], at: datetime, minutes: int) -> MinuteJobs | None:
    """None for a minute outside."""
    first = int((at - axis.begin).total_seconds()) // MINUTE
    if not 0 <= first < len(load.starts):
        return None
    begin = axis.begin + timedelta(minutes=first)
    end = begin + timedelta(minutes=minutes)
    from_, to = int(begin.timestamp()), int(end.timestamp())
    found = [
        (datetime.fromtimestamp(start, UTC), member.name, job_path(member.name, UUID(member.id)), member.mean_ms)
        for group in groups
        for start in group.starts
        if from_ <= start < to
        for member in group.members
    ]
    found.sort(key=lambda it: it[:2])
    near = range(max(first - NEARBY_MINUTES, 0), min(first + NEARBY_MINUTES + 1, len(load.starts)))
    order = sorted(
        (load.starts[minute], abs(minute - first), minute)
        for minute in near
        if load.starts[minute] < load.starts[first]
    )
    quiet = [(axis.begin + timedelta(minutes=minute), count) for count, _, minute in order[:QUIET_SHOWN]]
    return MinuteJobs(
        begin, end, found[:MINUTE_JOBS_MOST], sum(load.starts[first : first + minutes]), max(load.concurrent[first : first + minutes]), quiet
    )  # fmt: skip
