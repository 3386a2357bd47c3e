"""One database for all tests of schedules in SQL: they change nothing in it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from conftest import Server


@pytest.fixture(scope="session")
def sql_schedules(embedded_pg: Server, migrated_template: str) -> Iterator[psycopg.Connection]:
    with (
        embedded_pg.database(migrated_template) as name,
        psycopg.connect(embedded_pg.url(name), autocommit=True) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
