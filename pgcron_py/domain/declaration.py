"""A job as code declares it, and what a new declaration does to a row that admins may have edited. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

LogLevel = Literal["all", "errors", "none"]
LOG_LEVELS: tuple[str, ...] = get_args(LogLevel)


@dataclass(frozen=True, slots=True)
class JobDeclaration:
    """Fields are the columns of cron_job of the same names; see their comments. Times in ms."""

    name: str
    schedule: str
    handler: str
    description: str | None = None
    extra_schedules: tuple[str, ...] = ()
    excluded_schedules: tuple[str, ...] = ()
    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    max_runs: int | None = None
    args: dict[str, Any] = field(default_factory=dict)
    is_locked: bool = False
    owner: str | None = None
    tags: tuple[str, ...] = ()
    queue: str = "default"
    priority: int = 0
    runs_alone: bool = False
    min_version: str | None = None
    is_exclusive: bool = True
    overlap_policy: str = "skip"
    max_running: int = 1
    catchup_policy: str = "latest"
    catchup_window_ms: int | None = None
    starting_deadline_ms: int | None = None
    timeout_ms: int | None = None
    max_attempts: int = 1
    backoff_ms: int = 1000
    backoff_max_ms: int = 60_000
    retry_on: tuple[str, ...] = ()
    no_retry_on: tuple[str, ...] = ()
    memory_limit_mib: int | None = None
    is_idempotent: bool = False
    jitter_ms: int = 0
    dst_gap: str | None = None
    dst_fold: str | None = None
    max_consecutive_failures: int | None = 3
    notify_on_failure: bool = True
    retention_days: int | None = None
    retention_count: int | None = None
    log_level: str = "all"
    must_succeed_every_ms: int | None = None
    late_after_ms: int | None = None
    slow_after_ms: int | None = None
    slow_factor: float | None = None
    ping_url: str | None = None

    def values(self) -> dict[str, Any]:
        """As JSON has it: arrays for tuples, ISO 8601 in UTC for instants; the database takes these too."""
        return (
            asdict(self)
            | {name: list(getattr(self, name)) for name in _LISTS}
            | {name: at.astimezone(UTC).isoformat() for name in _INSTANTS if (at := getattr(self, name)) is not None}
        )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> JobDeclaration:
        """values: of a row, or what values() made; keys that are no fields are ignored."""
        known = {name: values[name] for name in FIELDS if name in values}
        lists = {name: tuple(values.get(name, ())) for name in _LISTS}
        return cls(**known | lists | {name: _instant(values.get(name)) for name in _INSTANTS})


_LISTS = ("extra_schedules", "excluded_schedules", "tags", "retry_on", "no_retry_on")  # arrays in JSON and the database
_INSTANTS = ("start_at", "end_at")
FIELDS = tuple(f.name for f in fields(JobDeclaration))


def _instant(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def merged(declared: JobDeclaration, row: dict[str, Any], last: dict[str, Any] | None) -> dict[str, Any]:
    """The values the row shall have: the code's, but for fields an admin changed since the last declaration.

    row: current values, in the form of `values`; last: what was declared then (None = never). A locked declaration takes every field.
    """
    values = declared.values()
    if declared.is_locked or last is None:
        return values
    edited = {
        name
        for name in FIELDS
        if name in last and row[name] != last[name] and name not in ("name", "handler", "is_locked")
    }
    return {name: row[name] if name in edited else value for name, value in values.items()}


def is_older(release: str, other: str | None) -> bool:
    """Whether `release` is older than `other`: by their leading dotted numbers (1.10 > 1.9); other texts have no order."""
    mine, theirs = _numbers(release), _numbers(other or "")
    return bool(mine and theirs) and mine < theirs


def _numbers(release: str) -> tuple[int, ...]:
    parts: list[int] = []
    for part in release.strip().lstrip("vV").split("."):
        if not (part.isascii() and part.isdigit()):
            break
        parts.append(int(part))
    return tuple(parts)
