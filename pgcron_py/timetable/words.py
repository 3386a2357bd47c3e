"""English for the parts of a schedule that cron-descriptor gets wrong: intervals, and days beyond one plain field."""

from __future__ import annotations

from collections.abc import Sequence

from pgcron_py.timetable.model import Field

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))


def interval(seconds: int) -> str:
    """`every hour`, `every 90 seconds` as `every 1 minute 30 seconds`."""
    parts: list[str] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return f"every {' '.join(parts).removeprefix('1 ') if len(parts) == 1 else ' '.join(parts)}"


def days(dom: Field, dow: Field) -> str:
    """Both day fields, joined as the day rule joins them; "" when every day is meant."""
    if not dow.restricted:
        return _dates(dom) if dom.restricted else ""
    if not dom.restricted:
        return _weekdays(dow, "and", "on every")
    if dom.star or dow.star:
        return f"{_dates(dom)}, but only if it is a {_weekdays(dow, 'or', '').strip()}"
    return f"{_dates(dom)}, and also {_weekdays(dow, 'and', 'on every')}"


def _dates(dom: Field) -> str:
    dates = [f"day{'s' if len(dom.values) > 1 else ''} {listed([*map(str, dom.values)])}"] if dom.values else []
    return f"on {listed([*dates, *map(_special_date, dom.specials)])} of the month"


def _special_date(special: str) -> str:
    if special == "L":
        return "the last day"
    return "the last weekday" if special == "LW" else f"the weekday nearest day {special[:-1]}"


def _weekdays(dow: Field, last: str, every: str) -> str:
    plain = [f"{every} {listed([_WEEKDAYS[value] for value in dow.values], last)}"] if dow.values else []
    special = [_special_weekday(special) for special in dow.specials]
    return listed([*plain, *([f"on the {listed(special)} of the month"] if special else [])])


def _special_weekday(special: str) -> str:
    order = "last" if special.endswith("L") else _ORDINALS[int(special[-1]) - 1]
    return f"{order} {_WEEKDAYS[int(special[0])]}"


def listed(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
