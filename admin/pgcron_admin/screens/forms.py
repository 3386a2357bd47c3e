"""Forms of pages: their fields as bodies of the API, and what was refused beside the field that it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body

from pgcron_admin.parameters import checked_zone, instant_of
from pgcron_admin.wire import Body as WireBody
from pgcron_admin.wire import camel
from pgcron_py.errors import InvalidArguments, InvalidSchedule, PgCronError, UnknownTimeZone

B = TypeVar("B", bound=WireBody)
ManyForm = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]

TEXT_MOST = 5000
UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"(?:\s*(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|min|m|h|d))")
PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.(?P<field>[A-Za-z_]+)[^`]*`)?$", re.DOTALL)
# What msgspec says of a field, in words for who typed it.
RULES = (
    (re.compile(r"Expected `str` of length >= 1\b"), "this can't be left empty", "fill it in"),
    (re.compile(r"Expected `str` of length >= (\d+)"), r"this has fewer than \1 characters", "write more"),
    (re.compile(r"Expected `str` of length <= (\d+)"), r"this has more than \1 characters", "write less"),
    (re.compile(r"Expected `array` of length >= 1\b"), "nothing is chosen", "choose at least one"),
    (re.compile(r"Expected `(?:int|float)` >= ([\d.]+)"), r"this is less than \1", r"write \1 or more"),
    (re.compile(r"Expected `(?:int|float)` <= ([\d.]+)"), r"this is more than \1", r"write \1 or less"),
    (re.compile(r"Expected `(?:int|float)[^`]*`"), "this is no number", "write digits"),
    (re.compile(r"Invalid enum value '([^']*)'"), r"'\1' is none of them", "choose one of the list"),
    (re.compile(r"Expected `str` matching regex"), "this has characters that are not allowed", "leave out control characters and outer spaces"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form says. fields: those that can show what was refused of them; other refusals stand above the form."""

    values: Mapping[str, Any] = field(default_factory=dict)
    refused: PgCronError | None = None
    fields: tuple[str, ...] = ()

    def value(self, name: str, otherwise: object = "") -> str:
        said = self.values.get(name, otherwise)
        return "" if said is None else str(said)

    def chosen(self, name: str) -> list[str]:
        return texts(self.values, name)

    def error(self, name: str) -> PgCronError | None:
        return self.refused if self._field == name else None

    @property
    def general(self) -> PgCronError | None:
        return None if self._field in self.fields else self.refused

    @property
    def _field(self) -> str | None:
        if isinstance(self.refused, InvalidSchedule | UnknownTimeZone):  # their own fields are parts of a schedule
            return "schedule" if isinstance(self.refused, InvalidSchedule) else "timezone"
        found = getattr(self.refused, "field", None)
        return camel(found) if isinstance(found, str) else None


def text(data: Mapping[str, Any], name: str) -> str:
    """What one field says, without outer spaces; '' when it isn't there."""
    said = data.get(name, "")
    return str(said[-1] if isinstance(said, list) and said else said or "").strip()[:TEXT_MOST]


def texts(data: Mapping[str, Any], name: str) -> list[str]:
    """What all fields of a name say: of check boxes."""
    said = data.get(name)
    found = said if isinstance(said, list) else [] if said is None else [said]
    return [str(value)[:TEXT_MOST] for value in found if value not in ("", None)]


def words(data: Mapping[str, Any], name: str) -> list[str] | None:
    """A list that was typed with commas between; None for none."""
    return [part.strip() for part in text(data, name).split(",") if part.strip()] or None


def reason(data: Mapping[str, Any]) -> str | None:
    return text(data, "reason")[:1000] or None


def body_of(kind: type[B], fields: Mapping[str, object]) -> B:
    """A body of the API from what a form says: checked as one that came over the API. Raises InvalidArguments."""
    try:
        return msgspec.convert(dict(fields), kind, strict=False)
    except msgspec.ValidationError as error:
        match = PLACE.match(str(error))
        what, name = (match["what"], match["field"]) if match else (str(error), None)
        for rule, message, hint in RULES:
            if (found := rule.match(what)) is not None:
                raise InvalidArguments(found.expand(message), hint=found.expand(hint), field=name) from None
        raise InvalidArguments(what, hint="write it as the example shows", field=name) from None


async def as_the_api(route: HTTPRouteHandler, /, **arguments: Any) -> Any:
    """What a route of the API does: with its checks, its function of the database, its entry in the audit."""
    return await route.fn(**arguments)


def milliseconds(data: Mapping[str, Any], name: str) -> int | None:
    """`90 s`, `15m`, `1h 30m`, `2d`; None for an empty field. Raises InvalidArguments."""
    said = text(data, name)
    if not said:
        return None
    parts = DURATION.findall(said)
    if not parts or DURATION.sub("", said).strip():
        raise InvalidArguments(
            f"{said[:40]!r} is no duration", hint="write 90s, 15m, 1h 30m or 2d", field=name
        )  # fmt: skip
    return round(sum(float(number) * UNITS_MS[unit] for number, unit in parts))


def as_duration(ms: int | None) -> str:
    """As `milliseconds` reads it, exactly; '' for none."""
    left, parts = ms or 0, list[str]()
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)


def local_instant(data: Mapping[str, Any], name: str, zone: str) -> datetime | None:
    """What a field of date and time says, in a zone; None for an empty one. Raises InvalidArguments."""
    said = text(data, name)
    if not said:
        return None
    try:
        local = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidArguments(
            f"{said[:40]!r} is no date and time", hint="write it as 2026-12-24 18:00", field=name
        ) from None
    aware = local.replace(tzinfo=ZoneInfo(checked_zone(zone, "timezone"))) if local.tzinfo is None else local
    return instant_of(aware.isoformat(), name)
