"""Other schedulers' schedules become jobs. What is there already stays as it is: a second import changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from psycopg.rows import class_row

from pgcron_py.app.jobs import create
from pgcron_py.app.session import Caller, Connection, connected, transaction, value
from pgcron_py.domain import pg_cron
from pgcron_py.domain.foreign import Entry
from pgcron_py.errors import PgCronError

Outcome = Literal["created", "exists", "differs", "refused"]

EXISTING = "SELECT schedule, timezone, handler, args FROM pgcron.cron_job WHERE name = %(name)s"
# to_jsonb: old versions have neither jobname nor active.
PG_CRON_JOBS = """
SELECT jobid, schedule, command, nodename, database, username, coalesce((to_jsonb(j) ->> 'active')::boolean, true) AS active,
  to_jsonb(j) ->> 'jobname' AS jobname FROM cron.job j ORDER BY jobid
"""
HAS_PG_CRON = "SELECT to_regclass('cron.job') IS NOT NULL"
PG_CRON_ZONE = "SELECT coalesce(nullif(current_setting('cron.timezone', true), ''), 'GMT')"


@dataclass(frozen=True, slots=True)
class Imported:
    """differs: a job of this name is there with another schedule, zone, handler or arguments, and was left alone."""

    entry: Entry
    outcome: Outcome


def import_entries(
    connection: Connection | None, entries: Iterable[Entry], caller: Caller, *, is_dry: bool
) -> list[Imported]:
    """Makes the jobs that are not there. connection: None (when dry) = nothing is known of what is there."""
    return [_imported(connection, entry, caller, is_dry) for entry in entries]


def _imported(connection: Connection | None, entry: Entry, caller: Caller, is_dry: bool) -> Imported:
    job = entry.declaration
    if job is None:
        return Imported(entry, "refused")
    if connection is not None:
        with transaction(connection):
            row = connection.execute(EXISTING, {"name": job.name}).fetchone()
        if row is not None:
            is_same = tuple(row) == (job.schedule, job.timezone, job.handler, job.args)
            return Imported(entry, "exists" if is_same else "differs")
        if not is_dry:
            try:
                reason = entry.disabled_reason or caller.reason
                create(connection, job, Caller(caller.actor, reason), is_enabled=entry.disabled_reason is None)
            except PgCronError as error:
                refusal = f"{error}{f' ({error.hint})' if error.hint else ''}"
                return Imported(replace(entry, declaration=None, refusal=refusal), "refused")
    return Imported(entry, "created")


def read_pg_cron(url: str) -> tuple[str, str, list[pg_cron.Row]]:
    """Name of the database, cron.timezone, and the rows of cron.job that this role sees. Raises PgCronError without pg_cron."""
    with connected(url) as connection, transaction(connection):
        if not value(connection, HAS_PG_CRON):
            raise PgCronError("that database has no cron.job", hint="--from takes the URL of the database with pg_cron")
        with connection.cursor(row_factory=class_row(pg_cron.Row)) as cursor:
            rows = cursor.execute(PG_CRON_JOBS).fetchall()
        return connection.info.dbname, str(value(connection, PG_CRON_ZONE)), rows
