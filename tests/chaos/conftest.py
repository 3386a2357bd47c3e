"""What faults need: a server that may be restarted, and a proxy that may misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgcron_py.app.database import upgrade
from pgcron_py.embedded import EmbeddedServer
from support.fleet import Fleet, fleet_in
from support.proxy import Proxy, proxied


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[tuple[EmbeddedServer, Fleet]]:
    """A server that a test may restart."""
    with EmbeddedServer() as server:
        url = server.dsn("postgres", "postgres")
        upgrade(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE effect (at timestamptz DEFAULT clock_timestamp(), what text)")
        with fleet_in(tmp_path, url, url) as fleet:
            yield server, fleet


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[tuple[Proxy, str]]:
    with proxied(fleet.worker_url) as it:
        yield it
