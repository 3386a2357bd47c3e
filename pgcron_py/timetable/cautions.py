"""Warnings: what a schedule does that its author may not expect. Shown on save, in the admin, the CLI and the API."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from pgcron_py.timetable import words
from pgcron_py.timetable.fields import LAYOUTS, FieldName, compact
from pgcron_py.timetable.model import Field, Kind, Timetable
from pgcron_py.timetable.plan import CalendarPlan
from pgcron_py.timetable.zones import Change, changes_between

HORIZON = timedelta(days=400)
_FAR_HORIZON = timedelta(days=12 * 366)  # in which a date meets each weekday, and so each rule for a zone change
_YEAR = timedelta(days=366)
# What a step must divide to be even across the field's end; months have no one length.
_CYCLES = {
    FieldName.SECOND: 60,
    FieldName.MINUTE: 60,
    FieldName.HOUR: 24,
    FieldName.MONTH: 12,
    FieldName.DAY_OF_WEEK: 7,
    FieldName.DAY_OF_MONTH: None,
}


@dataclass(frozen=True, slots=True)
class Warning:
    """code: a stable word for programs. at: the instant it is about, UTC. strong: a run that people count on is lost. field,
    column: the field it is about, and where that stands in the text, from 1.

    The codes are listed in docs/schedules.md.
    """

    code: str
    message: str
    at: datetime | None = None
    strong: bool = False
    field: FieldName | None = None
    column: int | None = None

    def beside(self, field: Field | None) -> Warning:
        """The same, with this field's place."""
        return self if field is None else replace(self, field=field.name, column=field.column)


def about_text(timetable: Timetable) -> Iterator[Warning]:
    """What the text alone tells."""
    if timetable.sub_minute:
        yield Warning("sub_minute", "runs more than once a minute").beside(timetable.field(FieldName.SECOND))
    if len(timetable.fields) > 5:
        order = " ".join(spec.name.words for spec in LAYOUTS[len(timetable.fields)])
        yield Warning("field_order", f"{len(timetable.fields)} fields are read as: {order}")
    if timetable.fields:
        yield from _about_days(timetable)
    for field in timetable.fields:
        yield from _about_steps(field)


def _about_days(timetable: Timetable) -> Iterator[Warning]:
    fields = {field.name: field for field in timetable.fields}
    dom, month, dow = (fields[n] for n in (FieldName.DAY_OF_MONTH, FieldName.MONTH, FieldName.DAY_OF_WEEK))
    if dom.restricted and dow.restricted:
        yield Warning("both_days", f"both day fields are restricted: runs {words.days(dom, dow)}").beside(dom)
    if missing := _missing_days(dom, month):
        yield Warning(
            "short_months", f"skips months that have no day {missing}; L is the last day of every month"
        ).beside(dom)
    if any(special.endswith("#5") for special in dow.specials):
        yield Warning(
            "fifth_weekday", "#5 skips months in which that weekday comes four times; 5L is the last one"
        ).beside(dow)


def _missing_days(dom: Field, month: Field) -> str:
    if dom.star:
        return ""
    nearest = [int(s[:-1]) for s in dom.specials if s[:-1].isdigit()]
    shortest = min(28 if m == 2 else calendar.monthrange(2001, m)[1] for m in month.values)
    return compact(tuple(day for day in (*dom.values, *nearest) if day > shortest))


def _about_steps(field: Field) -> Iterator[Warning]:
    cycle = _CYCLES.get(field.name, 0)
    for step in field.steps:
        if cycle is None:
            yield Warning("uneven_step", f"*/{step} in {field.name.words} starts anew on day 1 of each month").beside(
                field
            )
        elif cycle % step:
            yield Warning(
                "uneven_step", f"*/{step} in {field.name.words} is uneven: {step} does not divide {cycle}"
            ).beside(field)


def about_runs(timetable: Timetable, after: datetime, runs: tuple[datetime, ...]) -> Iterator[Warning]:
    """What the next runs tell."""
    if timetable.kind is Kind.REBOOT:
        return
    if not runs:
        yield Warning("no_more_runs", "has no run any more: its years are past", strong=True)
    elif runs[0] - after > _YEAR:
        yield Warning("far_away", f"the next run is more than a year away: {runs[0]:%Y-%m-%d}", at=runs[0])


def about_changes(timetable: Timetable, plan: CalendarPlan, after: datetime) -> Iterator[Warning]:
    """What the zone's changes do to it: for 400 days, and for years when a month's only run is lost."""
    told: set[str] = set()
    for change in changes_between(after, after + _FAR_HORIZON, plan.zone):
        near = change.at <= after + HORIZON
        warning = (
            _about_gap(timetable, plan, change, near) if change.is_gap else _about_fold(timetable, plan, change, near)
        )
        if warning and (near or warning.code not in told):
            told.add(warning.code)
            yield warning


def _about_gap(timetable: Timetable, plan: CalendarPlan, gap: Change, near: bool) -> Warning | None:
    if not plan.walls.any_in(gap.start, gap.end):
        return None
    if not plan.policy.run_after and (period := _only_period(plan, gap)):
        message = f"clocks skip {_span(gap)}: the only run of {period} is lost"
        return Warning("only_run_swallowed", message, at=gap.at, strong=True)
    if not near or _ticks_on(timetable, plan):
        return None
    what = f"runs once, at {gap.end:%H:%M}" if plan.policy.run_after else "those runs are skipped"
    return Warning("dst_gap", f"clocks skip {_span(gap)}: {what}", at=gap.at)


def _about_fold(timetable: Timetable, plan: CalendarPlan, fold: Change, near: bool) -> Warning | None:
    if not near or not plan.walls.any_in(fold.start, fold.end) or _ticks_on(timetable, plan):
        return None
    both = plan.policy.first and plan.policy.second
    what = "runs in both passes" if both else f"runs in the {'first' if plan.policy.first else 'second'} pass only"
    return Warning("dst_fold", f"clocks repeat {_span(fold)}: {what}", at=fold.at)


def _ticks_on(timetable: Timetable, plan: CalendarPlan) -> bool:
    """A job of every hour that goes by the wall clock crosses a change without a hitch: nothing to tell."""
    hour = timetable.field(FieldName.HOUR)
    by_the_clock = not plan.policy.run_after and plan.policy.first and plan.policy.second
    return by_the_clock and hour is not None and len(hour.values) == 24


def _only_period(plan: CalendarPlan, gap: Change) -> str | None:
    """`the year 2033` or `March 2033` when all its readings lie in this gap."""
    midnight = datetime.combine(gap.start, time())
    year, month = midnight.replace(month=1, day=1), midnight.replace(day=1)
    periods = (
        (year, year.replace(year=year.year + 1), f"the year {year.year}"),
        (month, (month + timedelta(days=31)).replace(day=1), f"{calendar.month_name[month.month]} {year.year}"),
    )
    for start, end, named in periods:
        if not plan.walls.any_in(start, gap.start) and not plan.walls.any_in(gap.end, end):
            return named
    return None


def _span(change: Change) -> str:
    start, end = change.start, change.end
    if start.date() == end.date():
        return f"{start:%H:%M}-{end:%H:%M} on {start:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
