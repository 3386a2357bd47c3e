"""A connection for people's commands: with limits on every statement, an actor for the audit, and errors people can read."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from pgcron_py.app.dsn import checked_url
from pgcron_py.errors import DatabaseNotReady
from pgcron_py.storage.guards import EXISTS, MIN_SCHEMA_VERSION, SCHEMA_VERSION
from pgcron_py.storage.sqlstates import refusals_translated

T = TypeVar("T")
Connection = psycopg.Connection[Any]

CONNECT_TIMEOUT = 5  # seconds
ACTOR_LENGTH = 200

# Local to the transaction: a pooler may give the next one to somebody else, and this one may find what the last one left.
BEGIN = """
SELECT set_config('lock_timeout', '1s', true), set_config('statement_timeout', %(limit)s, true),
  set_config('idle_in_transaction_session_timeout', '10s', true), set_config('TimeZone', 'UTC', true),
  set_config('pgcron.actor', %(actor)s, true), set_config('pgcron.reason', %(reason)s, true), set_config('pgcron.request_id', '', true),
  set_config('pgcron.silent', '', true), set_config('pgcron.declaring', '', true), set_config('IntervalStyle', 'postgres', true)
"""
VERSIONS = "SELECT schema_version, min_worker_schema FROM pgcron.cron_meta"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts and why, for the audit."""

    actor: str
    reason: str | None = None


def os_caller(reason: str | None = None) -> Caller:
    """The person at the command line."""
    return Caller(f"cli:{_os_user()}@{socket.gethostname()}"[:ACTOR_LENGTH], reason)


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection to any database, set up or not.

    Raises InvalidArguments for a URL that is none, DatabaseUnavailable, and our errors for whatever is refused inside.
    """
    with refusals_translated():
        connection = psycopg.connect(
            checked_url(url), connect_timeout=CONNECT_TIMEOUT, application_name="pgcron cli", autocommit=True,
            prepare_threshold=None,  # what is prepared stays with the backend, which a pooler gives to the next
        )  # fmt: skip
        # Not `with connection`: after Ctrl-C amid a statement it would try a rollback, and warn that it can't.
        with closing(connection):
            yield connection


@contextmanager
def session(url: str) -> Iterator[Connection]:
    """A connection to a database that is set up for this code. Raises DatabaseNotReady and what `connected` raises."""
    with connected(url) as connection:
        check_schema(connection)
        yield connection


def check_schema(connection: Connection) -> None:
    exists = connection.execute(EXISTS).fetchone()
    row = connection.execute(VERSIONS).fetchone() if exists and exists[0] else None
    if row is None:
        raise DatabaseNotReady("this database has no schema pgcron", hint="run `pgcron db upgrade`")
    version, needed = row
    if version < MIN_SCHEMA_VERSION:
        message = f"the database has schema version {version}, this pgcron needs {MIN_SCHEMA_VERSION}"
        raise DatabaseNotReady(message, hint="run `pgcron db upgrade`")
    if needed > SCHEMA_VERSION:
        message = f"the database has schema version {version}, this pgcron knows {SCHEMA_VERSION}"
        raise DatabaseNotReady(message, hint="install a newer pgcron-py")


@contextmanager
def transaction(connection: Connection, caller: Caller | None = None, limit: str = "5s") -> Iterator[None]:
    """One transaction with limits; each statement may take `limit`."""
    actor, reason = (caller.actor, caller.reason or "") if caller else ("", "")
    with connection.transaction():
        connection.execute(BEGIN, {"limit": limit, "actor": actor, "reason": reason})
        yield


def rows(
    connection: Connection, of: type[T], statement: LiteralString, params: Mapping[str, object] | None = None
) -> list[T]:
    """The rows of a statement as dataclasses: its column names are the fields."""
    with connection.cursor(row_factory=class_row(of)) as cursor:
        return cursor.execute(statement, params).fetchall()


def value(connection: Connection, statement: LiteralString, params: Mapping[str, object] | None = None) -> Any:
    """The one value of a statement; None when there is no row."""
    row = connection.execute(statement, params).fetchone()
    return row[0] if row else None
