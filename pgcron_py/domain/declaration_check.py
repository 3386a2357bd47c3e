"""What the database or the planner would refuse later, refused where a job is declared. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pgcron_py.domain.declaration import LOG_LEVELS, JobDeclaration
from pgcron_py.domain.overlap import CATCHUP_POLICIES, OVERLAP_POLICIES
from pgcron_py.domain.retry import exception_names
from pgcron_py.errors import InvalidDeclaration, InvalidSchedule, UnknownTimeZone
from pgcron_py.timetable import Kind, exclusion_of, load_zone, parse


def check_declaration(declaration: JobDeclaration) -> None:
    """Raises InvalidDeclaration for what the database or the planner would refuse later."""
    name = declaration.name
    if not 1 <= len(name) <= 200 or name != name.strip() or re.search(r"[\x00-\x1f\x7f]", name):
        raise InvalidDeclaration(name, "a name has 1 to 200 printable characters and no blanks at its ends")
    try:
        kinds = [parse(text, name=name).kind for text in (declaration.schedule, *declaration.extra_schedules)]
        for text in declaration.excluded_schedules:
            exclusion_of(text, name=name)
        load_zone(declaration.timezone)
    except InvalidSchedule as error:
        raise InvalidDeclaration(name, f"Invalid cron expression: {error}", hint=error.hint) from error
    except UnknownTimeZone as error:
        raise InvalidDeclaration(name, f"timezone: {error}", hint=error.hint) from error
    _check_timing(declaration, kinds)
    for field_, low, high in _RANGES:
        value = getattr(declaration, field_)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise InvalidDeclaration(name, f"{field_} is {value!r}: it must be a whole number from {low} to {high}")
    for field_ in ("retry_on", "no_retry_on"):
        exception_names_of(name, field_, getattr(declaration, field_))
    if declaration.backoff_max_ms < declaration.backoff_ms:
        raise InvalidDeclaration(name, "backoff_max is less than backoff")
    for field_, known in (
        ("overlap_policy", OVERLAP_POLICIES),
        ("catchup_policy", CATCHUP_POLICIES),
        ("log_level", LOG_LEVELS),
    ):
        if (value := getattr(declaration, field_)) not in known:
            raise InvalidDeclaration(name, f"{field_} is {value!r}: it must be one of {', '.join(known)}")
    if declaration.is_exclusive is (declaration.overlap_policy == "allow_all"):
        raise InvalidDeclaration(
            name, f"is_exclusive is {declaration.is_exclusive}: only allow_all lets runs go on beside one another"
        )
    if declaration.is_exclusive and declaration.max_running != 1:
        raise InvalidDeclaration(
            name,
            f"max_running is {declaration.max_running}: only overlap_policy='allow_all' lets more than one run go on",
        )
    _check_watch(declaration)


def _check_timing(declaration: JobDeclaration, kinds: list[Kind]) -> None:
    name = declaration.name
    if Kind.REBOOT in kinds and len(kinds) > 1:
        raise InvalidDeclaration(
            name, "extra_schedules: @reboot can't be one of several schedules", hint="declare two jobs"
        )
    for field_ in ("extra_schedules", "excluded_schedules"):
        if len(getattr(declaration, field_)) > 20:
            raise InvalidDeclaration(
                name, f"{field_} has {len(getattr(declaration, field_))} schedules: 20 are the most"
            )
    start, end = declaration.start_at, declaration.end_at
    if start is not None and end is not None and start >= end:
        raise InvalidDeclaration(name, f"end_at ({end}) is not after start_at ({start})")
    if declaration.min_version is not None and not re.fullmatch(
        r"[vV]?\d{1,9}(\.\d{1,9})*", declaration.min_version, re.ASCII
    ):
        raise InvalidDeclaration(
            name, f"min_version is {declaration.min_version!r}: it must be dotted numbers such as 1.10.2"
        )


def _check_watch(declaration: JobDeclaration) -> None:
    factor, url = declaration.slow_factor, declaration.ping_url
    if factor is not None and (
        isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 1e6
    ):
        raise InvalidDeclaration(declaration.name, f"slow_factor is {factor!r}: it must be a number from 1 to 1000000")
    if url is not None and (len(url) > 2000 or not re.fullmatch(r"https?://[^\s\x00-\x1f\x7f]+", url)):
        raise InvalidDeclaration(declaration.name, "ping_url must begin with http:// or https:// and have no blanks")


_RANGES = (
    ("priority", -100, 100),
    ("max_attempts", 1, 100),
    ("max_running", 1, 10_000),
    ("timeout_ms", 1, 2_678_400_000),
    ("starting_deadline_ms", 1, 2_678_400_000),
    ("catchup_window_ms", 1, 31_622_400_000),
    ("backoff_ms", 0, 86_400_000),
    ("backoff_max_ms", 0, 2_678_400_000),
    ("memory_limit_mib", 1, 1_048_576),
    ("jitter_ms", 0, 86_400_000),
    ("max_consecutive_failures", 1, 1_000_000),
    ("retention_days", 1, 36_500),
    ("retention_count", 1, 1_000_000_000),
    ("max_runs", 1, 1_000_000_000_000),
    ("must_succeed_every_ms", 1_000, 31_622_400_000),
    ("late_after_ms", 1, 31_622_400_000),
    ("slow_after_ms", 1, 2_678_400_000),
)


_EXCEPTION_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def exception_names_of(job: str, field_: str, values: Sequence[type[BaseException] | str]) -> tuple[str, ...]:
    if isinstance(values, str | type):
        raise InvalidDeclaration(job, f"{field_} is {values!r}: it must be a list of exceptions or of their names")
    names = tuple(exception_names(v)[1] if isinstance(v, type) and issubclass(v, BaseException) else v for v in values)
    wrong = [name for name in names if not isinstance(name, str) or not _EXCEPTION_NAME.fullmatch(name)]
    if wrong:
        raise InvalidDeclaration(
            job,
            f"{field_} has {wrong[0]!r}: it must be an exception, or a name such as ValueError or httpx.TimeoutException",
        )
    if len(names) > 50:
        raise InvalidDeclaration(
            job, f"{field_} has {len(names)} exceptions: 50 are the most", hint="name a base of them"
        )
    return names
