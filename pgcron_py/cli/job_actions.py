"""`pgcron jobs enable`, `disable`, `run`, `cancel`, `skip-next` and `delete`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.failures import FAILED, FOUND, OK
from pgcron_py.cli.options import JsonObject, database, database_option, json_option, moment_to_come, reason_option
from pgcron_py.cli.runs import print_run, run_json
from pgcron_py.domain.overlap import OVERLAP_POLICIES
from pgcron_py.errors import PgCronError

if TYPE_CHECKING:
    from uuid import UUID

    from pgcron_py.app.backfills import Held
    from pgcron_py.app.session import Connection


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option(
    "--backfill", "wants_backfill", is_flag=True, help="Run what they would have run meanwhile, one after the other."
)
@click.option("--yes", is_flag=True, help="Ask nothing: enable without a backfill.")
@reason_option
@json_option
@database_option
def enable(
    names: tuple[str, ...], wants_backfill: bool, yes: bool, reason: str | None, as_json: bool, database_url: str | None
) -> None:
    """Enable jobs, all or none: strikes are forgotten, the next run is planned after now.

    What they would have run while they were disabled is missed. At a terminal you are asked whether to run it now.
    """
    from pgcron_py.app.backfills import backfill, held_by
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        held = held_by(connection, list(dict.fromkeys(names)))
        _set(connection, names, True, reason, as_json)
        for name, backlog in held.items():
            if not (wants_backfill or _backlog_wanted(name, backlog, may_ask=not (yes or as_json))):
                continue
            asked = backfill(
                connection, name, backlog.since, backlog.until, os_caller(reason), overlap="buffer_all", per_minute=None
            )
            if not as_json:
                click.echo(f"asked for {asked.total} runs of {name} (backfill {asked.id})")


def _backlog_wanted(name: str, held: Held, *, may_ask: bool) -> bool:
    """Says what the disabled time held, and asks at a terminal whether to run it."""
    since = fmt.local_with_offset(held.since, "UTC")
    words = f"{name} missed {held.count}{'' if held.is_exact else ' or more'} occurrences while it was disabled, since {since}"
    if not may_ask or not sys.stdin.isatty():
        click.echo(f"{words}; `pgcron jobs backfill` runs them", err=True)
        return False
    return click.confirm(f"{words}. Run them now, one after the other?", err=True)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@click.option("--until", metavar="TIME", help="Enable them again then: 2026-03-29T02:30, or 2h for two hours from now.")
@reason_option
@json_option
@database_option
def disable(
    names: tuple[str, ...], until: str | None, reason: str | None, as_json: bool, database_url: str | None
) -> None:
    """Disable jobs, all or none; a run that goes on is not touched."""
    again_at = moment_to_come(until, datetime.now(UTC)) if until else None
    with database(database_url) as connection:
        _set(connection, names, False, reason, as_json, again_at)


def _set(
    connection: Connection, names: tuple[str, ...], enabled: bool, reason: str | None, as_json: bool, again_at: datetime | None = None
) -> None:  # fmt: skip
    from pgcron_py.app.jobs import set_enabled
    from pgcron_py.app.session import os_caller

    done = set_enabled(connection, list(dict.fromkeys(names)), enabled, os_caller(reason), again_at)
    word = "enabled" if enabled else "disabled"
    if as_json:
        output.print_json([{"name": name, "is_enabled": enabled, "changed": changed} for name, changed in done.items()])
        return
    for name, changed in done.items():
        end = f" until {fmt.local(again_at, 'UTC')}" if again_at else ""
        click.echo(f"{word} {name}{end}" if changed else f"{name} is already {word}{end}")


@click.command()
@click.argument("name")
@click.option("--args", type=JsonObject(), metavar="JSON", help="For this run, in place of the job's own.")
@click.option(
    "--overlap", type=click.Choice(OVERLAP_POLICIES), help="If it runs already, in place of the job's own policy."
)
@click.option("--wait", is_flag=True, help="Until the run has ended; the exit code is 1 if it FAILED.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up waiting; the run goes on.")
@reason_option
@json_option
@database_option
def run(
    name: str, args: dict[str, Any] | None, overlap: str | None, wait: bool, timeout: float | None, reason: str | None, as_json: bool,
    database_url: str | None,
) -> int:  # fmt: skip
    """Run a job now, on a worker."""
    from pgcron_py.app.jobs import run_now
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        request_id = run_now(connection, name, args, os_caller(reason), overlap)
        _warn_if_nobody(connection, name)
        if wait:
            return _followed(connection, request_id, timeout, as_json)
    if as_json:
        output.print_json({"request_id": request_id, "job": name})
    else:
        click.echo(f"asked for a run of {name} (request {request_id})")
    return OK


def _warn_if_nobody(connection: Connection, name: str) -> None:
    from pgcron_py.app.jobs import handler_cautions, handler_of

    for caution in handler_cautions(connection, handler_of(connection, name)):
        output.warn(caution)


def _followed(connection: Connection, request_id: UUID, timeout: float | None, as_json: bool) -> int:
    from pgcron_py.app.runs import wait_for_run

    ended = wait_for_run(connection, request_id, timeout)
    output.print_json(run_json(ended)) if as_json else print_run(ended)
    return FAILED if ended.status == "FAILED" else OK


@click.command("skip-next")
@click.argument("name")
@reason_option
@json_option
@database_option
def skip_next(name: str, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Let a job miss its next occurrence, and go on with the one after it."""
    from pgcron_py.app.jobs import skip_next
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        skipped, zone = skip_next(connection, name, os_caller(reason))
    if as_json:
        output.print_json({"name": name, "skipped": skipped})
    else:
        click.echo(f"{name} will skip {fmt.local_with_offset(skipped, zone)}")


@click.command()
@click.argument("name")
@reason_option
@json_option
@database_option
def cancel(name: str, reason: str | None, as_json: bool, database_url: str | None) -> int:
    """Cancel what goes on and what waits of a job, which stays enabled. The exit code is 3 when there is nothing."""
    from pgcron_py.app.jobs import cancel
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        runs, requests = cancel(connection, name, os_caller(reason))
    if as_json:
        output.print_json({"name": name, "runs": runs, "requests": requests})
    else:
        click.echo(f"{name}: {_counted(runs, 'run')} asked to end, {_counted(requests, 'waiting request')} cancelled")
    return OK if runs or requests else FOUND


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


@click.command()
@click.argument("name")
@click.option("--confirm", metavar="NAME", help="The name once more; asked for when not given.")
@reason_option
@database_option
def delete(name: str, confirm: str | None, reason: str | None, database_url: str | None) -> None:
    """Delete a job and all its runs. Refused while it runs, and while code declares it."""
    from pgcron_py.app.jobs import delete, require
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        if confirm is None:
            require(connection, name)
            confirm = _asked(name)
        delete(connection, name, confirm, os_caller(reason))
    click.echo(f"deleted {name}")


def _asked(name: str) -> str:
    try:
        return str(click.prompt(f"This deletes job {name} and all its runs. Type its name", err=True))
    except click.Abort:
        raise PgCronError("not confirmed: nothing was deleted", hint=f"give --confirm {name}") from None
