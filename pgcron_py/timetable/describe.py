"""A schedule in words: one sentence, what to beware of, and the next five runs.

cron-descriptor writes the time of day and the simple dates, from our canonical text only; it is imported at the first
use, because the worker never describes anything. The rest (day rule, specials, intervals, `H`, zone) is in our words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from pgcron_py.timetable import cautions, words
from pgcron_py.timetable.cautions import Warning
from pgcron_py.timetable.fields import FieldName, compact
from pgcron_py.timetable.grammar import parse
from pgcron_py.timetable.model import Field, Kind, Timetable
from pgcron_py.timetable.plan import EPOCH, CalendarPlan, DstFold, DstGap
from pgcron_py.timetable.runs import following

_NEXT = 5


@dataclass(frozen=True, slots=True)
class Description:
    """sentence: one English sentence. next_runs: up to five instants, aware, UTC, strictly after the given one."""

    sentence: str
    warnings: tuple[Warning, ...]
    next_runs: tuple[datetime, ...]


def describe(
    text: str,
    tz: str,
    after: datetime,
    *,
    name: str = "",
    anchor: datetime | None = None,
    dst_gap: DstGap | None = None,
    dst_fold: DstFold | None = None,
) -> Description:
    """Explain a schedule as seen from `after`. Arguments and errors as for `next_runs`."""
    timetable = parse(text, name=name)
    plan = timetable.plan(tz, anchor=anchor, dst_gap=dst_gap, dst_fold=dst_fold)
    runs = tuple(following(plan, after, _NEXT))
    warnings = [*cautions.about_text(timetable), *cautions.about_runs(timetable, after, runs)]
    if isinstance(plan, CalendarPlan):
        warnings += cautions.about_changes(timetable, plan, after)
    return Description(_sentence(timetable, tz, anchor), tuple(warnings), runs)


def sentence(text: str, tz: str, *, name: str = "", anchor: datetime | None = None) -> str:
    """Only the words of `describe`, which cost a small part of it. Raises InvalidSchedule."""
    return _sentence(parse(text, name=name), tz, anchor)


def _sentence(timetable: Timetable, tz: str, anchor: datetime | None) -> str:
    match timetable.kind:
        case Kind.REBOOT:
            return "Once when the first worker starts while no other worker is alive"
        case Kind.INTERVAL:
            start = (anchor or EPOCH).astimezone(UTC).isoformat(timespec="seconds")
            every = words.interval(timetable.interval_seconds or 0)
            return f"{every.capitalize()}, counted from {start}, whatever clocks do"
        case Kind.CRON:
            hashed = "; H was chosen from the job's name" if timetable.hashed else ""
            return f"{_cron_words(timetable)}, {tz} time{hashed}"
        case unreachable:
            assert_never(unreachable)


def _cron_words(timetable: Timetable) -> str:
    fields = {field.name: field for field in timetable.fields}
    dom, dow = fields[FieldName.DAY_OF_MONTH], fields[FieldName.DAY_OF_WEEK]
    ours = (dom.restricted and dow.restricted) or dom.specials or dow.specials
    described = _described(" ".join(_plain(field, ours=field.is_day and bool(ours)) for field in timetable.fields))
    return f"{described}, {words.days(dom, dow)}" if ours else described


def _plain(field: Field, ours: bool) -> str:
    """A field as cron-descriptor reads it rightly: `*/5,3` as a list, and nothing where the words are ours."""
    if ours:
        return "*"
    return compact(field.values) if field.star and "," in field.text else field.text


def _described(text: str) -> str:
    # cron-descriptor ships no types
    from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = "en_US"
    try:
        return str(ExpressionDescriptor(text, options).get_description())
    except Exception:  # whatever a describer trips over: the text itself is a fair description
        return f"At {text}"
