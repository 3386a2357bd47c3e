"""Plans made of plans: several timetables at once, a period, and minutes that are taken out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable.fields import FieldName
from pgcron_py.timetable.grammar import parse
from pgcron_py.timetable.model import Kind, Timetable
from pgcron_py.timetable.plan import Plan
from pgcron_py.timetable.walls import Walls, walls_of
from pgcron_py.timetable.zones import instant_of, load_zone

COUNTED_MOST = 1_000  # occurrences that are listed, rather than calculated, to be counted
# A stretch of so many excluded days or hours, and of so much time, is taken for "for ever".
HOPS_MOST, EXCLUDED_MOST = 500, timedelta(days=400)
_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class _Listed(Plan):
    """A plan that can only count what it lists: up to COUNTED_MOST exactly, then that many as a lower bound."""

    def _count(self, after: datetime, until: datetime) -> tuple[int, bool]:
        found = len(self.occurrences_between(after, until, COUNTED_MOST + 1))
        return min(found, COUNTED_MOST), found <= COUNTED_MOST


@dataclass(frozen=True, slots=True)
class UnionPlan(_Listed):
    """An instant that several of the plans name is one occurrence."""

    plans: tuple[Plan, ...]

    def _next(self, after: datetime) -> datetime | None:
        return min((at for plan in self.plans if (at := plan.next_after(after))), default=None)

    def latest_before(self, after: datetime, now: datetime) -> datetime | None:
        return max((at for plan in self.plans if (at := plan.latest_before(after, now))), default=None)


@dataclass(frozen=True, slots=True)
class PeriodPlan(Plan):
    """Only what lies in [start, end]; None = no such end."""

    plan: Plan
    start: datetime | None
    end: datetime | None

    def _after(self, after: datetime) -> datetime:
        return after if self.start is None else max(after, _whole_up(self.start) - _SECOND)

    def _until(self, until: datetime) -> datetime:
        return until if self.end is None else min(until, self.end)

    def _next(self, after: datetime) -> datetime | None:
        found = self.plan.next_after(self._after(after))
        return found if found and (self.end is None or found <= self.end) else None

    def latest_before(self, after: datetime, now: datetime) -> datetime | None:
        return self.plan.latest_before(self._after(after), self._until(now))

    def _count(self, after: datetime, until: datetime) -> tuple[int, bool]:
        return self.plan.count_between(self._after(after), self._until(until))


@dataclass(frozen=True, slots=True)
class Exclusion:
    """The minutes of a timetable, in a zone. whole_days: it says nothing of hours, so a day is out as a whole."""

    walls: Walls
    whole_days: bool

    def end_of(self, wall: datetime) -> datetime | None:
        """None when this reading's minute is not excluded; else a later reading up to which all are."""
        minute = wall.replace(second=0, microsecond=0)
        if self.walls.at_or_after(minute) != minute:
            return None
        hour = minute.replace(minute=0)
        return hour.replace(hour=0) + _DAY if self.whole_days else hour + _HOUR


@dataclass(frozen=True, slots=True)
class ExcludingPlan(_Listed):
    """What `plan` names, but for the minutes of the exclusions."""

    plan: Plan
    exclusions: tuple[Exclusion, ...]
    zone: ZoneInfo

    def is_excluded(self, instant: datetime) -> bool:
        return self._end_of(instant) is not None

    def _end_of(self, instant: datetime) -> datetime | None:
        """Up to when, at least, everything from an instant on is excluded; None when it is not."""
        wall = instant.astimezone(self.zone).replace(tzinfo=None, fold=0)
        ends = [end for exclusion in self.exclusions if (end := exclusion.end_of(wall))]
        # The clocks may change on the way, so at least this minute, and never past the same reading's first pass.
        minute_ends = instant - timedelta(seconds=wall.second) + _MINUTE
        return max(instant_of(max(ends), self.zone, fold=0), minute_ends) if ends else None

    def _next(self, after: datetime) -> datetime | None:
        found = self.plan.next_after(after)
        last = None if found is None else found + EXCLUDED_MOST
        for hop in count():
            if found is None or (end := self._end_of(found)) is None:
                return found
            if hop > HOPS_MOST and last is not None and end > last:
                break
            found = self.plan.next_after(end - _SECOND)
        return None

    def excluded_between(self, after: datetime, until: datetime) -> tuple[datetime, datetime, int, bool] | None:
        """(first, last, count, exact) of what is taken out in (after, until], where nothing else lies; None for nothing."""
        first = self.plan.next_after(after)
        last = self.plan.latest_before(after, until)
        return None if first is None or last is None else (first, last, *self.plan.count_between(after, until))


def exclusion_of(text: str, *, name: str = "") -> Timetable:
    """A timetable of minutes to leave out. Raises InvalidSchedule, also for one that names single minutes of an hour."""
    found = parse(text, name=name)
    minutes = found.field(FieldName.MINUTE)
    if (
        found.kind is not Kind.CRON
        or minutes is None
        or minutes.restricted
        or found.field(FieldName.SECOND) is not None
    ):
        raise InvalidSchedule(
            code="exclusion_minutes",
            message=f"{text!r} excludes single minutes: an exclusion names days or hours as a whole",
            hint="write five fields, the first of them *: * * 25 12 * for a day, * 22-23 * * * for hours",
        )
    return found


def compound(
    plans: tuple[Plan, ...], excluded: tuple[Timetable, ...], tz_name: str, start: datetime | None, end: datetime | None
) -> Plan:
    """One plan of all: the union, cut to the period, without what is excluded. Raises UnknownTimeZone."""
    plan = plans[0] if len(plans) == 1 else UnionPlan(plans)
    if start is not None or end is not None:
        plan = PeriodPlan(plan, start, end)
    if excluded:
        plan = ExcludingPlan(plan, tuple(map(_exclusion, excluded)), load_zone(tz_name))
    return plan


@lru_cache(maxsize=1024)
def _exclusion(timetable: Timetable) -> Exclusion:
    hours = timetable.field(FieldName.HOUR)
    return Exclusion(walls_of(timetable), hours is not None and not hours.restricted)


def _whole_up(instant: datetime) -> datetime:
    """The first whole second that is not before it."""
    whole = instant.astimezone(UTC).replace(microsecond=0)
    return whole if whole == instant else whole + _SECOND
