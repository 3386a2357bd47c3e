"""Setting a database up: roles, schema, migrations; and knowing whether it is the one it claims to be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import DBAPIError

from pgcron_py.app.rights import RIGHTS
from pgcron_py.errors import DatabaseNotReady, LockNotAvailable
from pgcron_py.resources import resource_dir
from pgcron_py.storage.sqlstates import refusals_translated

LOCK_WAIT = "2s"
_ALEMBIC = threading.Lock()  # Alembic keeps the migration that runs in a module: one at a time in a process
UPGRADE_WAIT = "60s"  # for another upgrade: nobody waits behind this one meanwhile
UPGRADE_LOCK = 0x70676372  # one upgrade at a time in a database

ROLES = tuple(role.group for role in RIGHTS)

# Roles belong to the cluster: another database's upgrade may create them at the same moment.
CREATE_ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
    CREATE ROLE {role} NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
# Operators and the web look, too. What each may do is in sql/grants.
READERS = ("pgcron_operator", "pgcron_web")
JOIN_READER = """
DO $$ BEGIN
  IF NOT pg_has_role('{role}', 'pgcron_reader', 'MEMBER') THEN
    GRANT pgcron_reader TO {role};
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
JOIN_OWNER = """
DO $$ BEGIN
  IF NOT pg_has_role(current_user, 'pgcron_owner', 'MEMBER') THEN
    EXECUTE format('GRANT pgcron_owner TO %I', current_user);
  END IF;
END $$
"""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """revision: the migration the database is at (None = not set up); head: the newest this code knows."""

    revision: str | None
    head: str

    @property
    def is_current(self) -> bool:
        return self.revision == self.head


def upgrade(url: str, revision: str = "head") -> DatabaseState:
    """Creates what is missing and migrates to `revision`. Waits at most 2 s for a lock.

    Raises DatabaseUnavailable, LockNotAvailable; PgCronError when the role may not create schemas or roles.
    """
    with _migration_connection(url) as (connection, config):
        command.upgrade(config, revision)
        return _state(connection)


def downgrade(url: str, revision: str) -> DatabaseState:
    """Goes back to `revision`; `base` removes all tables, functions and data of pgcron."""
    with _migration_connection(url) as (connection, config):
        command.downgrade(config, revision)
        return _state(connection)


def current(url: str) -> DatabaseState:
    """Where the database is, without changing anything."""
    with _connected(url) as connection:
        return _state(connection)


def adopt(url: str) -> None:
    """Says that this database is now itself: after a restore or a copy on purpose (the clone guard asks for it).

    The leases of the original's workers lapse at once: they never belonged to this copy, and the next worker to start
    gives up their runs.
    """
    with refusals_translated(), psycopg.connect(url) as connection:
        connection.execute("""
            UPDATE pgcron.cron_meta SET system_identifier = (pg_control_system()).system_identifier::text,
              database_oid = (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
              adopted_at = clock_timestamp(), adopted_by = session_user
        """)
        connection.execute("UPDATE pgcron.cron_lease SET lease_until = clock_timestamp(), was_renewed = true")


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    def connect() -> psycopg.Connection:
        return psycopg.connect(url, connect_timeout=10, application_name="pgcron db", prepare_threshold=None)

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)
    with refusals_translated(), _driver_errors_unwrapped(), engine.connect() as connection:
        # All is one transaction, and the limit its own: a pooler refuses settings at the start of a session.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
        yield connection


@contextmanager
def _driver_errors_unwrapped() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _told(error.orig) or error from error
    except psycopg.errors.LockNotAvailable as error:
        raise _told(error) or error from error


def _told(error: BaseException | None) -> Exception | None:
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return LockNotAvailable(
            f"waited {LOCK_WAIT} for a lock that another session holds; nothing was changed",
            hint="look at pg_locks, end the session that holds it, or try again at a quieter time",
        )
    return error if isinstance(error, psycopg.Error) else None


@contextmanager
def _migration_connection(url: str) -> Iterator[tuple[Connection, Config]]:
    with _ALEMBIC, _connected(url) as connection:
        _prepare_roles_and_schema(connection)
        config = _config()
        config.attributes["connection"] = connection
        yield connection, config
        connection.commit()


def _prepare_roles_and_schema(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    _wait_for_other_upgrades(driver)
    for role in ROLES:
        driver.execute(CREATE_ROLE.format(role=role))
    for role in READERS:
        driver.execute(JOIN_READER.format(role=role))
    driver.execute(JOIN_OWNER)
    driver.execute("CREATE SCHEMA IF NOT EXISTS pgcron AUTHORIZATION pgcron_owner")
    driver.execute("SET LOCAL ROLE pgcron_owner")
    # Functions and types are everybody's when they are made: not those of this owner.
    for objects in ("EXECUTE ON FUNCTIONS", "USAGE ON TYPES"):
        driver.execute(f"ALTER DEFAULT PRIVILEGES REVOKE {objects} FROM PUBLIC")


def _wait_for_other_upgrades(driver: psycopg.Connection) -> None:
    driver.execute(f"SET LOCAL lock_timeout = '{UPGRADE_WAIT}'")
    try:
        driver.execute("SELECT pg_advisory_xact_lock(%s)", (UPGRADE_LOCK,))
    except psycopg.errors.LockNotAvailable as error:
        message = f"another upgrade of this database has been going on for {UPGRADE_WAIT}; nothing was changed"
        raise LockNotAvailable(message, hint="wait for it, or look for its session in pg_locks (advisory)") from error
    driver.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource_dir("alembic")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _state(connection: Connection) -> DatabaseState:
    context = MigrationContext.configure(connection, opts={"version_table_schema": "pgcron"})
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise DatabaseNotReady("no migrations are packaged: the installation is incomplete")
    return DatabaseState(revision=context.get_current_revision(), head=head)
