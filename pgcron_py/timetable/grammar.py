"""From text to Timetable: aliases, `@every`, `N seconds`, `@reboot`, and cron texts of 5, 6 or 7 fields."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import duration
from pgcron_py.timetable.days import days_of
from pgcron_py.timetable.fields import DAY_OF_MONTH, DAY_OF_WEEK, LAYOUTS, FieldName, FieldSpec, compact, refusal
from pgcron_py.timetable.items import Item, ItemReader
from pgcron_py.timetable.model import Field, Kind, Timetable

MAX_CHARACTERS = 256
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_BLANKS = " \t"
_WORD = re.compile(r"[^ \t]+")
_ZONE_PREFIX = re.compile(r"(CRON_)?TZ=", re.IGNORECASE)
# The never-fires check needs a start that is no clock: a leap day of each weekday lies in the 28 years after 2000.
_FIRST_DAY = date(2000, 1, 1)
_FIRST_YEAR = date(1970, 1, 1)


def parse(text: str, *, name: str = "") -> Timetable:
    """Read a schedule; `name` is the job's name, which seeds `H`.

    Raises InvalidSchedule (code, field, column, message, hint). Cached: the same text and name give the same object.
    """
    if len(text) > MAX_CHARACTERS:
        message = f"a schedule has at most {MAX_CHARACTERS} characters"
        hint = "write ranges and steps in place of long lists"
        raise refusal("too_long", message, column=MAX_CHARACTERS + 1, hint=hint)
    return _parse(text, name if "h" in text.lower() else "")


@lru_cache(maxsize=4096)
def _parse(text: str, name: str) -> Timetable:
    _check_characters(text)
    body = text.strip(_BLANKS)
    column = 1 + len(text) - len(text.lstrip(_BLANKS))
    if not body:
        raise refusal("empty", "the schedule is empty", column=1, hint="write five fields, such as 0 3 * * *")
    if body.startswith("@"):
        return _keyword(text, body, column)
    if seconds := duration.counted_seconds(body, column):
        return _interval(text, seconds)
    if _ZONE_PREFIX.match(body):
        raise refusal(
            "time_zone_prefix", "a zone is no part of the text", column=column, hint="set the job's time zone"
        )
    return _cron(text, text, name)


def _check_characters(text: str) -> None:
    for column, character in enumerate(text, 1):
        if (character < " " and character != "\t") or character == "\x7f":
            raise refusal("control_character", f"control character {character!r}", column=column, hint="remove it")
        if character > "~" and character != "µ":
            raise refusal(
                "not_ascii", f"character U+{ord(character):04X} is not ASCII", column=column, hint="retype it"
            )


def _keyword(text: str, body: str, column: int) -> Timetable:
    word = body.split(None, 1)[0].lower()
    if word == "@every":
        argument = body[len(word) :].lstrip(_BLANKS)
        return _interval(text, duration.every_seconds(argument, column + len(body) - len(argument)))
    if body.lower() == "@reboot":
        return Timetable(text, "@reboot", Kind.REBOOT)
    if body.lower() in ALIASES:
        return _cron(text, ALIASES[body.lower()], "")
    known = ", ".join([*ALIASES, "@reboot", "@every 5m"])
    raise refusal("unknown_alias", f"unknown alias {body!r}", column=column, hint=f"known: {known}")


def _interval(text: str, seconds: int) -> Timetable:
    return Timetable(text, f"@every {duration.spelled(seconds)}", Kind.INTERVAL, interval_seconds=seconds)


def _cron(text: str, source: str, name: str) -> Timetable:
    words = list(_WORD.finditer(source))
    if len(words) not in LAYOUTS:
        raise _wrong_count(source, words)
    specs = LAYOUTS[len(words)]
    fields = tuple(_field(spec, word[0], word.start() + 1, name) for spec, word in zip(specs, words, strict=True))
    by_name = {field.name: field for field in fields}
    _check_lone_specials(by_name[FieldName.DAY_OF_MONTH], by_name[FieldName.DAY_OF_WEEK])
    timetable = Timetable(text, " ".join(field.text for field in fields), Kind.CRON, fields)
    _check_fires(timetable, by_name[FieldName.DAY_OF_MONTH])
    return timetable


def _wrong_count(source: str, words: list[re.Match[str]]) -> InvalidSchedule:
    column = words[7].start() + 1 if len(words) > 7 else words[-1].end() + 1
    hint = "5: minute hour day-of-month month day-of-week; 6: second first; 7: second first and year last"
    message = f"{len(words)} field{'s' if len(words) > 1 else ''}, but a cron text has 5, 6 or 7"
    return refusal("field_count", message, column=min(column, len(source) + 1), hint=hint)


def _field(spec: FieldSpec, word: str, column: int, name: str) -> Field:
    if word == "?" and spec.is_day:
        word = "*"
    items: list[Item] = []
    at = column
    for part in word.split(","):
        if not part:
            raise refusal("syntax", "an empty list item", column=at, spec=spec, hint="remove the extra comma")
        items.append(ItemReader(spec, part, at, name).read())
        at += len(part) + 1
    _check_lone_nearest(spec, items, column)
    return _assembled(spec, items, column)


def _assembled(spec: FieldSpec, items: list[Item], column: int) -> Field:
    values = tuple(sorted(frozenset().union(*(item.values for item in items))))
    specials = tuple(sorted({item.special for item in items if item.special}))
    whole = any(item.star and item.step == 1 for item in items)
    star = whole or items[0].star
    everything = star and len(values) == spec.last - spec.low + 1
    return Field(
        name=spec.name,
        text="*" if everything else _canonical(items[0], values, specials),
        values=values,
        star=star,
        specials=() if everything else specials,
        steps=() if everything else tuple(item.step for item in items if item.step > 1),
        hashed=any(item.hashed for item in items),
        column=column,
    )


def _canonical(first: Item, values: tuple[int, ...], specials: tuple[str, ...]) -> str:
    head = [f"*/{first.step}"] if first.star else []
    rest = tuple(value for value in values if not first.star or value not in first.values)
    return ",".join([*head, *([compact(rest)] if rest else []), *specials])


def _check_lone_nearest(spec: FieldSpec, items: list[Item], column: int) -> None:
    if spec is DAY_OF_MONTH and len(items) > 1 and any(item.special.endswith("W") for item in items):
        raise refusal(
            "w_in_list", "W stands alone in its field", column=column, spec=spec, hint="make it a job of its own"
        )


def _check_lone_specials(dom: Field, dow: Field) -> None:
    """`W`, `#` and `nL` say which day by themselves; beside another restricted day field croniter would intersect."""
    nearest = any(special.endswith("W") for special in dom.specials)
    if nearest and dow.restricted:
        raise _lone(dom, DAY_OF_MONTH, "W", "day-of-week")
    if dow.specials and dom.restricted:
        raise _lone(dow, DAY_OF_WEEK, "# and nL", "day-of-month")


def _lone(field: Field, spec: FieldSpec, what: str, other: str) -> InvalidSchedule:
    return refusal(
        "beside_restricted_day",
        f"{what} cannot stand beside a restricted {other}",
        column=field.column,
        spec=spec,
        hint=f"write * in {other}, or make two jobs",
    )


def _check_fires(timetable: Timetable, dom: Field) -> None:
    start = _FIRST_YEAR if len(timetable.fields) == 7 else _FIRST_DAY
    if days_of(timetable).on_or_after(start) is None:
        raise refusal(
            "never_fires",
            "this schedule can never fire: no such day exists",
            column=dom.column,
            spec=DAY_OF_MONTH,
            hint="for the last day of the month write L",
        )
