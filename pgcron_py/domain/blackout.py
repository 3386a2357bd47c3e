"""Windows in which a job does not start. Pure.

`skip`: an occurrence in the window, or one that would start in it, is a miss. `delay`: it starts when the window ends.
What a person asks for by hand starts anyway; retries, buffered occurrences and backfills wait for the end of either kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgcron_py.domain.words import JobId
from pgcron_py.timetable import parse

CHAINED_MOST = 1_000  # windows that run into one another and count as one


@dataclass(frozen=True, slots=True)
class Blackout:
    """Once from starts_at to ends_at, or for `duration` whenever `schedule` fires in `timezone`. For a job, a tag, or all."""

    name: str
    action: str
    job_id: JobId | None = None
    tag: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    duration: timedelta | None = None

    def concerns(self, job_id: JobId, tags: Iterable[str]) -> bool:
        if self.job_id is not None:
            return self.job_id == job_id
        return self.tag is None or self.tag in tags

    def end_at(self, instant: datetime) -> datetime | None:
        """The end of the window that holds this instant; None outside. Raises InvalidSchedule, UnknownTimeZone."""
        if self.schedule is None or self.duration is None:
            is_on = self.starts_at is not None and self.ends_at is not None and self.starts_at <= instant < self.ends_at
            return self.ends_at if is_on else None
        plan = parse(self.schedule, name=self.name).plan(self.timezone)
        begin = plan.latest_before(instant - self.duration, instant)
        if begin is None or instant >= begin + self.duration:
            return None
        end = begin + self.duration
        for _ in range(CHAINED_MOST):
            following = plan.latest_before(begin, end)
            if following is None:
                break
            begin, end = following, following + self.duration
        return end


def end_of(blackouts: Iterable[Blackout], instant: datetime, action: str | None = None) -> datetime | None:
    """When the last of the windows ends that hold this instant, of one action or of both; None outside."""
    ends = [it.end_at(instant) for it in blackouts if action in (None, it.action)]
    return max((end for end in ends if end is not None), default=None)
