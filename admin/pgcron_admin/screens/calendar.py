"""Thirteen weeks of a job as a calendar: a column for each week, a row for each day of it. Days are UTC's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pgcron_admin.queries.job_history import Day

WEEKS = 13
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """worst: of its runs. until: the day after, where the list of its runs ends."""

    day: date
    until: date
    runs: int
    failures: int
    worst: Literal["success", "failed", "none", "outside"]


@dataclass(frozen=True, slots=True)
class Calendar:
    """months: a word above each week in which a month begins. rows: Monday first."""

    months: list[str]
    rows: list[list[CalendarDay]]
    total: int
    failures: int


def first_day(today: date) -> date:
    return today - today.weekday() * DAY - (WEEKS - 1) * 7 * DAY


def calendar(days: Iterable[Day], today: date) -> Calendar:
    known = {day.day: day for day in days}
    first = first_day(today)
    weeks = [first + week * 7 * DAY for week in range(WEEKS)]
    months = [
        f"{monday:%b}" if number == 0 or (monday - 7 * DAY).month != monday.month else ""
        for number, monday in enumerate(weeks)
    ]
    rows = [[_day(monday + row * DAY, known, today) for monday in weeks] for row in range(7)]
    return Calendar(months, rows, sum(day.runs for day in known.values()), sum(day.failures for day in known.values()))


def _day(day: date, known: dict[date, Day], today: date) -> CalendarDay:
    found = known.get(day)
    runs, failures = (found.runs, found.failures) if found else (0, 0)
    worst: Literal["success", "failed", "none", "outside"] = (
        "outside" if day > today else "failed" if failures else "success" if runs else "none"
    )
    return CalendarDay(day, day + DAY, runs, failures, worst)
