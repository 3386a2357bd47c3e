"""Databases for tests.

    pg_admin_url                      superuser, maintenance database of the session's server
    empty_db_url                      superuser, a fresh empty database
    db_url                            superuser, a fresh clone of the migrated template
    owner_url worker_url web_url operator_url reader_url
                                      the same clone as `db_url`, as login roles of pgcron_owner, _worker, _web, …

PGCRON_TEST_PG picks the server: 18 (default) or 16, both embedded, or 15 (Debian's). PGCRON_TEST_DSN takes a running
server instead (a superuser's DSN). Each xdist worker has an embedded server of its own: they start side by side in
0.7 s, roles can't race, and a test that kills backends or reads pg_stat_activity meets nobody else's.
The servers stop when pytest ends in any way, `kill -9` included (see pgcron_py.embedded).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from pgcron_py.embedded import EmbeddedServer
from support.figures import measured, pytest_terminal_summary  # noqa: F401 - a fixture and a hook
from support.fleet import Fleet, fleet_in
from support.kept import let_go
from support.steps import Stage

SERVERS: dict[str, str | Path] = {"18": "18", "16": "16", "15": Path("/usr/lib/postgresql/15/bin")}
LOGIN_ROLES = {
    "t_owner": "pgcron_owner",
    "t_worker": "pgcron_worker",
    "t_web": "pgcron_web",
    "t_operator": "pgcron_operator",
    "t_reader": "pgcron_reader",
}
LOGIN_PASSWORD = "test"
CLUSTER_LOCK = 20_240_229  # any number


def pytest_configure() -> None:
    if os.environ.get("PGCRON_TEST_PG", "18") not in SERVERS:
        raise pytest.UsageError(f"PGCRON_TEST_PG must be one of {', '.join(SERVERS)}")


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    user: str
    password: str | None
    maintenance_db: str = "postgres"
    # In memory and without fsync file_copy beats the default; on a disk it would lose.
    clone_strategy: str = "file_copy"

    def url(self, dbname: str, login: tuple[str, str | None] | None = None) -> str:
        user, password = login or (self.user, self.password)
        secret = f":{quote(password, safe='')}" if password else ""
        address = urlencode({"host": self.host, "port": self.port}, quote_via=quote)
        return f"postgresql://{quote(user, safe='')}{secret}@/{quote(dbname, safe='')}?{address}"

    @contextmanager
    def maintenance(self) -> Iterator[psycopg.Connection]:
        # One connection per use: a kept one would not survive tests that restart the server or kill backends.
        with psycopg.connect(self.url(self.maintenance_db), autocommit=True) as connection:
            yield connection

    @contextmanager
    def cluster_lock(self) -> Iterator[psycopg.Connection]:
        """One at a time for what is cluster-wide: xdist workers share the server of PGCRON_TEST_DSN."""
        with self.maintenance() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (CLUSTER_LOCK,))
            yield connection

    @contextmanager
    def database(self, template: str) -> Iterator[str]:
        """The name of a fresh copy of `template`, which is dropped afterwards, connected or not."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
            sql.Identifier(name), sql.Identifier(template), sql.SQL(self.clone_strategy)
        )
        with self.maintenance() as connection:
            connection.execute(create)
        try:
            yield name
        finally:
            let_go(name)
            with self.maintenance() as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def embedded_pg() -> Iterator[Server]:
    """The session's server."""
    if dsn := os.environ.get("PGCRON_TEST_DSN"):
        yield running_server(dsn)
        return
    with EmbeddedServer(SERVERS[os.environ.get("PGCRON_TEST_PG", "18")]) as server:
        yield Server(server.host, server.port, server.user, password=None)


def running_server(dsn: str) -> Server:
    with psycopg.connect(dsn) as connection:
        info = connection.info
        return Server(info.host, info.port, info.user, info.password or None, info.dbname, clone_strategy="wal_log")


@pytest.fixture(scope="session")
def migrated_template(embedded_pg: Server) -> Iterator[str]:
    """The name of a database at the newest migration; also creates the login roles."""
    from pgcron_py.app.database import upgrade

    janitor = DatabaseJanitor(
        user=embedded_pg.user,
        host=embedded_pg.host,
        port=embedded_pg.port,
        password=embedded_pg.password,
        maintenance_dbname=embedded_pg.maintenance_db,
        dbname=f"pgcron_template_{uuid.uuid4().hex[:12]}",
        template_dbname="template0",
        as_template=True,
    )
    with janitor:
        with embedded_pg.cluster_lock() as connection:
            upgrade(embedded_pg.url(janitor.dbname))
            create_login_roles(connection)
        yield janitor.dbname


def create_login_roles(connection: psycopg.Connection) -> None:
    existing = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    for login, group in LOGIN_ROLES.items():
        if login not in existing:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(login), LOGIN_PASSWORD)
            )
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(login)))


@pytest.fixture(scope="session")
def pg_admin_url(embedded_pg: Server) -> str:
    """Superuser's URL of the maintenance database."""
    return embedded_pg.url(embedded_pg.maintenance_db)


@pytest.fixture
def empty_db_url(embedded_pg: Server) -> Iterator[str]:
    """Superuser's URL of a fresh empty database."""
    with embedded_pg.database("template0") as name:
        yield embedded_pg.url(name)


@pytest.fixture
def clone(embedded_pg: Server, migrated_template: str) -> Iterator[str]:
    """The name of a fresh clone of the migrated template, adopted: else the clone guard would refuse workers."""
    from pgcron_py.app.database import adopt

    with embedded_pg.database(migrated_template) as name:
        adopt(embedded_pg.url(name))
        yield name


@pytest.fixture
def db_url(embedded_pg: Server, clone: str) -> str:
    """Superuser's URL of the test's clone."""
    return embedded_pg.url(clone)


@pytest.fixture
def owner_url(embedded_pg: Server, clone: str) -> str:
    """The test's clone as a member of pgcron_owner."""
    return embedded_pg.url(clone, ("t_owner", LOGIN_PASSWORD))


@pytest.fixture
def worker_url(embedded_pg: Server, clone: str) -> str:
    """The test's clone as a member of pgcron_worker."""
    return embedded_pg.url(clone, ("t_worker", LOGIN_PASSWORD))


@pytest.fixture
def web_url(embedded_pg: Server, clone: str) -> str:
    """The test's clone as a member of pgcron_web."""
    return embedded_pg.url(clone, ("t_web", LOGIN_PASSWORD))


@pytest.fixture
def operator_url(embedded_pg: Server, clone: str) -> str:
    """The test's clone as a member of pgcron_operator."""
    return embedded_pg.url(clone, ("t_operator", LOGIN_PASSWORD))


@pytest.fixture
def reader_url(embedded_pg: Server, clone: str) -> str:
    """The test's clone as a member of pgcron_reader."""
    return embedded_pg.url(clone, ("t_reader", LOGIN_PASSWORD))


@pytest.fixture
def stage(db_url: str, worker_url: str) -> Iterator[Stage]:
    """The test's clone with actors on it: see support.steps."""
    stage = Stage(db_url, worker_url)
    yield stage
    stage.close()


@pytest.fixture
def fleet(tmp_path: Path, db_url: str, worker_url: str) -> Iterator[Fleet]:
    """Worker processes on the test's clone, with a table `effect` for what their handlers do."""
    with fleet_on(tmp_path, db_url, worker_url) as fleet:
        yield fleet


@contextmanager
def fleet_on(folder: Path, db_url: str, worker_url: str) -> Iterator[Fleet]:
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE effect (at timestamptz DEFAULT clock_timestamp(), what text)")
        connection.execute("GRANT ALL ON effect TO pgcron_worker")
    with fleet_in(folder, db_url, worker_url) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def module_fleet(
    embedded_pg: Server, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A fleet for all tests of a module: where starting a worker is not what they test. See Fleet.begin_anew."""
    from pgcron_py.app.database import adopt

    with embedded_pg.database(migrated_template) as name:
        url = embedded_pg.url(name)
        adopt(url)
        worker_url = embedded_pg.url(name, ("t_worker", LOGIN_PASSWORD))
        with fleet_on(tmp_path_factory.mktemp("fleet"), url, worker_url) as fleet:
            yield fleet
