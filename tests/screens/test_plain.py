"""Pages that have to do without something: without assets, without figures."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect
from screens.conftest import Site

from support.admin import admin_process

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

NO_ASSETS = "import pathlib, pgcron_admin.assets as assets\nassets.Assets.found.__func__.__defaults__ = (pathlib.Path('/nonexistent'),)"


def test_without_built_assets_pages_are_plain_and_work(site: Site) -> None:
    with admin_process(site.web_url, "--dev", before=NO_ASSETS) as server:
        tab = site.tab("operator", url=server.url)
        page = tab.open("/jobs")
        assert page.locator("link[rel=stylesheet], script").count() == 0
        page.get_by_role("link", name="purge-carts", exact=True).click()
        page.get_by_label("Why").fill("plain, and works")
        page.get_by_role("button", name="Disable").click()
        expect(page.locator("main")).to_contain_text("plain, and works")
        page.get_by_role("button", name="Enable").click()
        assert site.value("SELECT is_enabled FROM pgcron.cron_job WHERE name = 'purge-carts'") is True
        assert sum("no_assets" in line for line in server.lines) == 1
        assert tab.troubles == []


def test_a_job_whose_figures_take_too_long_is_shown_without_them(site: Site) -> None:
    """Counting a million runs takes seconds; so does this."""
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_get_functiondef('pgcron.job_statistics'::regproc)").fetchone()
        assert row is not None
        connection.execute(row[0].replace("BEGIN", "BEGIN\n  PERFORM pg_sleep(5);", 1))
        page = site.tab("viewer").open("/jobs/heartbeat")
        expect(page.locator("#uncounted")).to_contain_text("Its figures are not counted yet")
        expect(page.locator("h1")).to_contain_text("heartbeat")
        connection.execute(row[0])
    page.reload()
    expect(page.locator("#uncounted")).to_have_count(0)
    expect(page.get_by_role("region", name="Figures")).to_be_visible()
