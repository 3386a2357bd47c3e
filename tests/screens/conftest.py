"""A real browser on a real admin. Without Chromium these tests are skipped, but in CI, where it is required."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pgcron_admin.assets import FOLDER
from support.admin import People, admin_process
from support.admin_sites import Place
from support.kept import kept
from support.showcase import seed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For a module only: while it lives its event loop is this thread's, and other tests have loops of their own."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium: .ci/run installs it")
        pytest.skip("no chromium here: apt-get install chromium")
    if not (FOLDER / "manifest.json").exists():
        pytest.fail("the assets aren't built: make assets")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page of somebody, with everything that went wrong in it."""

    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page


@dataclass(frozen=True)
class Site(Place):
    """With a browser before it."""

    chromium: Browser

    def context(
        self, role: str | None, *, dark: bool = False, phone: bool = False, scripts: bool = True
    ) -> BrowserContext:
        context = self.chromium.new_context(
            viewport=PHONE if phone else DESK, color_scheme="dark" if dark else "light", java_script_enabled=scripts,
            reduced_motion="reduce",
        )  # fmt: skip
        if role is not None:
            cookie = self.people.session(self.url, role.replace("_", "-"), role).cookie
            assert cookie is not None
            context.add_cookies([{"name": "pgcron_dev", "value": cookie, "domain": "127.0.0.1", "path": "/"}])
        return context

    def tab(
        self,
        role: str | None = "super_admin",
        *,
        dark: bool = False,
        phone: bool = False,
        scripts: bool = True,
        url: str | None = None,
    ) -> Tab:
        """Closed with the session's browser."""
        page = self.context(role, dark=dark, phone=phone, scripts=scripts).new_page()
        here = url or self.url
        tab = Tab(page, here)
        page.on("pageerror", lambda error: tab.troubles.append(str(error)))
        page.on(
            "console", lambda said: tab.troubles.append(said.text) if "Content Security Policy" in said.text else None
        )
        page.on(
            "request",
            lambda asked: tab.troubles.append(asked.url) if not asked.url.startswith((here, "data:")) else None,
        )
        page.on("dialog", lambda dialog: (tab.troubles.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        return tab

    def do(self, statement: str, *values: object) -> None:
        kept(self.db_url).execute(statement, values or None)

    def value(self, query: str, *values: object) -> object:
        row = kept(self.db_url).execute(query, values or None).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def site(chromium: Browser, embedded_pg: object, migrated_template: str) -> Iterator[Site]:
    from pgcron_py.app.database import adopt

    with embedded_pg.database(migrated_template) as name:  # type: ignore[attr-defined]  # tests/conftest.py's Server
        db_url = embedded_pg.url(name)  # type: ignore[attr-defined]
        adopt(db_url)
        with psycopg.connect(db_url, autocommit=True) as connection:
            seed(connection)
        web_url = embedded_pg.url(name, ("t_web", "test"))  # type: ignore[attr-defined]
        with admin_process(web_url, "--dev") as server:
            yield Site(db_url, web_url, server, People(db_url), chromium)
