"""`pgcron notify channels`: where notifications go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, reason_option
from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from pgcron_py.app.channels import ChannelRow

FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--event", "events", multiple=True, metavar="EVENT", help="failed, recovered, auto_disabled, late, missed, slow, unsuccessful, no_worker, fleet_silent; may be repeated; '' for all."),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only jobs with one of these tags; '' for all."),
    click.option("--job", "jobs", multiple=True, metavar="PATTERN", help="Only jobs with such a name, * for anything; '' for all."),
    click.option("--secret", envvar="PGCRON_CHANNEL_SECRET", metavar="TEXT", help="Sign a webhook with it; '' for none [env: PGCRON_CHANNEL_SECRET]."),
    click.option("--new-secret", is_flag=True, help="Make a secret, and show it this once."),
)  # fmt: skip


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(FILTERS):
        command = option(command)
    return command


@click.group(cls=Group)
def channels() -> None:
    """List, add, edit and remove channels."""


@channels.command("list")
@json_option
@database_option
def list_(as_json: bool, database_url: str | None) -> None:
    """List channels. Of their URLs only the harmless part is shown."""
    from pgcron_py.app.channels import list_channels

    with database(database_url) as connection:
        found = list_channels(connection)
    if as_json:
        output.print_json(found)
    else:
        headers = ("name", "address", "events", "jobs", "state", "waiting", "given up")
        output.table(headers, [_cells(it) for it in found], "there is no channel: messages are in the inbox only")


def _cells(it: ChannelRow) -> list[str]:
    wanted = [*(it.jobs or ()), *(f"#{tag}" for tag in it.tags or ())]
    state = (
        "disabled"
        if not it.is_enabled
        else f"muted until {fmt.local(it.muted_until, 'UTC')}"
        if it.muted_until
        else "on"
    )
    return [
        it.name, it.address, ", ".join(it.events) if it.events else "all", ", ".join(wanted) or "all", state, str(it.waiting),
        str(it.given_up),
    ]  # fmt: skip


@channels.command()
@click.argument("name")
@click.argument("url", envvar="PGCRON_CHANNEL_URL")
@filter_options
@reason_option
@json_option
@database_option
def add(name: str, url: str, reason: str | None, as_json: bool, database_url: str | None, **options: Any) -> None:
    """Add a channel. `pgcron notify test NAME` tries it.

    URL is one of apprise's (mailtos://user:password@host, slack://…, https://discord.com/api/webhooks/…), or
    webhook+https://host/path for signed JSON. Rather than on the command line, where others may see it, put it into PGCRON_CHANNEL_URL.
    """
    from pgcron_py.app.channels import NewChannel, add_channel
    from pgcron_py.app.session import os_caller

    secret = _secret(options)
    lists = {key: _list(options[key]) for key in ("events", "tags", "jobs")}
    with database(database_url) as connection:
        id_ = add_channel(connection, NewChannel(name=name, url=url, secret=secret or None, **lists), os_caller(reason))
    made = {"secret": secret} if options["new_secret"] else {}
    if as_json:
        output.print_json({"id": id_, "name": name} | made)
    else:
        click.echo(f"channel {name} added" + (f"; its secret, shown this once: {secret}" if made else ""))


@channels.command()
@click.argument("name")
@click.option("--rename", metavar="NAME", help="Another name.")
@click.option("--url", envvar="PGCRON_CHANNEL_URL", metavar="URL", help="Another URL [env: PGCRON_CHANNEL_URL].")
@filter_options
@click.option("--enabled/--disabled", "is_enabled", default=None, help="Whether anything is sent to it.")
@reason_option
@json_option
@database_option
def edit(
    name: str, rename: str | None, url: str | None, is_enabled: bool | None, reason: str | None, as_json: bool,
    database_url: str | None, **options: Any,
) -> None:  # fmt: skip
    """Change a channel: only what is given."""
    from pgcron_py.app.channels import edit_channel
    from pgcron_py.app.session import os_caller

    secret = _secret(options)
    changes: dict[str, Any] = {key: _list(options[key]) for key in ("events", "tags", "jobs") if options[key]}
    changes |= {key: it for key, it in (("name", rename), ("url", url), ("is_enabled", is_enabled)) if it is not None}
    if secret is not None:
        changes["secret"] = secret or None
    if not changes:
        raise InvalidArguments("nothing is to be changed", hint="`pgcron notify channels edit -h` shows what can be")
    with database(database_url) as connection:
        edit_channel(connection, name, changes, os_caller(reason))
    made = {"secret": secret} if options["new_secret"] else {}
    if as_json:
        output.print_json({"name": rename or name, "changed": sorted(changes)} | made)
    else:
        click.echo(
            f"channel {rename or name} changed: {', '.join(sorted(changes))}"
            + (f"; its secret, shown this once: {secret}" if made else "")
        )


@channels.command()
@click.argument("name")
@reason_option
@json_option
@database_option
def remove(name: str, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Remove a channel, and what waits to be sent to it. The inbox keeps its messages."""
    from pgcron_py.app.channels import remove_channel
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        remove_channel(connection, name, os_caller(reason))
    if as_json:
        output.print_json({"name": name, "removed": True})
    else:
        click.echo(f"channel {name} removed")


def _list(given: tuple[str, ...]) -> list[str] | None:
    """None: no filter."""
    return [it for it in given if it] or None


def _secret(options: dict[str, Any]) -> str | None:
    """The secret to set, '' to take it away, None: as it is."""
    if not options["new_secret"]:
        given: str | None = options["secret"]
        return given
    if options["secret"]:
        raise InvalidArguments("--secret and --new-secret are given", hint="give one of them")
    from pgcron_py.app.channels import new_secret

    return new_secret()
