"""Figures of a job over windows that end now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgcron_py.app.session import Connection, rows, transaction

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
FIGURES = "SELECT %(name)s::text AS window, s.* FROM pgcron.statistics_of(%(job)s, %(length)s) s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Columns of pgcron.window_statistics; see their comments. Shares are 0 to 1, times in ms; window: its name."""

    window: str
    from_at: datetime
    to_at: datetime
    run_count: int
    success_count: int
    failure_count: int
    success_rate: float | None
    uptime: float | None
    downtime_ms: int
    duration_average_ms: float | None
    duration_p50_ms: float | None
    duration_p95_ms: float | None
    duration_max_ms: int | None
    lag_average_ms: float | None
    lag_p50_ms: float | None
    lag_p95_ms: float | None
    lag_max_ms: int | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    success_streak: int
    failure_streak: int
    longest_failure_streak: int


def statistics_of(connection: Connection, job: str, windows: dict[str, timedelta]) -> Sequence[Figures]:
    """In the order of `windows`: names with their lengths. Raises JobNotFound, InvalidArguments."""
    with transaction(connection):
        return [figures_of(connection, job, name, length) for name, length in windows.items()]


def figures_of(connection: Connection, job: str, name: str, length: timedelta) -> Figures:
    return rows(connection, Figures, FIGURES, {"name": name, "job": job, "length": length})[0]
