"""One `pgcron admin --dev` for all modules, on a database that is as new for each: tests of a module use names of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from pgcron_admin.app import AdminApp, create_app
from pgcron_admin.settings import AdminSettings
from support.admin import Browser, environment
from support.admin_sites import Site, site_on


@pytest.fixture(scope="session")
def shared_site(embedded_pg: object, migrated_template: str) -> Iterator[Site]:
    with site_on(embedded_pg, migrated_template) as found:
        yield found


@pytest.fixture(scope="module")
def site(shared_site: Site) -> Site:
    shared_site.renew()
    return shared_site


@pytest.fixture(scope="module")
def own_site(embedded_pg: object, migrated_template: str) -> Iterator[Site]:
    """For modules that look into what the admin itself remembers, or do it harm."""
    with site_on(embedded_pg, migrated_template) as found:
        yield found


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
