"""A schedule as people meet it: checked where they wrote it, explained, and with the runs it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from pgcron_py.domain.job import Timing
from pgcron_py.domain.words import JobId
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.timetable import Description, describe, exclusion_of, following

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEXT = 5
_NO_JOB = JobId(UUID(int=0))
SHOWN = 76  # characters of a schedule that are shown above a caret


class Scheduled(Protocol):
    """What of a job decides when it runs: a declaration, or its row."""

    @property
    def name(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def extra_schedules(self) -> Sequence[str]: ...
    @property
    def excluded_schedules(self) -> Sequence[str]: ...
    @property
    def timezone(self) -> str: ...
    @property
    def dst_gap(self) -> Any: ...
    @property
    def dst_fold(self) -> Any: ...
    @property
    def start_at(self) -> datetime | None: ...
    @property
    def end_at(self) -> datetime | None: ...


def timing_of(job: Scheduled, anchor: datetime | None) -> Timing:
    return Timing(
        _NO_JOB, job.name, job.schedule, job.timezone, anchor or EPOCH, 0, job.dst_gap, job.dst_fold,
        job.extra_schedules, job.excluded_schedules, job.start_at, job.end_at,
    )  # fmt: skip


def described(job: Scheduled, after: datetime, anchor: datetime | None = None) -> Description:
    """Sentence, warnings and next five runs. Raises InvalidSchedule with a pointer in its notes; UnknownTimeZone."""
    parts = [_described_text(job, text, after, anchor) for text in (job.schedule, *job.extra_schedules)]
    for text in job.excluded_schedules:
        with pointing_into(text):
            exclusion_of(text, name=job.name)
    excluded = [describe(text, job.timezone, after, name=job.name).sentence for text in job.excluded_schedules]
    warnings = tuple(warning for part in parts for warning in part.warnings)
    sentence = "; also: ".join(part.sentence for part in parts) + "".join(f"; but not: {words}" for words in excluded)
    runs = tuple(following(timing_of(job, anchor).plan(), after, _NEXT))
    return Description(sentence, warnings, runs)


def _described_text(job: Scheduled, text: str, after: datetime, anchor: datetime | None) -> Description:
    with pointing_into(text):
        return describe(
            text, job.timezone, after, name=job.name, anchor=anchor, dst_gap=job.dst_gap, dst_fold=job.dst_fold
        )


def runs_of(job: Scheduled, after: datetime, anchor: datetime | None, count: int) -> tuple[datetime, ...]:
    """The next runs as far as they can be told here: none for a schedule or zone that can't be read."""
    try:
        return tuple(following(timing_of(job, anchor).plan(), after, count))
    except (InvalidSchedule, UnknownTimeZone):
        return ()


@contextmanager
def pointing_into(text: str) -> Iterator[None]:
    """Adds to an InvalidSchedule, as a note, the text with a caret below the column that is wrong."""
    try:
        yield
    except InvalidSchedule as error:
        if text:
            error.add_note(pointer(text, error.column))
        raise


def pointer(text: str, column: int) -> str:
    """Two lines: the text, or the part of it around the column, and a caret."""
    clean = "".join(char if char.isprintable() else " " if char == "\t" else "?" for char in text)
    start = max(0, column - SHOWN // 2) if len(clean) > SHOWN else 0
    return f"{clean[start : start + SHOWN]}\n{' ' * (max(column, 1) - 1 - start)}^"
