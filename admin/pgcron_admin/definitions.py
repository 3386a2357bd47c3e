"""A job's definition in bodies: fields with their limits, and what a change of them means for the columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pgcron_admin.parameters import checked_instant
from pgcron_admin.wire import Body, camel
from pgcron_py.domain.declaration import FIELDS, JobDeclaration
from pgcron_py.domain.declaration_check import check_declaration
from pgcron_py.errors import InvalidArguments, InvalidDeclaration
from pgcron_py.timetable import exclusion_of, load_zone, parse

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
Schedule = Annotated[str, msgspec.Meta(min_length=1, max_length=256, examples=["*/15 * * * *"])]
Zone = Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["Europe/Berlin"])]
Handler = Annotated[str, msgspec.Meta(min_length=1, max_length=300, examples=["shop.reports:nightly"])]
Name = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$", examples=["nightly-report"]),
]  # fmt: skip
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Schedules = Annotated[list[Schedule], msgspec.Meta(max_length=20)]
Exceptions = Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=50, description="Names such as ValueError or httpx.TimeoutException.")]  # fmt: skip
Day, Month, Year = 86_400_000, 2_678_400_000, 31_622_400_000
YearMs = Annotated[int, msgspec.Meta(ge=1, le=Year)]
MonthMs = Annotated[int, msgspec.Meta(ge=1, le=Month)]

# Fields whose null is a value of its own; null gives the others their default.
NULLABLE = frozenset({
    "description", "start_at", "end_at", "max_runs", "owner", "min_version", "catchup_window_ms", "starting_deadline_ms", "timeout_ms",
    "memory_limit_mib", "dst_gap", "dst_fold", "max_consecutive_failures", "retention_days", "retention_count", "must_succeed_every_ms",
    "late_after_ms", "slow_after_ms", "slow_factor", "ping_url",
})  # fmt: skip
DEFAULTS: Mapping[str, Any] = {
    name: value
    for name, value in JobDeclaration("", "", "").values().items()
    if name not in ("name", "schedule", "handler", "is_locked")
}


class Definition(Body, kw_only=True):
    """What of a job may be written. Null takes a field away, or back to its default; lists and args are replaced as a whole. Ms: milliseconds."""

    description: Annotated[str, msgspec.Meta(max_length=4000)] | UnsetType | None = UNSET
    timezone: Zone | UnsetType | None = UNSET
    extra_schedules: Schedules | UnsetType | None = UNSET
    excluded_schedules: Schedules | UnsetType | None = UNSET
    start_at: datetime | UnsetType | None = UNSET
    end_at: datetime | UnsetType | None = UNSET
    max_runs: Annotated[int, msgspec.Meta(ge=1, le=1000000000000)] | UnsetType | None = UNSET
    args: dict[str, Any] | UnsetType | None = UNSET
    owner: Annotated[str, msgspec.Meta(max_length=200)] | UnsetType | None = UNSET
    tags: Annotated[list[Word], msgspec.Meta(max_length=50)] | UnsetType | None = UNSET
    queue: Word | UnsetType | None = UNSET
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] | UnsetType | None = UNSET
    runs_alone: bool | UnsetType | None = UNSET
    min_version: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^[vV]?[0-9]{1,9}(\.[0-9]{1,9})*$")] | UnsetType | None = UNSET  # fmt: skip
    overlap_policy: Overlap | UnsetType | None = UNSET
    max_running: Annotated[int, msgspec.Meta(ge=1, le=10000)] | UnsetType | None = UNSET
    catchup_policy: Literal["skip", "latest", "all"] | UnsetType | None = UNSET
    catchup_window_ms: YearMs | UnsetType | None = UNSET
    starting_deadline_ms: MonthMs | UnsetType | None = UNSET
    timeout_ms: MonthMs | UnsetType | None = UNSET
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] | UnsetType | None = UNSET
    backoff_ms: Annotated[int, msgspec.Meta(ge=0, le=Day)] | UnsetType | None = UNSET
    backoff_max_ms: Annotated[int, msgspec.Meta(ge=0, le=Month)] | UnsetType | None = UNSET
    retry_on: Exceptions | UnsetType | None = UNSET
    no_retry_on: Exceptions | UnsetType | None = UNSET
    memory_limit_mib: Annotated[int, msgspec.Meta(ge=1, le=1048576)] | UnsetType | None = UNSET
    is_idempotent: bool | UnsetType | None = UNSET
    jitter_ms: Annotated[int, msgspec.Meta(ge=0, le=Day)] | UnsetType | None = UNSET
    dst_gap: Literal["run_after", "skip"] | UnsetType | None = UNSET
    dst_fold: Literal["first", "both", "second"] | UnsetType | None = UNSET
    max_consecutive_failures: Annotated[int, msgspec.Meta(ge=1, le=1000000)] | UnsetType | None = UNSET
    notify_on_failure: bool | UnsetType | None = UNSET
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] | UnsetType | None = UNSET
    retention_count: Annotated[int, msgspec.Meta(ge=1, le=1000000000)] | UnsetType | None = UNSET
    log_level: Literal["all", "errors", "none"] | UnsetType | None = UNSET
    must_succeed_every_ms: Annotated[int, msgspec.Meta(ge=1000, le=Year)] | UnsetType | None = UNSET
    late_after_ms: YearMs | UnsetType | None = UNSET
    slow_after_ms: MonthMs | UnsetType | None = UNSET
    slow_factor: Annotated[float, msgspec.Meta(ge=1, le=1000000)] | UnsetType | None = UNSET
    ping_url: Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")] | UnsetType | None = UNSET  # fmt: skip

    def columns(self) -> dict[str, Any]:
        """The columns that the body names, with their values: defaults for null where no null is. Raises InvalidArguments."""
        named = {
            name: getattr(self, name) for name in FIELDS if name != "name" and getattr(self, name, UNSET) is not UNSET
        }
        told = {name: _default(name) if value is None and name not in NULLABLE else value for name, value in named.items()}  # fmt: skip
        return told | {
            name: checked_instant(told[name], camel(name)) for name in ("start_at", "end_at") if told.get(name)
        }


def _default(name: str) -> Any:
    if name not in DEFAULTS:
        raise InvalidArguments(f"{camel(name)}: a job needs one", hint="leave it out to keep it", field=camel(name))
    return DEFAULTS[name]


def changed(before: JobDeclaration, columns: Mapping[str, Any]) -> dict[str, Any]:
    """What differs, as JSON has it, after a check of the whole. Raises InvalidSchedule, UnknownTimeZone, InvalidArguments."""
    listed: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()
    }
    if (policy := listed.get("overlap_policy")) is not None:
        listed["is_exclusive"] = policy != "allow_all"
        if listed["is_exclusive"]:
            listed.setdefault("max_running", 1)
    after = replace(before, **listed)
    _check(after)
    old, new = before.values(), after.values()
    return {name: new[name] for name in listed if new[name] != old[name]}


def new_definition(name: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """All that the body says of a new job. Raises as `changed`."""
    bare = JobDeclaration(name, columns["schedule"], columns["handler"])
    return {"schedule": bare.schedule, "handler": bare.handler, **changed(bare, columns)}


def _check(declaration: JobDeclaration) -> None:
    # These two first: told with field and column.
    for text in (declaration.schedule, *declaration.extra_schedules):
        parse(text, name=declaration.name)
    for text in declaration.excluded_schedules:
        exclusion_of(text, name=declaration.name)
    load_zone(declaration.timezone)
    try:
        check_declaration(declaration)
    except InvalidDeclaration as error:
        field = error.reason.split(" ")[0].rstrip(":")
        raise InvalidArguments(error.reason, hint=error.hint, field=field if field in FIELDS else None) from error
