"""A job as code declares it, and what a new declaration does to a row that admins may have edited. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class JobDeclaration:
    """Fields are the columns of cron_job of the same names; see their comments. Times in ms."""

    name: str
    schedule: str
    handler: str
    description: str | None = None
    timezone: str = "UTC"
    args: dict[str, Any] = field(default_factory=dict)
    is_locked: bool = False
    owner: str | None = None
    tags: tuple[str, ...] = ()
    queue: str = "default"
    priority: int = 0
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

    def values(self) -> dict[str, Any]:
        return asdict(self) | {name: list(getattr(self, name)) for name in _LISTS}

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> JobDeclaration:
        return cls(**values | {name: tuple(values.get(name, ())) for name in _LISTS})


_LISTS = ("tags", "retry_on", "no_retry_on")  # tuples here, arrays in JSON and in the database
FIELDS = tuple(f.name for f in fields(JobDeclaration))


def merged(declared: JobDeclaration, row: dict[str, Any], last: dict[str, Any] | None) -> dict[str, Any]:
    """The values the row shall have: the code's, but for fields an admin changed since the last declaration.

    row: current values; last: what was declared then (None = never). A locked declaration takes every field.
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
