"""What ran, as lanes: a bar for each run, rows below each other where runs overlap, hollow bars for what should have run. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pgcron_admin.queries.timelines import PastMiss, PastRun
from pgcron_admin.screens import formats, marks
from pgcron_admin.screens.axis import Axis
from pgcron_admin.screens.marks import Tone
from pgcron_admin.screens.views import job_path

LANES_MOST = 40
ROWS_MOST = 4
ROW_HEIGHT = 14
BAR_LEAST = 0.3


@dataclass(frozen=True, slots=True)
class RunBar:
    """x, width: percent; y: px."""

    x: float
    width: float
    y: int
    tone: Tone
    title: str
    path: str


@dataclass(frozen=True, slots=True)
class MissBar:
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class PastLane:
    """overlaps: how many runs began while another of the job went on."""

    name: str
    path: str
    runs: list[RunBar]
    misses: list[MissBar]
    height: int
    overlaps: int
    failures: int


def past_lanes(axis: Axis, runs: Sequence[PastRun], misses: Sequence[PastMiss], now: datetime) -> list[PastLane]:
    """By name."""
    of_job: dict[tuple[str, str], list[PastRun]] = defaultdict(list)
    missed: dict[tuple[str, str], list[PastMiss]] = defaultdict(list)
    for run in runs:
        of_job[run.job, job_path(run.job, run.job_id)].append(run)
    for miss in misses:
        missed[miss.job, job_path(miss.job, miss.job_id)].append(miss)
    return [_lane(axis, *key, of_job[key], missed[key], now) for key in sorted(of_job.keys() | missed.keys())]


def _lane(axis: Axis, name: str, path: str, runs: list[PastRun], misses: list[PastMiss], now: datetime) -> PastLane:
    ends: list[datetime] = []
    bars, overlaps, failures = [], 0, 0
    for run in runs:
        row = next((number for number, end in enumerate(ends) if end <= run.started_at), len(ends))
        overlaps += any(end > run.started_at for end in ends)
        failures += run.status == "FAILED"
        ended = run.completed_at or now
        if row == len(ends) and row < ROWS_MOST:
            ends.append(ended)
        elif row < ROWS_MOST:
            ends[row] = ended
        row = min(row, ROWS_MOST - 1)
        bars.append(_bar(axis, run, ended, row))
    hollow = [_miss(axis, miss) for miss in misses]
    return PastLane(name, path, bars, hollow, max(len(ends), 1) * ROW_HEIGHT + 4, overlaps, failures)


def _bar(axis: Axis, run: PastRun, ended: datetime, row: int) -> RunBar:
    mark = marks.of_run(run.status, run.reason, was_skipped=run.skip_reason is not None)
    x = axis.x(run.started_at)
    took = formats.duration((ended - run.started_at).total_seconds() * 1000)
    title = f"#{run.seq} {mark.word}, {'for' if run.completed_at is None else 'took'} {took}"
    return RunBar(
        x,
        round(min(max(axis.x(ended) - x, BAR_LEAST), 100 - x), 3),
        row * ROW_HEIGHT + 2,
        mark.tone,
        title,
        f"/runs/{run.id}",
    )


def _miss(axis: Axis, miss: PastMiss) -> MissBar:
    x = axis.x(miss.first_scheduled_for)
    width = max(axis.x(miss.last_scheduled_for) - x, 2 * BAR_LEAST)
    return MissBar(
        x,
        round(min(width, 100 - x), 3),
        f"{formats.plural(miss.count, 'miss', 'misses')}: {miss.reason.replace('_', ' ')}",
    )
