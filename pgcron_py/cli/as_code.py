"""`pgcron export` and `pgcron apply`: jobs as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from pgcron_py.cli import output
from pgcron_py.cli.options import database, database_option, json_option, reason_option
from pgcron_py.errors import InvalidArguments, PgCronError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgcron_py.app.as_code import Difference

SIGNS = {"create": "+", "change": "~", "delete": "-", "left": " "}


@click.command()
@click.option("--output", "-o", "target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file [default: stdout].")  # fmt: skip
@database_option
def export(target: Path | None, database_url: str | None) -> None:
    """Write all jobs as YAML; fields at their defaults are left out. `pgcron apply` reads it."""
    from pgcron_py.app.as_code import export

    with database(database_url) as connection:
        text = export(connection)
    if target is None:
        click.echo(text, nl=False)
    else:
        target.write_text(text, "utf-8")
        click.echo(f"wrote {target}", err=True)


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option(
    "--prune", is_flag=True, help="Delete jobs that the file leaves out, with their runs; those of code stay."
)
@click.option("--yes", is_flag=True, help="Don't ask before jobs are deleted.")
@reason_option
@json_option
@database_option
def apply(
    file: TextIO, dry_run: bool, prune: bool, yes: bool, reason: str | None, as_json: bool, database_url: str | None
) -> None:  # fmt: skip
    """Make the jobs what FILE says (- for stdin): shows the difference and applies it in one transaction, all or nothing."""
    from pgcron_py.app.as_code import apply, parse
    from pgcron_py.app.session import os_caller

    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise InvalidArguments(f"the file is no UTF-8: {error}") from error
    wanted = parse(text)
    with database(database_url) as connection:
        if prune and not dry_run and not yes:
            _ask(apply(connection, wanted, os_caller(reason), dry_run=True, prune=True))
        done = apply(connection, wanted, os_caller(reason), dry_run=dry_run, prune=prune)
    if as_json:
        output.print_json({"applied": not dry_run, "differences": done})
        return
    _print(done)
    counts = ", ".join(f"{sum(it.deed == deed for it in done)} to {deed}" for deed in ("create", "change", "delete"))
    if not any(it.deed != "left" for it in done):
        click.echo("nothing differs")
    else:
        click.echo(f"{counts}: nothing was changed" if dry_run else f"applied: {counts}")


def _ask(differences: Sequence[Difference]) -> None:
    gone = [it.job for it in differences if it.deed == "delete"]
    if not gone:
        return
    if not sys.stdin.isatty():
        raise PgCronError(
            f"{len(gone)} jobs would be deleted: {', '.join(gone[:5])}", hint="give --yes, or look with --dry-run first"
        )
    if not click.confirm(f"Delete {len(gone)} jobs with all their runs: {', '.join(gone[:5])}?", err=True):
        raise PgCronError("not confirmed: nothing was changed")


def _print(differences: Sequence[Difference]) -> None:
    for it in differences:
        note = "  (declared in code: it stays)" if it.deed == "left" else ""
        click.echo(f"{SIGNS[it.deed]} {it.job}{note}")
        for name, old, new in it.changes:
            click.echo(
                f"    {name}: {output.compact(new)}"
                if it.deed == "create"
                else f"    {name}: {output.compact(old)} -> {output.compact(new)}"
            )
