"""`pgcron workers list` and `drain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, reason_option
from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from datetime import datetime

    from pgcron_py.app.workers import WorkerRow

COLUMNS = ("state", "host", "pid", "app", "version", "beat", "lease", "runs", "queues", "handlers", "id")


@click.group(cls=Group)
def workers() -> None:
    """List and drain workers."""


@workers.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those that left (GONE) or were given up (DEAD).")
@json_option
@database_option
def list_(ended: bool, as_json: bool, database_url: str | None) -> None:
    """List the workers that are alive."""
    from pgcron_py.app.workers import list_workers

    with database(database_url) as connection:
        found = list_workers(connection, ended=ended)
    if as_json:
        output.print_json(found.workers)
    else:
        output.table(COLUMNS, [_cells(worker, found.now) for worker in found.workers], "no worker is alive")


def _cells(worker: WorkerRow, now: datetime) -> list[str]:
    app = f"{worker.app or fmt.NOTHING} {worker.release or ''}"
    return [
        worker.state, worker.host, str(worker.pid), app, worker.version, fmt.relative(worker.beat_at, now), _lease(worker, now),
        f"{worker.running_count} of {worker.concurrency}", ", ".join(worker.queues) if worker.queues else "all",
        str(worker.handler_count), str(worker.id),
    ]  # fmt: skip


def _lease(worker: WorkerRow, now: datetime) -> str:
    if worker.lease_until is None:
        return f"ended {fmt.relative(worker.ended_at, now)}" if worker.ended_at else fmt.NOTHING
    ends = fmt.relative(worker.lease_until, now)
    return f"ends {ends}" if worker.lease_until > now else f"lapsed {ends}"


@workers.command()
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "every", is_flag=True, help="Every live worker.")
@click.option("--wait", is_flag=True, help="Until they have left.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up waiting; they go on draining."
)
@reason_option
@json_option
@database_option
def drain(
    ids: tuple[str, ...], every: bool, wait: bool, timeout: float | None, reason: str | None, as_json: bool,
    database_url: str | None,
) -> None:  # fmt: skip
    """Ask workers to leave, all or none: they claim nothing more, let their runs end, and stop, as on SIGTERM.

    ID is a worker's id, or the beginning of one that no other has.
    """
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.workers import drain, wait_until_gone

    if bool(ids) is every:
        raise InvalidArguments(
            "no worker is named" if not ids else "--all and ids are given", hint="give ids, or --all"
        )
    with database(database_url) as connection:
        asked = drain(connection, ids, every, os_caller(reason))
        if wait:
            wait_until_gone(connection, list(asked), timeout)
    if as_json:
        output.print_json([{"worker_id": id_, "was_first": was_first} for id_, was_first in asked.items()])
        return
    for id_, was_first in asked.items():
        click.echo(f"worker {id_} {'has left' if wait else 'drains' if was_first else 'drained already'}")
    if not asked:
        click.echo("no worker is live", err=True)
