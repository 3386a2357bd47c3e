"""What routes take from queries and headers, checked, with the name of what is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from litestar.params import HeaderParameter, QueryParameter

from pgcron_py.errors import InvalidArguments, UnknownTimeZone
from pgcron_py.timetable import load_zone

FIRST, LAST = datetime(1900, 1, 2, tzinfo=UTC), datetime(8999, 12, 31, tzinfo=UTC)
VERSION = re.compile(r'(?:W/)?"(\d{1,9})"|(\d{1,9})')
WINDOW = re.compile(r"(\d{1,5})([hd])")
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$"
WINDOW_MOST = timedelta(days=3650)

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The version that is to be changed: the `ETag` that was read.", max_length=50, schema_extra={"pattern": r'^(\*|(W/)?"[0-9]{1,9}"|[0-9]{1,9})$'},),
]  # fmt: skip
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key", max_length=200, min_length=1, pattern=r"^[\x21-\x7e]+$",
        description="Any word: the same key with the same request is done once, and answered alike, for a day.",
    ),
]  # fmt: skip
Reason = Annotated[str, msgspec.Meta(max_length=1000, description="Why, for the audit.", examples=["stocktaking"])]


def words(description: str, *, name: str | None = None, most: int = 200, pattern: str | None = None) -> QueryParameter:
    """A parameter that is a text."""
    # The pattern is for the document: what breaks it is told in our words.
    extra = None if pattern is None else {"pattern": pattern}
    return QueryParameter(name=name, description=description, max_length=most, schema_extra=extra)


def instant(description: str, name: str) -> QueryParameter:
    """A parameter for `instant_of`."""
    return words(
        f"{description} An instant of ISO 8601; without a zone it is UTC.", name=name, most=40, pattern=INSTANT
    )


def instant_of(text: str | None, field: str) -> datetime | None:
    """Raises InvalidArguments."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        aware = None
    if aware is None or not FIRST <= aware <= LAST:
        raise InvalidArguments(
            f"{field}: {text[:40]!r} is no instant", hint="write it as 2026-03-01T12:00:00Z, or 2026-03-01", field=field
        )
    return aware


def checked_instant(value: datetime | None, field: str) -> datetime | None:
    """Of a body: as `instant_of`."""
    return None if value is None else instant_of(value.isoformat(), field)


def version_of(if_match: str | None, in_body: int | None = None) -> int | None:
    """The version that a change is based on, as header and body say it. Raises InvalidArguments when they differ, or can't be read."""
    if if_match is None or if_match.strip() == "*":
        return in_body
    match = VERSION.fullmatch(if_match.strip())
    if match is None:
        raise InvalidArguments(
            f"If-Match: {if_match[:50]!r} is no version", hint='send the ETag that was read, such as "7"', field="If-Match"
        )  # fmt: skip
    version = int(match[1] or match[2])
    if in_body is not None and in_body != version:
        raise InvalidArguments(
            f"version: the body says {in_body}, If-Match says {version}", hint="send one of them", field="version"
        )
    return version


def window_of(text: str) -> timedelta:
    """`24h`, `30d`. Raises InvalidArguments."""
    match = WINDOW.fullmatch(text)
    window = timedelta() if match is None else timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])})
    if not timedelta() < window <= WINDOW_MOST:
        raise InvalidArguments(
            f"window: {text[:20]!r} is none",
            hint="write hours or days, at most ten years: 24h, 7d, 90d",
            field="window",
        )
    return window


def checked_zone(name: str, field: str) -> str:
    """An IANA name. Raises InvalidArguments."""
    try:
        load_zone(name)
    except UnknownTimeZone as error:
        raise InvalidArguments(f"{field}: {error}", hint=error.hint, field=field) from error
    return name
