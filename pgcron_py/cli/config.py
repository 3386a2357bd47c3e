"""`pgcron config show`."""

from __future__ import annotations

import click

from pgcron_py.cli import output
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import json_option


@click.group(cls=Group)
def config() -> None:
    """Show the settings."""


@config.command()
@json_option
@click.option("--database-url", metavar="URL", help="As other commands would take it.")
def show(as_json: bool, database_url: str | None) -> None:
    """Show each setting, its value and where that comes from; passwords are masked."""
    from pgcron_py.app.configuration import settings_shown

    found = settings_shown({"database_url": database_url})
    if as_json:
        output.print_json(found)
        return
    rows = [(s.name, _text(s.value), s.source, s.variable, s.description) for s in found]
    output.table(("setting", "value", "from", "variable", "meaning"), rows, "no setting")


def _text(value: object) -> str:
    return "-" if value is None else value if isinstance(value, str) else output.compact(value)
