"""`pgcron import`: schedules of other schedulers become jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from pgcron_py.cli import output
from pgcron_py.cli.failures import FOUND, OK
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, reason_option

if TYPE_CHECKING:
    from pgcron_py.app.imports import Imported
    from pgcron_py.domain.foreign import Entry

dry_option = click.option("--dry-run", is_flag=True, help="Only tell what would happen.")
TOLD = {
    "created": "created",
    "exists": "is there already",
    "differs": "is there and differs: left as it is",
    "refused": "REFUSED",
}


@click.group("import", cls=Group)
def imports() -> None:
    """Turn the schedules of cron and pg_cron into jobs."""


@imports.command()
@click.argument("file", type=click.File("rb"))
@click.option("--user-column", is_flag=True, help="A user stands before each command, as in /etc/crontab.")
@click.option("--timezone", metavar="ZONE", help="The zone of the host [default: UTC, and each line says so].")
@click.option("--handler", default="shell", show_default=True, metavar="NAME", help="The handler that you will write.")
@dry_option
@reason_option
@json_option
@database_option
def crontab(
    file: BinaryIO, user_column: bool, timezone: str | None, handler: str, dry_run: bool, reason: str | None, as_json: bool,
    database_url: str | None,
) -> int:  # fmt: skip
    """Turn the lines of a crontab FILE (- for stdin) into jobs, disabled: pgcron runs no shell.

    Each has its command in its arguments, and waits for a handler that you write. A second import changes nothing. The exit code is 3
    when a line can't be taken.
    """
    from pgcron_py.domain.crontab import Options, entries_of

    options = Options(timezone, handler, user_column)
    entries = entries_of(file.read().decode("utf-8", "replace"), options, datetime.now(UTC))
    remark = "cron starts a run beside one that goes on; these jobs skip it (overlap_policy)"
    return _done(entries, dry_run, reason, as_json, database_url, remark)


@imports.command("pg-cron")
@click.option("--from", "source", required=True, metavar="URL", help="The database with pg_cron.")
@click.option("--connection", default="default", show_default=True, metavar="NAME", help="Which of PGCRON_SQL_CONNECTIONS runs the commands.")  # fmt: skip
@click.option("--map", "pairs", multiple=True, metavar="DATABASE=NAME", help="The connection for jobs of another database; may be repeated.")  # fmt: skip
@click.option("--disabled", is_flag=True, help="Make them disabled, to enable them when pg_cron is off.")
@dry_option
@reason_option
@json_option
@database_option
def pg_cron(
    source: str, connection: str, pairs: Sequence[str], disabled: bool, dry_run: bool, reason: str | None, as_json: bool,
    database_url: str | None,
) -> int:  # fmt: skip
    """Turn pg_cron's jobs into jobs of pgcron.sql. Nothing changes in pg_cron: unschedule them there.

    A second import changes nothing. The exit code is 3 when a job can't be taken.
    """
    from pgcron_py.app.imports import read_pg_cron
    from pgcron_py.domain.pg_cron import Options, entries_of

    name, zone, rows = read_pg_cron(source)
    options = Options(name, zone, connection, dict(_pair(text) for text in pairs), disabled)
    entries = entries_of(rows, options, datetime.now(UTC))
    remark = "pg_cron goes on running its own: SELECT cron.unschedule(jobid) FROM cron.job, there"
    return _done(entries, dry_run, reason, as_json, database_url, remark)


def _pair(text: str) -> tuple[str, str]:
    name, equals, connection = text.partition("=")
    if not (name and equals and connection):
        raise click.BadParameter(f"{text!r} is not DATABASE=NAME", param_hint="--map")
    return name, connection


def _done(
    entries: list[Entry], is_dry: bool, reason: str | None, as_json: bool, database_url: str | None, remark: str
) -> int:
    from pgcron_py.app.imports import import_entries
    from pgcron_py.app.session import os_caller

    caller = os_caller(reason)
    if is_dry and not database_url:
        found = import_entries(None, entries, caller, is_dry=True)
    else:
        with database(database_url) as connection:
            found = import_entries(connection, entries, caller, is_dry=is_dry)
    if as_json:
        output.print_json({"is_dry_run": is_dry, "remark": remark, "entries": [_as_json(item) for item in found]})
    else:
        _print(found, is_dry, remark)
    return FOUND if any(item.outcome == "refused" for item in found) else OK


def _as_json(item: Imported) -> dict[str, Any]:
    entry = item.entry
    job = entry.declaration
    return {
        "where": entry.where, "source": entry.source, "outcome": item.outcome, "changes_meaning": entry.changes, "refusal": entry.refusal,
        "name": job and job.name, "schedule": job and job.schedule, "timezone": job and job.timezone, "handler": job and job.handler,
        "args": job and job.args, "is_enabled": job and entry.disabled_reason is None, "disabled_reason": entry.disabled_reason,
        "notes": entry.notes,
    }  # fmt: skip


def _print(found: list[Imported], is_dry: bool, remark: str) -> None:
    for item in found:
        entry, job = item.entry, item.entry.declaration
        if job is None:
            click.echo(f"{entry.where}  {output.line(entry.source)}\n    REFUSED: {output.line(entry.refusal or '')}")
            continue
        told = f"would be {TOLD['created']}" if is_dry and item.outcome == "created" else TOLD[item.outcome]
        state = ", disabled" if entry.disabled_reason and item.outcome == "created" else ""
        click.echo(f"{entry.where}  {output.line(job.name)}  {job.schedule} ({job.timezone})  {told}{state}")
        for note in entry.notes:
            click.echo(f"    {'CHANGES' if note.changes else 'note'} ({note.kind}): {output.line(note.text)}")
    counts = {outcome: sum(item.outcome == outcome for item in found) for outcome in TOLD}
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "no schedule there")
    if counts["created"]:
        click.echo(f"note: {remark}")
