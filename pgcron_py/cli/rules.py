"""`pgcron blackouts` and `pgcron limits`: rules of the whole fleet."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import NOTHING, Instant, Milliseconds, database, database_option, json_option, reason_option

if TYPE_CHECKING:
    from pgcron_py.app.rules import BlackoutRow, LimitRow

KINDS = click.Choice(["queue", "tag", "handler"])


@click.group(cls=Group)
def blackouts() -> None:
    """List, set and remove windows in which jobs do not start."""


@blackouts.command("list")
@json_option
@database_option
def list_blackouts(as_json: bool, database_url: str | None) -> None:
    """List the windows, and which of them are on."""
    from pgcron_py.app.rules import list_blackouts

    with database(database_url) as connection:
        now, found = list_blackouts(connection)
    if as_json:
        output.print_json([asdict(row) | {"on_until": row.until(now)} for row in found])
        return
    cells = [
        (row.name, _scope(row), row.action, _when(row), _state(row, now), row.reason or fmt.NOTHING) for row in found
    ]
    output.table(("name", "for", "action", "when", "now", "reason"), cells, "there is no blackout")


def _scope(row: BlackoutRow) -> str:
    return f"job {row.job}" if row.job else f"tag {row.tag}" if row.tag else "all jobs"


def _when(row: BlackoutRow) -> str:
    if row.schedule:
        return f"{row.schedule} ({row.timezone}) for {fmt.duration(row.duration_ms)}"
    return f"{fmt.local(row.starts_at, row.timezone)} to {fmt.local(row.ends_at, row.timezone)} ({row.timezone})"


def _state(row: BlackoutRow, now: datetime) -> str:
    if until := row.until(now):
        return f"on, ends {fmt.relative(until, now)}"
    return "over" if row.ends_at is not None and row.ends_at <= now else "off"


@blackouts.command("set")
@click.argument("name")
@click.option(
    "--from", "starts_at", type=Instant(), metavar="TIME", help="Begin of a window that comes once [default: now]."
)
@click.option(
    "--to", "ends_at", type=Instant(), metavar="TIME", help="Its end: 2026-12-31T18:00, or 2h for two hours from now."
)
@click.option("--schedule", metavar="TEXT", help="When a window begins that comes again: '0 22 * * fri'.")
@click.option("--duration", "duration_ms", type=Milliseconds(), metavar="SECONDS", help="How long each of these lasts.")
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="The zone of --schedule.")
@click.option("--job", metavar="NAME", help="Only for this job.")
@click.option("--tag", metavar="TAG", help="Only for jobs with this tag.")
@click.option(
    "--action", type=click.Choice(["skip", "delay"]), default="skip", show_default=True,
    help="What is due in the window: a miss, or it starts when the window ends.",
)  # fmt: skip
@reason_option
@json_option
@database_option
def set_blackout(reason: str | None, as_json: bool, database_url: str | None, **options: Any) -> None:
    """Make or change a blackout window, once (--to) or again and again (--schedule, --duration).

    What a person asks to run starts anyway; retries and backfills wait for the end.
    """
    from datetime import UTC

    from pgcron_py.app.rules import BlackoutRow, set_blackout
    from pgcron_py.app.session import os_caller

    values: dict[str, Any] = {name: None if value is NOTHING else value for name, value in options.items()}
    if values["schedule"] is None and values["starts_at"] is None:
        values["starts_at"] = datetime.now(UTC)
    blackout = BlackoutRow(**values, reason=reason)
    with database(database_url) as connection:
        set_blackout(connection, blackout, os_caller(reason))
    if as_json:
        output.print_json(asdict(blackout))
    else:
        click.echo(f"blackout {blackout.name}: {_scope(blackout)}, {blackout.action}, {_when(blackout)}")


@blackouts.command("remove")
@click.argument("name")
@reason_option
@database_option
def remove_blackout(name: str, reason: str | None, database_url: str | None) -> None:
    """Remove a blackout window."""
    from pgcron_py.app.rules import remove_blackout
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        remove_blackout(connection, name, os_caller(reason))
    click.echo(f"removed blackout {name}")


@click.group(cls=Group)
def limits() -> None:
    """List, set and remove how much of a queue, a tag or a handler may run."""


@limits.command("list")
@json_option
@database_option
def list_limits(as_json: bool, database_url: str | None) -> None:
    """List the limits, and how much of each is used."""
    from pgcron_py.app.rules import list_limits

    with database(database_url) as connection:
        found = list_limits(connection)
    if as_json:
        output.print_json(found)
    else:
        cells = [(row.kind, row.name, _running(row), _rate(row), row.created_by) for row in found]
        output.table(("kind", "name", "running", "starts", "set by"), cells, "there is no limit")


def _running(row: LimitRow) -> str:
    return f"{row.running}" if row.max_running is None else f"{row.running} of {row.max_running}"


def _rate(row: LimitRow) -> str:
    return fmt.NOTHING if row.per_minute is None else f"{row.per_minute} a minute, {row.burst} at once"


@limits.command("set")
@click.argument("kind", type=KINDS)
@click.argument("name")
@click.option(
    "--max-running", type=click.IntRange(0, 100_000), metavar="N", help="So many runs at a time; 0 closes it."
)
@click.option(
    "--per-minute", type=click.IntRange(1, 1_000_000), metavar="N", help="So many starts in a minute, on average."
)
@click.option("--burst", type=click.IntRange(1, 1_000_000), default=1, show_default=True, metavar="N", help="So many of them at once after a pause.")  # fmt: skip
@reason_option
@json_option
@database_option
def set_limit(
    kind: str, name: str, max_running: int | None, per_minute: int | None, burst: int, reason: str | None, as_json: bool,
    database_url: str | None,
) -> None:  # fmt: skip
    """Limit a queue, a tag or a handler in the whole fleet; what finds no place stays due and starts when there is one."""
    from pgcron_py.app.rules import set_limit
    from pgcron_py.app.session import os_caller
    from pgcron_py.errors import InvalidArguments

    if max_running is None and per_minute is None:
        raise InvalidArguments("no limit is given", hint="give --max-running, --per-minute or both")
    with database(database_url) as connection:
        set_limit(
            connection, kind, name, os_caller(reason), max_running=max_running, per_minute=per_minute, burst=burst
        )
    given = {"kind": kind, "name": name, "max_running": max_running, "per_minute": per_minute, "burst": burst}
    if as_json:
        output.print_json(given)
        return
    words = [f"{max_running} at a time"] if max_running is not None else []
    words += [f"{per_minute} starts a minute, {burst} at once"] if per_minute is not None else []
    click.echo(f"{kind} {name}: at most {', '.join(words)}")


@limits.command("remove")
@click.argument("kind", type=KINDS)
@click.argument("name")
@reason_option
@database_option
def remove_limit(kind: str, name: str, reason: str | None, database_url: str | None) -> None:
    """Remove a limit."""
    from pgcron_py.app.rules import remove_limit
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        remove_limit(connection, kind, name, os_caller(reason))
    click.echo(f"removed the limit of {kind} {name}")
