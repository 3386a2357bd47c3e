"""Everything in the demo's database that has to be there before a worker starts; harmless on a database that has it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgcron_py.app.database import upgrade
from pgcron_py.app.session import os_caller, session
from pgcron_py.app.users import create_user, list_users, make_link
from pgcron_py.embedded import EmbeddedServer
from pgcron_workers.demo.worlds import World

DATABASE = "demo"
OWNER, WORKER, WEB = "demo_owner", "demo_worker", "demo_web"
GROUPS = {OWNER: "pgcron_owner", WORKER: "pgcron_worker", WEB: "pgcron_web"}
USER, ROLE = "admin", "super_admin"
LINK_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Urls:
    """One URL for each login of the demo. Their passwords live as long as the demo runs."""

    owner: str
    worker: str
    web: str


def seed(server: EmbeddedServer, world: World) -> Urls:
    """Creates the database, migrates it, and makes logins and what the world wants."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    superuser = server.dsn(dbname=DATABASE)
    upgrade(superuser)
    passwords = {login: secrets.token_urlsafe(24) for login in GROUPS}
    with psycopg.connect(superuser) as connection:
        for login, password in passwords.items():
            _make_login(connection, login, password)
    world.seed(superuser)
    return Urls(*(server.dsn(login, DATABASE, password) for login, password in passwords.items()))


def sign_in_path(owner_url: str) -> str:
    """A link of the admin that signs the demo's super admin in once, below the admin's address; makes them if need be."""
    caller = os_caller("the demo")
    with session(owner_url) as connection:
        if USER not in {user.name for user in list_users(connection)}:
            create_user(connection, USER, ROLE, caller)
        return make_link(connection, USER, LINK_MINUTES, caller).path


def _make_login(connection: psycopg.Connection, login: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login,)).fetchone()
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
        sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(login), sql.Literal(password)
    )
    connection.execute(statement)
    grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(GROUPS[login]), sql.Identifier(login))
    connection.execute(grant)
