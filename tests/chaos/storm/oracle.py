"""What must be in the ledger, found without the product: every second between a job's creation and the end is tried
against the schedules that it had, by arithmetic of our own for the few forms that the storm uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

SECOND = timedelta(seconds=1)
# An edit whose reply was lost happened somewhere before its audit entry: at most one statement's limit before.
UNSURE = timedelta(seconds=3)


def names(schedule: str, second: datetime, anchor: datetime) -> bool:
    """Whether `schedule` names this whole second. Three forms: `@every Ns`, `*` or `*/N` in the seconds, and a fixed date."""
    if schedule.startswith("@every "):
        return (second - anchor) % timedelta(seconds=int(schedule[7:-1])) == timedelta(0)
    field_, *rest = schedule.split()
    if len(rest) == 4:  # five fields, `0 0 29 2 *`: the storm's "never"
        minute, hour, day, month = (int(value) for value in schedule.split()[:4])
        return (second.second, second.minute, second.hour, second.day, second.month) == (0, minute, hour, day, month)
    assert rest == ["*"] * 5, schedule
    return field_ == "*" or second.second % int(field_[2:]) == 0


@dataclass(frozen=True)
class Reign:
    """A schedule in force after `since`. It may have begun as early as `earliest`."""

    schedule: str
    since: datetime
    earliest: datetime


@dataclass
class JobRecord:
    """A job's rows, as plain values."""

    name: str
    anchor: datetime
    ledger_from: datetime
    reigns: list[Reign]
    runs: list[datetime] = field(default_factory=list)  # scheduled_for of what the schedule named
    misses: list[dict[str, Any]] = field(default_factory=list)
    extra: tuple[str, ...] = ()  # schedules that name occurrences, too, and never change


@dataclass(frozen=True)
class Expected:
    """sure: must be covered; unsure: may be, for an edit came about then."""

    sure: frozenset[datetime]
    unsure: frozenset[datetime]

    def within(self, after: datetime, until: datetime) -> tuple[int, int]:
        """Least and most occurrences in (after, until]."""
        least = sum(after < instant <= until for instant in self.sure)
        return least, least + sum(after < instant <= until for instant in self.unsure)


def seconds_between(after: datetime, until: datetime) -> Iterator[datetime]:
    second = after.astimezone(UTC).replace(microsecond=0) + SECOND
    while second <= until:
        yield second
        second += SECOND


def expected(job: JobRecord, until: datetime) -> Expected:
    sure, unsure = set(), set()
    for second in seconds_between(job.ledger_from, until):
        always = any(names(schedule, second, job.anchor) for schedule in job.extra)
        said = {always or names(reign.schedule, second, job.anchor) for reign in possible(job.reigns, second)}
        if said == {True}:
            sure.add(second)
        elif True in said:
            unsure.add(second)
    return Expected(frozenset(sure), frozenset(unsure))


def possible(reigns: list[Reign], instant: datetime) -> list[Reign]:
    """Those that may have been in force: an edit's own instant still belongs to the schedule before it."""
    found = [reigns[0]]
    for reign in reigns[1:]:
        if instant > reign.since:
            found = [reign]
        elif instant > reign.earliest:
            found.append(reign)
    return found


def verdict(job: JobRecord, until: datetime) -> list[str]:
    """What is wrong with one job's ledger up to `until`; nothing when each occurrence has exactly one run or miss."""
    due = expected(job, until)
    runs = Counter(job.runs)
    wrong = [f"{job.name}: {n} scheduled runs of {at}" for at, n in runs.items() if n > 1]
    wrong += [
        f"{job.name}: a run of {at}, which its schedule does not name"
        for at in runs
        if at <= until and at not in due.sure | due.unsure
    ]
    for at in sorted(due.sure | due.unsure):
        covers = (at in runs) + sum(miss["covers_from"] < at <= miss["covers_to"] for miss in job.misses)
        if covers > 1 or (covers == 0 and at in due.sure):
            wrong.append(f"{job.name}: {at} is covered {covers} times by runs and misses")
    return wrong + [complaint for miss in job.misses if (complaint := wrong_count(job, due, miss, until))]


def wrong_count(job: JobRecord, due: Expected, miss: dict[str, Any], until: datetime) -> str | None:
    if miss["is_lower_bound"] or miss["covers_to"] > until:
        return None
    least, most = due.within(miss["covers_from"], miss["covers_to"])
    if least <= miss["count"] <= most:
        return None
    span = f"({miss['covers_from']}, {miss['covers_to']}]"
    return f"{job.name}: the miss {miss['reason']} over {span} counts {miss['count']} occurrences, there are {least} to {most}"
