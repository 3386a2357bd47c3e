"""Naive wall-clock readings that a cron timetable names: days and times of day, no zone."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache

from pgcron_py.timetable.days import Days, days_of
from pgcron_py.timetable.fields import FieldName
from pgcron_py.timetable.model import Timetable

_DAY = timedelta(days=1)


def _ceil(values: tuple[int, ...], least: int) -> int | None:
    index = bisect_left(values, least)
    return values[index] if index < len(values) else None


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a day: each hour with each minute with each second."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    @property
    def first(self) -> time:
        return time(self.hours[0], self.minutes[0], self.seconds[0])

    @property
    def per_day(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def at_or_after(self, at: time) -> time | None:
        """Each field that has no value left carries one into the field above."""
        second = _ceil(self.seconds, at.second)
        minute = _ceil(self.minutes, at.minute + (second is None))
        hour = _ceil(self.hours, at.hour + (minute is None))
        if hour is None:
            return None
        if minute is None or hour > at.hour:
            return time(hour, self.minutes[0], self.seconds[0])
        if second is None or minute > at.minute:
            return time(hour, minute, self.seconds[0])
        return time(hour, minute, second)

    def count_before(self, at: time) -> int:
        count = bisect_left(self.hours, at.hour) * len(self.minutes) * len(self.seconds)
        if at.hour in self.hours:
            count += bisect_left(self.minutes, at.minute) * len(self.seconds)
            if at.minute in self.minutes:
                count += bisect_left(self.seconds, at.second)
        return count


@dataclass(frozen=True, slots=True)
class Walls:
    """All readings of a timetable. Arguments are whole seconds."""

    days: Days
    times: Times

    def at_or_after(self, wall: datetime) -> datetime | None:
        day = self.days.on_or_after(wall.date())
        if day == wall.date():
            if at := self.times.at_or_after(wall.time()):
                return datetime.combine(day, at)
            day = self.days.on_or_after(day + _DAY)
        return datetime.combine(day, self.times.first) if day else None

    def any_in(self, start: datetime, end: datetime) -> bool:
        """Is one named in [start, end)?"""
        found = self.at_or_after(start)
        return found is not None and found < end


@lru_cache(maxsize=4096)
def walls_of(timetable: Timetable) -> Walls:
    """The Walls of a cron timetable."""
    values = {field.name: field.values for field in timetable.fields}
    times = Times(values[FieldName.HOUR], values[FieldName.MINUTE], values.get(FieldName.SECOND, (0,)))
    return Walls(days_of(timetable), times)
