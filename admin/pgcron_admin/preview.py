"""What a schedule would do before it is saved: in words, its next runs in two zones, whom it meets, and which minutes nearby are quiet. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pgcron_admin.wire import Answer
from pgcron_py.domain.job import Timing
from pgcron_py.domain.words import JobId
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.timetable import FieldName, Kind, Warning, describe, following, load_zone, parse

NEARBY = timedelta(minutes=30)
GROUPS_MOST = 2000
OCCURRENCES_MOST = 20_000  # about a third of a second
OF_ONE_MOST = 121
QUIET_SHOWN = 3
NAMES_SHOWN = 5
NO_JOB = JobId(UUID(int=0))
MINUTE = timedelta(minutes=1)


class WarningAnswer(Answer):
    """code: a word that stays. field, column: where in the text, from 1. at: the instant it is about. isStrong: a run that people count on is lost."""

    code: str
    message: str
    field: str | None
    column: int | None
    at: datetime | None
    is_strong: bool


class RunTime(Answer):
    """The same instant three times: in UTC, as clocks in the job's zone show it, and as those of the one who looks do."""

    at: datetime
    in_job_zone: str
    in_view_zone: str


class QuietMinute(Answer):
    """jobs: how many others begin in it. schedule: the text that names it."""

    at: datetime
    in_job_zone: str
    jobs: int
    schedule: str


class Collisions(Answer):
    """Of the first run. jobs: how many others begin in its minute, names: the first few. nearbyMost: most that begin in one minute of the hour around.

    isComplete: false when there were too many schedules to look at all.
    """

    at: datetime
    jobs: int
    names: list[str]
    nearby_most: int
    is_complete: bool


class PreviewAnswer(Answer):
    """sentence: the schedule in words. quietMinutes: near the first run, with fewer others."""

    schedule: str
    canonical: str
    timezone: str
    sentence: str
    warnings: list[WarningAnswer]
    next_runs: list[RunTime]
    collisions: Collisions | None
    quiet_minutes: list[QuietMinute]


@dataclass(frozen=True, slots=True)
class Others:
    """Jobs that are planned alike. names: the first few of them."""

    timing: Timing
    count: int
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The schedule to look at. after: the database's now."""

    timing: Timing
    after: datetime
    view_zone: str
    count: int = 10


@dataclass(frozen=True, slots=True)
class Load:
    """How many jobs begin in each minute around an instant. names: of those in its own minute."""

    per_minute: Mapping[datetime, int]
    names: Sequence[str]
    is_complete: bool


def run_times(instants: Iterable[datetime], job_zone: str, view_zone: str) -> list[RunTime]:
    """Raises UnknownTimeZone."""
    own, other = load_zone(job_zone), load_zone(view_zone)
    return [RunTime(at, _shown(at, own), _shown(at, other)) for at in instants]


def _shown(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")


def warning_answers(warnings: Iterable[Warning]) -> list[WarningAnswer]:
    return [WarningAnswer(w.code, w.message, w.field, w.column, w.at, w.strong) for w in warnings]


def sentence_of(timing: Timing, after: datetime) -> tuple[str, list[WarningAnswer]]:
    """Of all its schedules and exclusions. Raises InvalidSchedule, UnknownTimeZone."""
    options: dict[str, Any] = {"anchor": timing.anchor, "dst_gap": timing.dst_gap, "dst_fold": timing.dst_fold}
    parts = [
        describe(text, timing.timezone, after, name=timing.name, **options) for text in (timing.schedule, *timing.extra)
    ]
    excluded = [describe(text, timing.timezone, after, name=timing.name).sentence for text in timing.excluded]
    told = "; also: ".join(part.sentence for part in parts) + "".join(f"; but not: {words}" for words in excluded)
    return told, [warning for part in parts for warning in warning_answers(part.warnings)]


def preview(wanted: Wanted, others: Sequence[Others]) -> PreviewAnswer:
    """others: of jobs whose next occurrence may be near; at most GROUPS_MOST are looked at. Raises InvalidSchedule, UnknownTimeZone."""
    timing = wanted.timing
    plan = timing.plan()
    sentence, warnings = sentence_of(timing, wanted.after)
    runs = following(plan, wanted.after, wanted.count)
    load = load_around(runs[0], others) if runs else None
    return PreviewAnswer(
        timing.schedule, parse(timing.schedule, name=timing.name).canonical, timing.timezone, sentence, warnings,
        run_times(runs, timing.timezone, wanted.view_zone),
        None if load is None else _collisions(runs[0], load),
        [] if load is None else quiet_minutes(timing, runs[0], load),
    )  # fmt: skip


def load_around(at: datetime, others: Sequence[Others]) -> Load:
    """Work is bounded, whatever the others' schedules are: the schedules of most jobs come first."""
    minute = _minute_of(at)
    begin, end = minute - NEARBY, minute + NEARBY
    counts: Counter[datetime] = Counter()
    names: list[str] = []
    room, is_complete = OCCURRENCES_MOST, len(others) <= GROUPS_MOST
    for group in others[:GROUPS_MOST]:
        if room <= 0:
            is_complete = False
            break
        try:
            found = group.timing.plan().occurrences_between(begin - timedelta(seconds=1), end, OF_ONE_MOST)
        except (InvalidSchedule, UnknownTimeZone):
            continue  # nothing that runs
        room -= len(found) + 1
        is_complete &= len(found) < OF_ONE_MOST
        minutes = {_minute_of(instant) for instant in found}
        counts.update(dict.fromkeys(minutes, group.count))
        if minute in minutes:
            names += group.names
    return Load(counts, sorted(names)[:NAMES_SHOWN], is_complete)


def _minute_of(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _collisions(at: datetime, load: Load) -> Collisions:
    return Collisions(
        at, load.per_minute.get(_minute_of(at), 0), list(load.names), max(load.per_minute.values(), default=0), load.is_complete
    )  # fmt: skip


def quiet_minutes(timing: Timing, at: datetime, load: Load) -> list[QuietMinute]:
    """The quietest first, then the nearest; none quieter than its own is none."""
    minute = _minute_of(at)
    own = load.per_minute.get(minute, 0)
    steps = range(-int(NEARBY / MINUTE), int(NEARBY / MINUTE) + 1)
    candidates = sorted((load.per_minute.get(minute + n * MINUTE, 0), abs(n), -n) for n in steps if n)
    found: list[QuietMinute] = []
    for jobs, _, n in candidates:
        if jobs >= own or len(found) == QUIET_SHOWN:
            break
        if (text := moved(timing, at, at - n * MINUTE)) is not None:
            other = at - n * MINUTE
            found.append(QuietMinute(other, _shown(other, load_zone(timing.timezone)), jobs, text))
    return found


def moved(timing: Timing, at: datetime, other: datetime) -> str | None:
    """The schedule with another minute, so that it names `other` in place of `at`; None when its minute is not one number."""
    timetable = parse(timing.schedule, name=timing.name)
    minute = timetable.field(FieldName.MINUTE)
    if timetable.kind is not Kind.CRON or minute is None or len(minute.values) != 1 or minute.hashed:
        return None
    text, start = timetable.text, minute.column - 1
    token = text[start:].split(maxsplit=1)[0]
    if not token.isdigit():
        return None
    wall = other.astimezone(load_zone(timing.timezone))
    changed = f"{text[:start]}{wall.minute}{text[start + len(token) :]}"
    plan = Timing(
        NO_JOB, timing.name, changed, timing.timezone, timing.anchor, 0, timing.dst_gap, timing.dst_fold
    ).plan()
    return changed if plan.next_after(other - timedelta(seconds=1)) == other else None
