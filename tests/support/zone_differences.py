"""Where the server's time zone database and Python's say different things: found by asking both, never by name.

They come from different releases of the IANA database, or were built with other options. No rule about schedules can make
up for that, so comparisons leave such places out, and say which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import psycopg

from support.sql_schedules import NO_ZONE, Question, answer_of_python, answers_of_sql

REACH = timedelta(hours=26)  # no gap or fold is longer than a day
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Difference:
    zone: str
    at: datetime
    python: str
    server: str

    def __str__(self) -> str:
        return f"{self.zone} at {self.at:%Y-%m-%dT%H:%MZ}: {self.python} to Python, {self.server} to the server"


def first_difference(connection: psycopg.Connection, zone: str, instants: Sequence[datetime]) -> Difference | None:
    """The first of these instants at which clocks of the zone show different times."""
    connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
    rows = connection.execute("SELECT at::timestamp FROM unnest(%s::timestamptz[]) at", (list(instants),)).fetchall()
    connection.execute("RESET TimeZone")
    for instant, (server,) in zip(instants, rows, strict=True):
        python = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        if python != server:
            return Difference(zone, instant, python.isoformat(), server.isoformat())
    return None


def difference_near(connection: psycopg.Connection, zone: str, places: Iterable[datetime]) -> Difference | None:
    """A difference so near to one of these instants that it can change which instant a schedule names there."""
    minutes = range(-REACH // MINUTE, REACH // MINUTE + 1)
    around = [place.replace(second=0) + n * MINUTE for place in places for n in minutes]
    return first_difference(connection, zone, around)


def unknown_to_one(connection: psycopg.Connection) -> dict[str, str]:
    """Zones that only one of the two takes, and which one refuses them."""
    names = sorted(
        available_timezones() | {name for (name,) in connection.execute("SELECT name FROM pg_timezone_names")}
    )
    questions = [Question("@reboot", name, datetime(2026, 1, 1, tzinfo=UTC)) for name in names]
    answers = answers_of_sql(connection, questions)
    pairs = [
        (q.zone, answer_of_python(q) == NO_ZONE, sql == NO_ZONE) for q, sql in zip(questions, answers, strict=True)
    ]
    return {zone: "Python" if python else "the server" for zone, python, server in pairs if python != server}


def winters_and_summers(first_year: int, last_year: int) -> list[datetime]:
    return [
        datetime(year, month, 15, tzinfo=UTC) for year in range(first_year, last_year + 1) for month in range(1, 13)
    ]
