"""Schedules of other schedulers, on their way to jobs: what becomes of each, and what of it would not mean the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.declaration_check import check_declaration
from pgcron_py.errors import PgCronError
from pgcron_py.timetable import DstFold, DstGap, describe

Kind = Literal["zone", "dst", "days", "reboot", "random", "step", "interval", "role", "command", "order"]
DAY_CAUTIONS = frozenset({"both_days"})
DST_CAUTIONS = frozenset({"dst_gap", "dst_fold", "only_run_swallowed"})
LARGEST_STEP = (59, 23)  # of minutes and hours, in our grammar


@dataclass(frozen=True, slots=True)
class Note:
    """changes: it will not mean what it meant; otherwise something to know."""

    kind: Kind
    text: str
    changes: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One foreign schedule. where: line or job number; source: its text. declaration: None when it can't be taken: refusal
    says why. disabled_reason: None = it is enabled."""

    where: str
    source: str
    declaration: JobDeclaration | None
    notes: tuple[Note, ...] = ()
    disabled_reason: str | None = None
    refusal: str | None = None

    @property
    def changes(self) -> bool:
        return any(note.changes for note in self.notes)


def refused(where: str, source: str, why: str) -> Entry:
    return Entry(where, source, None, refusal=why)


def translated(schedule: str) -> tuple[str, list[Note]]:
    """Five fields as our grammar has them. What isn't five fields is returned as it is."""
    fields, notes = schedule.split(), []
    if len(fields) != 5:
        return schedule.strip(), []
    for index, largest in enumerate(LARGEST_STEP):
        step = re.fullmatch(r"\*/(\d{1,9})", fields[index])
        if step and int(step[1]) > largest:
            fields[index] = "0"
            notes.append(Note("step", f"{step[0]} fires at 0 only, and is written so", False))
    for index, field in enumerate(fields):
        if "~" in field:
            fields[index] = "H" if field == "~" else re.sub(r"(\d+)~(\d+)", r"H(\1-\2)", field)
            text = f"{field} was another value at each start of cron; H is one value, chosen from the job's name"
            notes.append(Note("random", text))
    days = (fields[2], fields[4])
    for field, other in (days, days[::-1]):
        if "*" in field[1:] and not field.startswith("*") and not other.startswith("*"):
            text = f"{field} counted as restricted, so that either day field was enough; here it is any day, and {other} decides"
            notes.append(Note("days", text))
    return " ".join(fields), notes


def looked_at(entry: Entry, now: datetime) -> Entry:
    """With what our engine says of it: a refusal, or what to know of days and clock changes."""
    job = entry.declaration
    if job is None:
        return entry
    gap: DstGap | None = job.dst_gap  # type: ignore[assignment]  # checked by check_declaration
    fold: DstFold | None = job.dst_fold  # type: ignore[assignment]  # likewise
    try:
        found = describe(job.schedule, job.timezone, now, name=job.name, anchor=now, dst_gap=gap, dst_fold=fold)
        check_declaration(job)
    except PgCronError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return refused(entry.where, entry.source, f"{error}{hint}")
    days = [Note("days", w.message, False) for w in found.warnings if w.code in DAY_CAUTIONS]
    clocks = [Note("dst", w.message, False) for w in found.warnings if w.code in DST_CAUTIONS]
    return replace(entry, notes=(*entry.notes, *days, *clocks))


def numbered(entries: Iterable[Entry]) -> list[Entry]:
    """With names that differ: the second job of a name is `name (2)`."""
    seen: dict[str, int] = {}
    found = []
    for entry in entries:
        if entry.declaration is not None:
            name = entry.declaration.name
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                entry = replace(entry, declaration=replace(entry.declaration, name=f"{name} ({seen[name]})"))
        found.append(entry)
    return found
