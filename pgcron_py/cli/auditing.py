"""`pgcron audit`: who changed what, whether the record is whole, and how to undo a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.failures import FOUND, OK
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, reason_option

if TYPE_CHECKING:
    from uuid import UUID

    from pgcron_py.app.auditing import Entry


@click.group(cls=Group)
def audit() -> None:
    """List, verify and revert changes."""


@audit.command("list")
@click.option("--job", metavar="NAME", help="Only of this job.")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many entries.")
@json_option
@database_option
def list_(job: str | None, limit: int, as_json: bool, database_url: str | None) -> None:
    """List the newest changes: who, when, what from what to what, and why."""
    from pgcron_py.app.auditing import entries

    with database(database_url) as connection:
        found = entries(connection, job, limit)
    if as_json:
        output.print_json(found)
        return
    cells = [(fmt.local(it.at, "UTC"), it.action, it.job or fmt.NOTHING, _changes(it), it.actor, it.reason or fmt.NOTHING, str(it.audit_id)) for it in found]  # fmt: skip
    output.table(("at (UTC)", "action", "job", "changes", "by", "reason", "id"), cells, "nothing was changed yet")


def _changes(it: Entry) -> str:
    if it.old_values is None or it.new_values is None:
        return fmt.NOTHING
    keys = [key for key in it.new_values if it.new_values[key] != it.old_values.get(key)]
    return ", ".join(
        f"{key}: {output.compact(it.old_values.get(key))} -> {output.compact(it.new_values[key])}" for key in keys
    )[:200]


@audit.command()
@json_option
@database_option
def verify(as_json: bool, database_url: str | None) -> int:
    """Check the chain of hashes: was an entry changed or deleted after it was written? The exit code is 3 if so."""
    from pgcron_py.app.auditing import verify

    with database(database_url) as connection:
        verdict = verify(connection)
    if as_json:
        output.print_json(verdict)
    else:
        for it in verdict.problems:
            click.echo(f"{it.position or fmt.NOTHING}  {it.audit_id or fmt.NOTHING}  {it.problem}")
        whole = "" if verdict.problems else "the record is whole: "
        click.echo(f"{whole}{verdict.sealed} of {verdict.entries} entries are sealed")
    return FOUND if verdict.problems else OK


@audit.command()
@click.argument("id", type=click.UUID)
@reason_option
@json_option
@database_option
def revert(id: UUID, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Undo one change of a job: the fields that it changed get their values from before."""
    from pgcron_py.app.auditing import revert
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        job = revert(connection, id, os_caller(reason))
    if as_json:
        output.print_json({"audit_id": id, "job": job})
    else:
        click.echo(f"{job} is as it was before that change")
