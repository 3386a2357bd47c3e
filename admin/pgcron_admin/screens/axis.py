"""A stretch of time as places on a screen: percentages for SVG, ticks in a zone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# How far apart ticks are, by the length that they divide.
STEPS = (
    (2 * HOUR, 10 * MINUTE),
    (8 * HOUR, HOUR),
    (2 * DAY, 3 * HOUR),
    (20 * DAY, DAY),
    (timedelta(days=400), 7 * DAY),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """x: percent."""

    x: float
    word: str


@dataclass(frozen=True, slots=True)
class Axis:
    begin: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def length(self) -> timedelta:
        return self.end - self.begin

    def x(self, at: datetime) -> float:
        """Percent, held within the stretch."""
        return round(100 * min(max((at - self.begin) / self.length, 0.0), 1.0), 3)

    def ticks(self) -> list[Tick]:
        step = next((step for length, step in STEPS if self.length <= length), 30 * DAY)
        words = "%H:%M" if step < DAY else "%a %d %b"
        found, at = [], self._first(step)
        while at <= self.end:
            if self.x(at) <= 97:  # a word at the edge would be cut
                found.append(Tick(self.x(at), at.astimezone(self.zone).strftime(words)))
            at = self._after(at, step)
        return found

    def _first(self, step: timedelta) -> datetime:
        local = self.begin.astimezone(self.zone)
        if step >= DAY:
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            return midnight if midnight >= local else (midnight + DAY).astimezone(self.zone)
        seconds = step.total_seconds()
        into = local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
        return (self.begin + timedelta(seconds=-into % seconds)).astimezone(UTC)

    def _after(self, at: datetime, step: timedelta) -> datetime:
        # Days are days of the zone, also where one has 23 hours; hours are hours.
        return at + step if step < DAY else (at.astimezone(self.zone) + step)
