"""Options and kinds of values that several commands share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from pgcron_py.app.session import Connection

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # no generic before click 8.5

F = TypeVar("F", bound=Callable[..., Any])

AGO = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)")
FIRST_YEAR, END_YEAR = 1901, 8999
TIME_HINT = "write 2026-03-29, 2026-03-29T02:30, 2026-03-29T02:30+01:00, now, or 2h for two hours ago"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NONE_WORDS = ("none", "never")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; times are ISO 8601 in UTC.")
reason_option = click.option("--reason", metavar="TEXT", help="Why; kept in the audit.")
database_option = click.option(
    "--database-url", metavar="URL", envvar="PGCRON_DATABASE_URL",
    help="Where schema pgcron lives [env: PGCRON_DATABASE_URL].",
)  # fmt: skip


def required_url(url: str | None) -> str:
    if not url:
        raise InvalidArguments("no database is given", hint="give --database-url URL or set PGCRON_DATABASE_URL")
    return url


@contextmanager
def database(url: str | None) -> Iterator[Connection]:
    """A session with the database of --database-url."""
    from pgcron_py.app.fleet import paused_by
    from pgcron_py.app.session import session

    with session(required_url(url)) as connection:
        if paused := paused_by(connection):
            click.echo(f"Warning: the fleet is paused by {paused}; `pgcron resume` ends that", err=True)
        yield connection


class JsonObject(ParamType):
    """A JSON object, as a dict."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        try:
            found = json.loads(value)
        except ValueError as error:
            self.fail(f"it is no JSON: {error}; write an object such as '{{\"days\": 7}}'", param, ctx)
        if not isinstance(found, dict):
            self.fail(f"it is no JSON object: write something like '{{\"days\": 7}}', not {value}", param, ctx)
        return found


class Milliseconds(ParamType):
    """Seconds as people write them (`30`, `1.5`), as whole ms; optional: `none` is None."""

    name = "seconds"

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value).strip().lower()
        if self.optional and text in NONE_WORDS:
            return NOTHING
        if not re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text):
            self.fail(f"{value!r} is no number of seconds such as 30 or 1.5{' nor none' * self.optional}", param, ctx)
        whole, _, part = text.partition(".")
        return int(whole) * 1000 + int(part.ljust(3, "0") if part else 0)


class CountOrNever(ParamType):
    """A whole number, or `never`."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value).strip().lower()
        if text in NONE_WORDS:
            return NOTHING
        if not text.isascii() or not text.isdigit():
            self.fail(f"{value!r} is no whole number nor `never`", param, ctx)
        return int(text)


class FactorOrNever(ParamType):
    """A number from 1 on, or `never`."""

    name = "factor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value).strip().lower()
        if text in NONE_WORDS:
            return NOTHING
        if not re.fullmatch(r"\d{1,7}(\.\d{1,6})?", text):
            self.fail(f"{value!r} is no number such as 2 or 1.5 nor `never`", param, ctx)
        return float(text)


class Instant(ParamType):
    """A time as people write it; without an offset it is UTC. `2h` is two hours from now; `none` is None."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, datetime):
            return value
        if str(value).strip().lower() in NONE_WORDS:
            return NOTHING
        try:
            return from_now(str(value), datetime.now(UTC))
        except InvalidArguments as error:
            self.fail(f"{error}: {error.hint}", param, ctx)


class Nothing:
    """Given on purpose as nothing: unlike None, which means that the option was not given."""


NOTHING = Nothing()


def moment(text: str, zone: tzinfo, now: datetime) -> datetime:
    """A time as people write it: ISO 8601 (without an offset: in `zone`), `now`, or `90m` for so long ago. Aware.

    Raises InvalidArguments.
    """
    word = text.strip().lower()
    if word == "now":
        return now
    try:
        if ago := AGO.fullmatch(word):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text.strip())
        return _kept((found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InvalidArguments(f"{text!r} is no time", hint=TIME_HINT) from error


def from_now(text: str, now: datetime) -> datetime:
    """As `moment`, but `90m` is so long from now. Raises InvalidArguments."""
    part = AGO.fullmatch(text.strip().lower())
    return now + timedelta(**{UNITS[part[2]]: int(part[1])}) if part else moment(text, UTC, now)


def moment_to_come(text: str, now: datetime) -> datetime:
    """As `from_now`, but it has to come yet. Raises InvalidArguments."""
    found = from_now(text, now)
    if found <= now:
        raise InvalidArguments(f"{text!r} has passed", hint="give a time to come, or 2h for two hours from now")
    return found


def _kept(at: datetime) -> datetime:
    if not FIRST_YEAR <= at.year < END_YEAR:
        raise ValueError("outside the years that timetables and the database keep")
    return at
