"""`pgcron check`: the invariants."""

from __future__ import annotations

import click

from pgcron_py.cli import output
from pgcron_py.cli.failures import FOUND, OK
from pgcron_py.cli.options import database, database_option, json_option


@click.command()
@json_option
@database_option
def check(as_json: bool, database_url: str | None) -> int:
    """Check the invariants: what must be true at any instant. The exit code is 3 when one is broken."""
    from pgcron_py.app.invariants import check_invariants

    with database(database_url) as connection:
        found = check_invariants(connection)
    if as_json:
        output.print_json(found)
    elif not found.violations:
        click.echo(f"all {found.count} invariants hold")
    else:
        rows = [(broken.invariant, broken.job or "", broken.detail) for broken in found.violations]
        output.table(("invariant", "job", "detail"), rows, "")
    return FOUND if found.violations else OK
