"""One database and one `pgcron admin --dev` for each module: tests of a module use names of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from pgcron_admin.app import AdminApp, create_app
from pgcron_admin.settings import AdminSettings
from support.admin import METRICS_TOKEN, Browser, People, Server, admin_process, environment


@dataclass(frozen=True)
class Site:
    """db_url: as superuser. web_url: as a member of pgcron_web, which the admin is."""

    db_url: str
    web_url: str
    server: Server
    people: People

    @property
    def url(self) -> str:
        return self.server.url

    def browser(self) -> Browser:
        return Browser(self.url)

    def session(self, name: str, role: str = "viewer", *extra: str) -> Browser:
        return self.people.session(self.url, name, role, *extra)


@pytest.fixture(scope="module")
def site(embedded_pg: object, migrated_template: str) -> Iterator[Site]:
    from pgcron_py.app.database import adopt

    with embedded_pg.database(migrated_template) as name:  # type: ignore[attr-defined]  # tests/conftest.py's Server
        db_url = embedded_pg.url(name)  # type: ignore[attr-defined]
        web_url = embedded_pg.url(name, ("t_web", "test"))  # type: ignore[attr-defined]
        adopt(db_url)
        with admin_process(web_url, "--dev", PGCRON_ADMIN_METRICS_TOKEN=METRICS_TOKEN) as server:
            yield Site(db_url, web_url, server, People(db_url))


@pytest.fixture
def run_pgcron(site: Site) -> Callable[..., str]:
    """`pgcron` on the site's database, as its owner: what it printed."""

    def run(*arguments: str, stdin: str = "") -> str:
        command = [sys.executable, "-c", "from pgcron_py.cli import main; main()", *arguments]
        done = subprocess.run(
            command, env=environment(site.db_url), input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def app() -> AdminApp:
    """The application in this process, with no database behind it."""
    return create_app(AdminSettings(database_url="postgresql://127.0.0.1:1/none", dev=True))


@pytest.fixture
def boss(site: Site) -> Browser:
    """A super admin of the module's site; modules with other bosses have their own."""
    return site.session("the-boss", "super_admin")


@pytest.fixture
def connection(site: Site) -> Iterator[psycopg.Connection]:
    """The module's database, as superuser."""
    with psycopg.connect(site.db_url, autocommit=True) as found:
        yield found
