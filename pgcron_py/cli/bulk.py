"""`pgcron jobs bulk`: one deed on all jobs that a filter finds."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pgcron_py.cli import output
from pgcron_py.cli.failures import FAILED, OK
from pgcron_py.cli.options import database, database_option, json_option, moment_to_come, reason_option
from pgcron_py.errors import PgCronError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgcron_py.app.bulk import Outcome

ACTIONS = click.Choice(["enable", "disable", "tag", "untag", "run"])


@click.command()
@click.argument("action", type=ACTIONS)
@click.argument("value", required=False, metavar="[TAG]")
@click.option("--tag", metavar="TAG", help="Jobs with this tag.")
@click.option("--name", metavar="GLOB", help="Jobs with a name like 'billing-*'.")
@click.option("--all", "every", is_flag=True, help="All jobs.")
@click.option("--until", metavar="TIME", help="With disable: enable them again then.")
@click.option("--dry-run", is_flag=True, help="Only tell which jobs it would be.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@reason_option
@json_option
@database_option
def bulk(
    action: str, value: str | None, tag: str | None, name: str | None, every: bool, until: str | None, dry_run: bool, yes: bool,
    reason: str | None, as_json: bool, database_url: str | None,
) -> int:  # fmt: skip
    """Enable, disable, tag, untag or run many jobs, in one transaction. TAG is what tag adds and untag takes away.

    A job that refuses, because it is locked or runs already, holds up no other; the exit code is 1 then.
    """
    from pgcron_py.app.bulk import Chosen, bulk, matching
    from pgcron_py.app.session import os_caller

    chosen = Chosen(tag, name, every)
    again_at = moment_to_come(until, datetime.now(UTC)) if until else None
    with database(database_url) as connection:
        names = matching(connection, chosen)
        if dry_run:
            output.print_json(list(names)) if as_json else output.table(
                ("job",), [(it,) for it in names], "no job matches"
            )
            return OK
        if not yes and sys.stdin.isatty() and not click.confirm(f"{action} {len(names)} jobs?", err=True):
            raise PgCronError("not confirmed: nothing was changed", hint="give --yes")
        done = bulk(
            connection,
            action,
            chosen,
            os_caller(reason),
            value=reason if action == "disable" else value,
            until=again_at,
        )
    if as_json:
        output.print_json(done)
    else:
        _print(done)
    return FAILED if any(one.outcome == "refused" for one in done) else OK


def _print(done: Sequence[Outcome]) -> None:
    for one in done:
        if one.outcome == "refused":
            output.warn(f"{one.job}: {one.message}")
    counts = Counter(one.outcome for one in done)
    click.echo(", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "no job matches")
