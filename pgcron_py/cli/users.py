"""`pgcron users`: who may use the web admin."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pgcron_py.cli import output
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, reason_option

if TYPE_CHECKING:
    from pgcron_py.app.users import User

name_argument = click.argument("name")
password_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it."
)


@click.group(cls=Group)
def users() -> None:
    """Say who may use the web admin, and as what."""


@users.command("list")
@json_option
@database_option
def list_(as_json: bool, database_url: str | None) -> None:
    """List users, with role and what they may beyond it."""
    from pgcron_py.app.users import list_users

    with database(database_url) as connection:
        found = list_users(connection)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (user.name, _role(user), "yes" if user.is_enabled else "no", "yes" if user.has_password else "no",
         user.last_sign_in_at.isoformat(" ", "seconds") if user.last_sign_in_at else "never", str(user.sessions))
        for user in found
    ]  # fmt: skip
    headers = ("name", "role", "enabled", "password", "last sign-in", "sessions")
    output.table(headers, rows, "no users; `pgcron users create NAME --role super_admin` makes one")


@users.command()
@name_argument
@click.option("--role", default="viewer", show_default=True, help="viewer, operator or super_admin.")
@click.option("--grant", multiple=True, metavar="PERMISSION", help="What they may beyond it, such as cron.sql.edit.")
@click.option("--no-password", is_flag=True, help="Without one: `pgcron users link` lets them in.")
@password_option
@reason_option
@json_option
@database_option
def create(
    name: str, role: str, grant: tuple[str, ...], no_password: bool, password_stdin: bool, reason: str | None,
    as_json: bool, database_url: str | None,
) -> None:  # fmt: skip
    """Add a user."""
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.users import checked_name, create_user

    name = checked_name(name)
    password = None if no_password else _password(name, password_stdin)
    with database(database_url) as connection:
        user = create_user(connection, name, role, os_caller(reason), password=password, extra=grant)
    _tell(user, as_json, f"created {user.name}, {_role(user)}")


@users.command()
@name_argument
@password_option
@reason_option
@json_option
@database_option
def passwd(name: str, password_stdin: bool, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Set a user's password. Their sessions end."""
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.users import change_user, checked_name

    password = _password(checked_name(name), password_stdin)
    with database(database_url) as connection:
        user = change_user(connection, name, os_caller(reason), password=password)
    _tell(user, as_json, f"{user.name} has a new password; their sessions have ended")


@users.command()
@name_argument
@click.argument("role")
@click.option("--grant", multiple=True, metavar="PERMISSION", help="What they may beyond it; without: nothing.")
@reason_option
@json_option
@database_option
def role(
    name: str, role: str, grant: tuple[str, ...], reason: str | None, as_json: bool, database_url: str | None
) -> None:
    """Give a user another role. Their sessions end: they sign in anew."""
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.users import change_user

    with database(database_url) as connection:
        user = change_user(connection, name, os_caller(reason), role=role, extra=grant)
    _tell(user, as_json, f"{user.name} is {_role(user)}")


@users.command()
@name_argument
@reason_option
@json_option
@database_option
def disable(name: str, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Keep a user out, at once: their sessions end, their tokens are refused."""
    _switch(name, False, reason, as_json, database_url)


@users.command()
@name_argument
@reason_option
@json_option
@database_option
def enable(name: str, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Let a disabled user in again."""
    _switch(name, True, reason, as_json, database_url)


@users.command()
@name_argument
@click.option(
    "--minutes", default=15, show_default=True, type=click.IntRange(1, 10_080), help="How long the link is good."
)
@click.option("--base-url", metavar="URL", default="", help="The admin's address, such as https://cron.example.com.")
@reason_option
@json_option
@database_option
def link(name: str, minutes: int, base_url: str, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Print a link that signs a user in once. Whoever has it is that user."""
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.users import make_link

    with database(database_url) as connection:
        made = make_link(connection, name, minutes, os_caller(reason))
    address = base_url.rstrip("/") + made.path
    if as_json:
        output.print_json(asdict(made) | {"url": address})
    else:
        click.echo(address)


def _switch(name: str, is_enabled: bool, reason: str | None, as_json: bool, url: str | None) -> None:
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.users import change_user

    with database(url) as connection:
        user = change_user(connection, name, os_caller(reason), is_enabled=is_enabled)
    _tell(user, as_json, f"{user.name} is {'enabled' if is_enabled else 'disabled; their sessions have ended'}")


def _role(user: User) -> str:
    return user.role + "".join(f" + {permission}" for permission in user.extra_permissions)


def _tell(user: User, as_json: bool, text: str) -> None:
    if as_json:
        output.print_json(user)
    else:
        click.echo(text)


def _password(name: str, from_stdin: bool) -> str:
    from pgcron_py.app.passwords import check_password

    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)
    check_password(name, password)
    return str(password)
