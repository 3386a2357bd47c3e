"""`pgcron pause` and `resume`: the kill switch."""

from __future__ import annotations

from dataclasses import asdict

import click

from pgcron_py.cli import output
from pgcron_py.cli.options import database_option, json_option, reason_option, required_url


@click.command()
@reason_option
@json_option
@database_option
def pause(reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Pull the kill switch: within a second no worker of the fleet claims anything. Runs that go on are not touched."""
    _switch(True, reason, as_json, database_url)


@click.command()
@reason_option
@json_option
@database_option
def resume(reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Let the fleet work again. What was due meanwhile follows each job's catch-up policy."""
    _switch(False, reason, as_json, database_url)


def _switch(paused: bool, reason: str | None, as_json: bool, url: str | None) -> None:
    from pgcron_py.app.fleet import set_paused
    from pgcron_py.app.session import os_caller, session

    with session(required_url(url)) as connection:
        changed, state = set_paused(connection, paused, os_caller(reason))
    if as_json:
        output.print_json(asdict(state) | {"changed": changed})
    elif paused:
        why = f": {state.paused_reason}" if state.paused_reason else ""
        click.echo(f"the fleet is paused{'' if changed else f' already, by {state.paused_by}'}{why}")
    else:
        click.echo("the fleet works again" if changed else "the fleet was not paused")
