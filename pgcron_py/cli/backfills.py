"""`pgcron jobs backfill`, and `pgcron backfills list` and `cancel`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.failures import FAILED, FOUND, OK
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, moment, reason_option
from pgcron_py.domain.overlap import OVERLAP_POLICIES

if TYPE_CHECKING:
    from uuid import UUID

    from pgcron_py.app.backfills import BackfillRow
    from pgcron_py.app.session import Connection


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "start",
    required=True,
    metavar="TIME",
    help="First instant of the range: 2026-03-01, or 7d for a week ago.",
)
@click.option(
    "--to", "end", default="now", show_default=True, metavar="TIME", help="Its last instant; it must have passed."
)
@click.option(
    "--overlap", type=click.Choice(OVERLAP_POLICIES), default="buffer_all", show_default=True,
    help="When its turn comes while the job runs: it waits (buffer_all), is left out (skip), …",
)  # fmt: skip
@click.option("--per-minute", type=click.IntRange(1, 1_000_000), metavar="N", help="So many starts in a minute [default: one after the other].")  # fmt: skip
@click.option("--wait", is_flag=True, help="Until it is over, with its progress; the exit code is 1 if a run FAILED.")
@reason_option
@json_option
@database_option
def backfill(
    name: str, start: str, end: str, overlap: str, per_minute: int | None, wait: bool, reason: str | None, as_json: bool,
    database_url: str | None,
) -> int:  # fmt: skip
    """Run a job for every occurrence of a range of the past, both ends included; times without an offset are UTC."""
    from pgcron_py.app.backfills import backfill
    from pgcron_py.app.session import os_caller

    now = datetime.now(UTC)
    first, last = moment(start, UTC, now), moment(end, UTC, now)
    with database(database_url) as connection:
        row = backfill(connection, name, first, last, os_caller(reason), overlap=overlap, per_minute=per_minute)
        if not as_json:
            click.echo(f"asked for {row.total} runs of {name} (backfill {row.id})")
        if wait:
            row = _watched(connection, row.id, as_json)
    if as_json:
        output.print_json(row)
    return FAILED if row.failed else OK


def _watched(connection: Connection, id_: UUID, as_json: bool) -> BackfillRow:
    from pgcron_py.app.backfills import watch_backfill

    told = ""

    def tell(row: BackfillRow) -> None:
        nonlocal told
        if not as_json and (words := _progress(row)) != told:
            told = words
            click.echo(words, err=True)

    return watch_backfill(connection, id_, tell)


def _progress(row: BackfillRow) -> str:
    counts = {"succeeded": row.succeeded, "failed": row.failed, "running": row.running, "waiting": row.waiting, "left out": row.left_out}  # fmt: skip
    return f"{row.succeeded + row.failed + row.left_out} of {row.total}: " + ", ".join(f"{n} {word}" for word, n in counts.items() if n)  # fmt: skip


@click.group(cls=Group)
def backfills() -> None:
    """List and cancel backfills; `pgcron jobs backfill` asks for one."""


@backfills.command("list")
@click.option("--job", metavar="NAME", help="Only of this job.")
@json_option
@database_option
def list_(job: str | None, as_json: bool, database_url: str | None) -> None:
    """List the newest backfills with their progress."""
    from pgcron_py.app.backfills import list_backfills

    with database(database_url) as connection:
        found = list_backfills(connection, job)
    if as_json:
        output.print_json(found)
        return
    cells = [
        (row.job, fmt.local(row.from_at, "UTC"), fmt.local(row.to_at, "UTC"), row.overlap_policy, _progress(row), row.requested_by, str(row.id))
        for row in found
    ]  # fmt: skip
    output.table(("job", "from (UTC)", "to (UTC)", "overlap", "progress", "by", "id"), cells, "there is no backfill")


@backfills.command("cancel")
@click.argument("id", type=click.UUID)
@reason_option
@json_option
@database_option
def cancel(id: UUID, reason: str | None, as_json: bool, database_url: str | None) -> int:
    """Cancel what of a backfill still waits; a run that goes on is not touched. The exit code is 3 when nothing waits."""
    from pgcron_py.app.backfills import cancel_backfill
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        cancelled = cancel_backfill(connection, id, os_caller(reason))
    if as_json:
        output.print_json({"backfill_id": id, "cancelled": cancelled})
    else:
        click.echo(f"backfill {id}: {cancelled} waiting {'run' if cancelled == 1 else 'runs'} cancelled")
    return OK if cancelled else FOUND
