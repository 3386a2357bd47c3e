"""`pgcron db`: setting the database up, migrating it, checking it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pgcron_py.cli import output
from pgcron_py.cli.failures import FOUND, OK, UNAVAILABLE
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, required_url
from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from pgcron_py.app.database import DatabaseState

ROLE_NAMES = ("owner", "worker", "web", "operator", "reader", "sql_author")
MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@contextmanager
def revision_checked() -> Iterator[None]:
    """Alembic's refusals as ours: all that people can cause is a revision that there isn't."""
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:
        raise InvalidArguments(
            str(error), hint="`pgcron db current` tells the newest; `base` is before the first"
        ) from error


@click.group(cls=Group)
def db() -> None:
    """Set the database up, migrate it, check it."""


def checked_option(url: str | None) -> str:
    from pgcron_py.app.dsn import checked_url

    return checked_url(required_url(url))


@db.command()
@click.option("--revision", default="head", show_default=True, help="Where to stop.")
@database_option
def upgrade(revision: str, database_url: str | None) -> None:
    """Create what is missing and migrate: roles, schema, tables. Safe to repeat."""
    from pgcron_py.app.database import current, upgrade

    url = checked_option(database_url)
    before = current(url)
    with revision_checked():
        after = upgrade(url, revision)
    if before.revision == after.revision:
        click.echo(f"already at {_told(after)}")
    else:
        click.echo(f"upgraded from {before.revision or 'nothing'} to {_told(after)}")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Really: data of the newer revision are lost.")
@database_option
def downgrade(revision: str, yes: bool, database_url: str | None) -> None:
    """Go back to REVISION; `base` removes all tables, functions and data of pgcron."""
    from pgcron_py.app.database import downgrade

    url = checked_option(database_url)
    if not yes:
        raise InvalidArguments("a downgrade loses data: nothing was done", hint="say --yes if that is meant")
    with revision_checked():
        after = downgrade(url, revision)
    click.echo(f"downgraded to {_told(after)}")


@db.command()
@json_option
@database_option
def current(as_json: bool, database_url: str | None) -> int:
    """Tell which revision the database is at. The exit code is 3 when it is not the newest, 4 when there is none."""
    from pgcron_py.app.database import current

    state = current(checked_option(database_url))
    if as_json:
        output.print_json({"revision": state.revision, "head": state.head, "is_current": state.is_current})
    else:
        click.echo(_told(state))
    return OK if state.is_current else UNAVAILABLE if state.revision is None else FOUND


def _told(state: DatabaseState) -> str:
    if state.revision is None:
        return f"nothing: not set up (the newest revision is {state.head})"
    return f"{state.revision} ({'the newest' if state.is_current else f'the newest is {state.head}'})"


@db.command()
@json_option
@database_option
def check(as_json: bool, database_url: str | None) -> int:
    """Check whether workers can use this database. The exit code is 3 when something failed, 4 when it can't be used."""
    from pgcron_py.app.readiness import check_database

    found = check_database(required_url(database_url))
    if as_json:
        output.print_json({"is_ready": found.is_ready, "has_failed": found.has_failed, "lines": found.lines})
    else:
        output.pairs([(f"{MARKS[line.level]}  {line.subject}", line.detail) for line in found.lines])
    return UNAVAILABLE if not found.is_ready else FOUND if found.has_failed else OK


@db.command()
@click.option("--sample", is_flag=True, help="Create the disabled job pgcron.sample, to look at.")
@database_option
def seed(sample: bool, database_url: str | None) -> None:
    """Insert what a fresh installation needs: roles of the web admin where they are missing; a sample job with --sample."""
    from pgcron_py.app.seed import SAMPLE, seed_sample
    from pgcron_py.app.session import os_caller
    from pgcron_py.app.users import seed_roles

    with database(database_url) as connection:
        roles = seed_roles(connection)
        made = seed_sample(connection, os_caller("db seed")) if sample else False
    if roles or not sample:
        click.echo(
            "inserted missing roles" if roles else "the roles are there already (--sample makes a job to look at)"
        )
    if sample:
        click.echo(f"created {SAMPLE.name}, disabled" if made else f"{SAMPLE.name} is there already")


@db.command()
@database_option
def adopt(database_url: str | None) -> None:
    """Say that this copy is meant to run jobs: after a restore, a clone, or a move to another server."""
    from pgcron_py.app.database import adopt

    with database(database_url):
        adopt(checked_option(database_url))
    click.echo("adopted: workers may run the jobs of this database")


@db.command()
@json_option
@database_option
def roles(as_json: bool, database_url: str | None) -> None:
    """List the database roles of pgcron, what each may do, and which login roles have it."""
    from pgcron_py.app.rights import RIGHTS, holders

    with database(database_url) as connection:
        logins = holders(connection)
    if as_json:
        output.print_json(
            [{"role": r.name, "group": r.group, "allows": r.allows, "logins": logins[r.name]} for r in RIGHTS]
        )
    else:
        lines = [(r.name, r.allows, ", ".join(logins[r.name]) or "-") for r in RIGHTS]
        output.table(("role", "may", "login roles"), lines, empty="")


@db.command()
@click.option("--role", required=True, type=click.Choice(ROLE_NAMES), help="What to give: see `pgcron db roles`.")
@click.option("--to", "login", required=True, metavar="LOGIN", help="The database role that gets it.")
@click.option("--revoke", is_flag=True, help="Take it instead.")
@database_option
def grant(role: str, login: str, revoke: bool, database_url: str | None) -> None:
    """Give a login role the rights of a worker, the web admin, an operator, a reader, an author of SQL or the owner."""
    from pgcron_py.app.rights import grant

    with database(database_url) as connection:
        grant(connection, role, login, revoke=revoke)
    click.echo(f"{login} is {'no longer' if revoke else 'now'} a pgcron {role.replace('_', ' ')}")


@db.command("install-compat")
@database_option
def install_compat(database_url: str | None) -> None:
    """Install pg_cron's interface: cron.schedule() and its kin in a schema cron. Safe to repeat.

    Its jobs run as pgcron.sql, on a connection of PGCRON_SQL_CONNECTIONS; only members of pgcron_sql_author schedule them.
    """
    from pgcron_py.app.compat import install_compat

    with database(database_url) as connection:
        is_new = install_compat(connection)
    click.echo("installed pg_cron's interface" if is_new else "pg_cron's interface is up to date")
    if is_new:
        click.echo("next: set PGCRON_SQL_CONNECTIONS for workers, and GRANT pgcron_sql_author TO those who schedule")


@db.command("remove-compat")
@database_option
def remove_compat(database_url: str | None) -> None:
    """Remove pg_cron's interface; its jobs stay, disabled."""
    from pgcron_py.app.compat import remove_compat

    with database(database_url) as connection:
        count = remove_compat(connection)
    click.echo(f"removed pg_cron's interface; {count} jobs of it stay, disabled")


@db.command()
@click.option("--show-password", is_flag=True, help="Print it as it is.")
@database_option
def url(show_password: bool, database_url: str | None) -> None:
    """Print the URL that commands would use, without its password."""
    from pgcron_py.app.dsn import shown_url

    found = required_url(database_url)
    click.echo(found if show_password else shown_url(found))
