"""On which days a timetable fires. croniter answers for the calendar; weeks are arithmetic.

croniter never sees a zone, an alias, a range or a user's text: only `0 0 <days> <months> <weekdays>` (with a second and
a year for 7 fields), every number written out, a leading `*` kept for the day rule. Its objects hold a cursor, so each
thread has its own. It is imported at the first calendar question: daily and weekly jobs never pay its 3 MB.
"""

from __future__ import annotations

import calendar
import threading
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from pgcron_py.errors import ScheduleEngineError
from pgcron_py.timetable.fields import FieldName
from pgcron_py.timetable.model import Field, Timetable

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_LONG_MONTHS = (1, 3, 5, 7, 8, 10, 12)
_NOT_FEBRUARY = (1, *range(3, 13))
_FIRST_DATED_DAY = date(1970, 1, 1)  # years are 1970-2099: from earlier days croniter would give up on the last of them
_END_YEAR = 9000  # the database keeps no later instant


@dataclass(frozen=True, slots=True)
class Days:
    """The date part of a timetable.

    engine_text: what croniter gets; "" when no such month exists. weekdays: when only they restrict; Sunday = 0.
    needs_day: the n of `nW`: croniter would clamp it in shorter months, we skip them.
    """

    engine_text: str
    weekdays: frozenset[int] | None = None
    needs_day: int = 1

    def on_or_after(self, day: date) -> date | None:
        """The first such day from `day` on, or None when there is no more."""
        if self.weekdays is not None:
            return _weekday_from(self.weekdays, day)
        if not self.engine_text:
            return None
        found = _engines.of(self.engine_text).on_or_after(day)
        while found and calendar.monthrange(found.year, found.month)[1] < self.needs_day:
            found = _engines.of(self.engine_text).on_or_after(found + _DAY)
        return found


def _weekday_from(weekdays: frozenset[int], day: date) -> date:
    weekday = day.isoweekday() % 7
    return day if weekday in weekdays else day + timedelta(days=min((w - weekday) % 7 for w in weekdays))


@lru_cache(maxsize=4096)
def days_of(timetable: Timetable) -> Days:
    """The Days of a cron timetable."""
    fields = {field.name: field for field in timetable.fields}
    dom, month, dow = (fields[n] for n in (FieldName.DAY_OF_MONTH, FieldName.MONTH, FieldName.DAY_OF_WEEK))
    year = fields.get(FieldName.YEAR)
    dated = year is not None and year.restricted
    if not (dated or dom.restricted or month.restricted or dow.specials):
        return Days("", weekdays=frozenset(dow.values))
    nearest = _nearest(dom)
    months = _months(month, nearest)
    parts = ["0", "0", _dom_text(dom), months, _dow_text(dow)]
    if year is not None and dated:
        parts = ["0", *parts, _numbers(year.values)]
    return Days(" ".join(parts) if months else "", needs_day=nearest)


def _nearest(dom: Field) -> int:
    number = "".join(dom.specials).removesuffix("W")
    return int(number) if number.isdigit() else 1


def _months(month: Field, nearest: int) -> str:
    allowed = {30: _NOT_FEBRUARY, 31: _LONG_MONTHS}.get(nearest)
    if allowed is None:
        return _numbers(month.values) if month.restricted else "*"
    return _numbers(tuple(value for value in month.values if value in allowed))


def _dom_text(dom: Field) -> str:
    if dom.specials == ("LW",):
        return "31w"  # here, and only here, croniter's clamp to the month's last day is right
    if dom.star:
        return ",".join([dom.text.replace(",L", ""), *(["l"] if dom.specials else [])])
    return ",".join([*map(str, dom.values), *(special.lower() for special in dom.specials)])


def _dow_text(dow: Field) -> str:
    if not dow.specials:
        return dow.text if dow.star else _numbers(dow.values)
    every = [f"{value}#{nth}" for value in dow.values for nth in range(1, 6)]  # croniter refuses `3,1#2`
    return ",".join([*every, *(f"l{s[0]}" if s.endswith("L") else s for s in dow.specials)])


def _numbers(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))


class _Engine:
    """One croniter, and the last few stretches it answered for: from `start` on, the first day is `found`."""

    def __init__(self, text: str) -> None:
        from croniter import croniter  # type: ignore[import-untyped]  # croniter ships no types

        self._text = text
        self._dated = text.count(" ") == 6
        self._spans: deque[tuple[date, date]] = deque(maxlen=8)
        self._croniter = croniter(
            text,
            0.0,
            datetime,
            second_at_beginning=True,
            implement_cron_bug=True,
            max_years_between_matches=130 if self._dated else 50,
        )

    def on_or_after(self, day: date) -> date | None:
        for start, found in self._spans:
            if start <= day <= found:
                return found
        answer = self._ask(day)
        if answer is not None:
            self._spans.appendleft((day, answer))
        return answer

    def _ask(self, day: date) -> date | None:
        from croniter import CroniterBadDateError

        if day.year >= _END_YEAR:
            return None
        try:
            start = max(day, _FIRST_DATED_DAY) if self._dated else day
            self._croniter.set_current(datetime.combine(start, time()) - _SECOND)
            answer: datetime = self._croniter.get_next(datetime)
        except CroniterBadDateError:
            return None
        except Exception as error:
            raise ScheduleEngineError(f"croniter failed on {self._text!r} from {day}: {error!r}") from error
        return answer.date()


def _build(text: str) -> _Engine:
    try:
        return _Engine(text)
    except Exception as error:
        raise ScheduleEngineError(f"croniter refused {text!r}: {error!r}") from error


class _Engines(threading.local):
    """The engines of this thread."""

    def __init__(self) -> None:
        self.of = lru_cache(maxsize=512)(_build)


_engines = _Engines()
