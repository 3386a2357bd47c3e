"""View models: what templates show, already in words and marks. Made from rows, never rows themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

from markupsafe import Markup

from pgcron_admin.screens import formats, marks
from pgcron_admin.screens.marks import Mark
from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import sentence

Row = dict[str, Any]
RESERVED = (".", "..", "rows", "bulk")  # a path cuts them, or means something else by them
BARS, BAR_WIDTH, BAR_HEIGHT, SPARK_HEIGHT = 30, 5, 22, 24


@dataclass(frozen=True, slots=True)
class Bars:
    """The last runs as a sparkline. drawing: SVG, made here: a page of jobs has 1,500 of them, and a template takes ten times as long."""

    count: int
    drawing: Markup


@dataclass(frozen=True, slots=True)
class Week:
    """A job's last seven days; None where nothing succeeded in them."""

    success_rate: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job in the list. matches: whether it still belongs to what was asked for."""

    name: str
    path: str
    id: UUID
    mark: Mark
    schedule: str
    words: str
    zone: str
    tags: list[str]
    owner: str | None
    is_locked: bool
    is_enabled: bool
    why: str | None
    last_at: datetime | None
    last_mark: Mark | None
    last_error: str | None
    next_at: datetime | None
    success_rate: float | None
    average_ms: float | None
    bars: Bars
    week: Week
    last_run: UUID | None
    matches: bool


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list."""

    id: UUID
    name: str
    job: str
    job_path: str
    seq: int
    mark: Mark
    cause: str
    attempt: int
    scheduled_for: datetime | None
    started_at: datetime
    completed_at: datetime | None
    duration_ms: int | None
    lag_ms: int | None
    error: str | None
    requested_by: str | None
    zone: str


@lru_cache(maxsize=20_000)
def words_of(schedule: str, zone: str, name: str) -> str:
    """The schedule as a sentence; '' where it can't be told."""
    try:
        return sentence(schedule, zone, name=name if "H" in schedule else "")
    except InvalidSchedule:
        return ""


def job_path(name: str, job: UUID) -> str:
    """By name where that can be a part of a path; else by id."""
    return f"/jobs/{quote(name, safe='')}" if "/" not in name and name not in RESERVED else f"/jobs/{job}"


def job_line(row: Row, runs: Sequence[Row], week: Week = Week(), *, matches: bool = True) -> JobLine:
    return JobLine(
        name=row["job"], path=job_path(row["job"], row["job_id"]), id=row["job_id"], mark=job_mark(row), schedule=row["schedule"], words=words_of(row["schedule"], row["timezone"], row["job"]),
        zone=row["timezone"], tags=row["tags"], owner=row["owner"], is_locked=row["is_locked"], is_enabled=row["is_enabled"], why=why_of(row),
        last_at=row["last_started_at"], last_error=row["last_error"] if row["last_status"] == "FAILED" else None,
        last_mark=marks.of_run(row["last_status"], row["last_reason"]) if row["last_status"] else None,
        next_at=row["next_run_at"] if row["is_enabled"] else None, success_rate=row["success_rate"], average_ms=row["duration_average_ms"], bars=bars_of(runs),
        week=week, last_run=row["last_run_id"], matches=matches,
    )  # fmt: skip


def job_mark(row: Row) -> Mark:
    return marks.of_job(
        state=row["state"], is_enabled=row["is_enabled"], running=row["running_count"], failures=row["consecutive_failures"],
        blocked_by=row["blocked_by"], never_ran=row["last_run_id"] is None,
    )  # fmt: skip


def why_of(row: Row) -> str | None:
    """In one line, why a job doesn't run; None when nothing but the time keeps it."""
    if row["blocked_by"]:
        return str(row["blocked_by"])
    return str(row["state"]) if not row["is_enabled"] else None


def run_line(row: Row) -> RunLine:
    return RunLine(
        id=row["run_id"], name=row["run"], job=row["job"], job_path=job_path(row["job"], row["job_id"]), seq=row["seq"],
        mark=marks.of_run(row["status"], row["reason"], was_skipped=row["skip_reason"] is not None), cause=row["cause"], attempt=row["attempt"],
        scheduled_for=row["scheduled_for"], started_at=row["started_at"], completed_at=row["completed_at"], duration_ms=row["duration_ms"],
        lag_ms=row["lag_ms"], error=row["error"], requested_by=row["requested_by"], zone=row["timezone"],
    )  # fmt: skip


def bars_of(runs: Sequence[Row]) -> Bars:
    """The last runs, oldest first; the height is the duration on a logarithmic scale, from 1 ms to an hour."""
    shown = list(reversed(runs[:BARS]))
    free = BARS - len(shown)
    drawn = (_bar(run, (free + place) * BAR_WIDTH) for place, run in enumerate(shown))
    return Bars(len(shown), Markup("".join(drawn)))  # numbers and words of ours


def _bar(run: Row, x: int) -> str:
    mark = marks.of_run(run["status"], run["reason"], was_skipped=run["skip_reason"] is not None)
    took: int | None = run["duration_ms"]
    share = 0.3 if took is None else math.log10(max(took, 1)) / math.log10(3_600_000)
    height = 4 + round((BAR_HEIGHT - 4) * min(max(share, 0.0), 1.0))
    title = f"#{run['seq']:d} {mark.word}, {formats.duration(took)}"
    bar = f'<rect x="{x}" y="{SPARK_HEIGHT - height}" height="{height}" class="fill-{mark.tone}"><title>{title}</title></rect>'
    if mark.tone == "failed":  # not by colour alone
        bar += f'<rect x="{x}" height="2" class="fill-failed"></rect>'
    return bar
