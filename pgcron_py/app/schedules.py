"""A schedule as people meet it: checked where they wrote it, explained, and with the runs it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.timetable import Description, describe, next_runs

SHOWN = 76  # characters of a schedule that are shown above a caret


class Scheduled(Protocol):
    """What of a job decides when it runs."""

    @property
    def name(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def dst_gap(self) -> Any: ...
    @property
    def dst_fold(self) -> Any: ...


def described(job: Scheduled, after: datetime, anchor: datetime | None = None) -> Description:
    """Sentence, warnings and next five runs. Raises InvalidSchedule with a pointer in its notes; UnknownTimeZone."""
    with pointing_into(job.schedule):
        return describe(
            job.schedule, job.timezone, after,
            name=job.name, anchor=anchor, dst_gap=job.dst_gap, dst_fold=job.dst_fold,
        )  # fmt: skip


def runs_of(job: Scheduled, after: datetime, anchor: datetime | None, count: int) -> tuple[datetime, ...]:
    """The next runs as far as they can be told here: none for a schedule or zone that can't be read."""
    try:
        found = next_runs(
            job.schedule, job.timezone, after, count,
            anchor=anchor, name=job.name, dst_gap=job.dst_gap, dst_fold=job.dst_fold,
        )  # fmt: skip
    except (InvalidSchedule, UnknownTimeZone):
        return ()
    return tuple(found)


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
