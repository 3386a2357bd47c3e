"""A database with an admin on it, which is made as new between tests: starting another admin takes a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.admin import METRICS_TOKEN, Browser, People, Server, admin_process
from support.api import Records
from support.snapshots import Snapshots


@dataclass(frozen=True)
class Place:
    """An admin and its database. db_url: as superuser. web_url: as a member of pgcron_web, which the admin is."""

    db_url: str
    web_url: str
    server: Server
    people: People

    @property
    def url(self) -> str:
        return self.server.url


@dataclass(frozen=True)
class Site(Place):
    """renew: leaves no row of the tests before."""

    renew: Callable[[], None]

    def browser(self) -> Browser:
        return Browser(self.url)

    def session(self, name: str, role: str = "viewer", *extra: str) -> Browser:
        return self.people.session(self.url, name, role, *extra)


@contextmanager
def site_on(embedded_pg: Any, template: str, **settings: str) -> Iterator[Site]:
    """embedded_pg: tests/conftest.py's Server. settings: of the admin's environment."""
    from pgcron_py.app.database import adopt

    with embedded_pg.database(template) as name:
        db_url, web_url = embedded_pg.url(name), embedded_pg.url(name, ("t_web", "test"))
        adopt(db_url)
        # The hint ends answers that the admin keeps.
        snapshots = Snapshots(Records(db_url), afresh="NOTIFY pgcron, 'sync'")
        snapshots.keep("new")
        with admin_process(web_url, "--dev", PGCRON_ADMIN_METRICS_TOKEN=METRICS_TOKEN, **settings) as server:
            yield Site(db_url, web_url, server, People(db_url), lambda: snapshots.restore("new"))
