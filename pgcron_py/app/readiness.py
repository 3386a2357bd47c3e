"""Whether a database is fit for workers: what `pgcron db check` tells, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pgcron_py.app.database import ROLES, current
from pgcron_py.app.fleet import paused_by
from pgcron_py.app.session import Connection, check_schema, connected, transaction, value
from pgcron_py.errors import DatabaseNotReady, DatabaseUnavailable, PgCronError, UnknownTimeZone
from pgcron_py.storage import guards
from pgcron_py.storage.sqlstates import refusals_translated
from pgcron_py.timetable import load_zone

Level = Literal["ok", "warn", "fail"]

OLDEST_SERVER, NEWEST_SERVER = 15, 18
WORKER_CONNECTIONS = 5

SERVER = "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')"
READ_ONLY = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean"
BACKEND_PID = "SELECT pg_backend_pid()"
ROLES_OF_USER = """
SELECT r.name, to_regrole(r.name) IS NOT NULL, CASE WHEN to_regrole(r.name) IS NOT NULL THEN pg_has_role(current_user, r.name, 'USAGE') END
  FROM unnest(%(roles)s::text[]) r (name)
"""
WORKERS = "SELECT count(*) FROM pgcron.cron_lease WHERE lease_until > clock_timestamp()"
ZONES_OF_JOBS = "SELECT timezone, count(*), min(name) FROM pgcron.cron_job GROUP BY timezone ORDER BY timezone"
ZONES_OF_SERVER = "SELECT name FROM pg_timezone_names"
# One reading a week for a year: whatever differs between two editions of the zone data shows in it.
OFFSETS = """
SELECT t, t AT TIME ZONE %(zone)s - t AT TIME ZONE 'UTC'
  FROM generate_series(date_trunc('day', clock_timestamp()), clock_timestamp() + interval '53 weeks', interval '7 days') t
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding. subject: what was looked at."""

    level: Level
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Readiness:
    lines: list[Line]
    is_ready: bool
    """Whether the database answers and is set up; else the other checks were not made."""

    @property
    def has_failed(self) -> bool:
        return any(line.level == "fail" for line in self.lines)


def check_database(url: str) -> Readiness:
    """Makes every check that can be made. Raises InvalidArguments for a URL that is none."""
    try:
        with connected(url) as connection:
            return _checked(connection, url)
    except DatabaseUnavailable as error:
        return Readiness([Line("fail", "reachable", str(error))], is_ready=False)


def _checked(connection: Connection, url: str) -> Readiness:
    lines = [Line("ok", "reachable", f"database {connection.info.dbname!r} as {connection.info.user!r}")]
    lines += [*_server(connection), *_between(connection)]
    try:
        check_schema(connection)
    except DatabaseNotReady as error:
        return Readiness([*lines, Line("fail", "schema", f"{error}: {error.hint}")], is_ready=False)
    lines += _revision(url)
    for check in CHECKS:
        lines += _attempted(connection, check)
    return Readiness(lines, is_ready=True)


def _attempted(connection: Connection, check: Callable[[Connection], Iterator[Line]]) -> list[Line]:
    subject = check.__name__.strip("_").replace("_", " ")
    try:
        with refusals_translated(), transaction(connection):
            return list(check(connection))
    except PgCronError as error:
        return [Line("warn", subject, f"can't be checked: {error}")]


def _server(connection: Connection) -> Iterator[Line]:
    row = connection.execute(SERVER).fetchone()
    assert row is not None
    major, version = row
    level: Level = "fail" if major < OLDEST_SERVER else "warn" if major > NEWEST_SERVER else "ok"
    known = "" if level == "ok" else f"; pgcron is tested with {OLDEST_SERVER} to {NEWEST_SERVER}"
    yield Line(level, "server version", f"PostgreSQL {version}{known}")


def _between(connection: Connection) -> Iterator[Line]:
    """What stands between workers and a primary, if anything does."""
    is_standby, is_read_only = connection.execute(READ_ONLY).fetchone() or (False, False)
    if is_standby:
        yield Line("fail", "primary", "this is a standby: it can be read, workers need its primary")
    elif is_read_only:
        yield Line("fail", "primary", "transactions are read-only here (default_transaction_read_only): workers write")
    if value(connection, BACKEND_PID) != connection.info.backend_pid:
        yield Line(
            "warn", "pooler", "there is one in between: workers will poll; give them a direct connection if you can"
        )


def _revision(url: str) -> Iterator[Line]:
    try:
        state = current(url)
    except PgCronError as error:
        yield Line("warn", "revision", f"can't be checked: {error}")
        return
    if state.is_current:
        yield Line("ok", "revision", f"{state.revision}, the newest")
    else:
        yield Line("fail", "revision", f"{state.revision}, the newest is {state.head}: run `pgcron db upgrade`")


def _clone_guard(connection: Connection) -> Iterator[Line]:
    row = connection.execute(guards.STATE).fetchone()
    assert row is not None
    state = guards.Guards(*row)
    try:
        state.check()
        yield Line("ok", "clone guard", "this database is itself")
        yield Line("ok", "schema guard", f"schema version {state.schema_version}")
    except DatabaseNotReady as error:
        yield Line("fail", "schema guard" if state.is_itself else "clone guard", f"{error}: {error.hint}")
    budget = state.check_budget(WORKER_CONNECTIONS)
    room = f"{state.connections_used} of {state.connections_allowed} are used, a worker takes {WORKER_CONNECTIONS}"
    yield Line("warn" if budget else "ok", "connections", budget or room)


def _roles(connection: Connection) -> Iterator[Line]:
    found = connection.execute(ROLES_OF_USER, {"roles": list(ROLES)}).fetchall()
    missing = [name for name, exists, _ in found if not exists]
    if missing:
        yield Line("fail", "roles", f"missing: {', '.join(missing)}; run `pgcron db upgrade`")
        return
    mine = [name for name, _, is_member in found if is_member]
    detail = f"{connection.info.user!r} acts as {', '.join(mine)}" if mine else "this user is a member of none of them"
    yield Line("ok" if mine else "warn", "roles", detail)


def _workers(connection: Connection) -> Iterator[Line]:
    count = value(connection, WORKERS)
    detail = f"{count} hold a lease" if count else "none is alive: nothing will run"
    yield Line("ok" if count else "warn", "workers", detail)
    if paused := paused_by(connection):
        yield Line("warn", "paused", f"all claims are paused by {paused}")


def _time_zones(connection: Connection) -> Iterator[Line]:
    used = connection.execute(ZONES_OF_JOBS).fetchall()
    of_server = {row[0] for row in connection.execute(ZONES_OF_SERVER)} if used else set()
    findings = [
        Line("warn", "time zones", f"{zone}, of {count} job(s) such as {job!r}: {problem}")
        for zone, count, job in used
        if (problem := _zone_problem(connection, zone, zone in of_server))
    ]
    yield from findings or [Line("ok", "time zones", f"{len(used)} used by jobs, the same here and on the server")]


def _zone_problem(connection: Connection, zone: str, is_on_server: bool) -> str | None:
    try:
        here = load_zone(zone)
    except UnknownTimeZone:
        return "unknown here: workers with these zone data skip such jobs; update the package tzdata"
    if not is_on_server:
        return "unknown to the server: use Python's zone in queries"
    for instant, there in connection.execute(OFFSETS, {"zone": zone}):
        offset = instant.astimezone(here).utcoffset() or timedelta()
        if offset != there:
            return f"UTC{_signed(offset)} here but UTC{_signed(there)} on the server on {instant:%Y-%m-%d}: update the older zone data"
    return None


def _signed(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


CHECKS = (_clone_guard, _roles, _workers, _time_zones)
