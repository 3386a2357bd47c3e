"""The first page: what is wrong, and what to do about it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from screens.conftest import Site

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI


def test_what_is_wrong_comes_first_with_what_to_do_about_it(site: Site) -> None:
    site.do(
        "UPDATE pgcron.cron_job SET is_enabled = false, disabled_by = 'pgcron', disabled_reason = '3 strikes', consecutive_failures = 3 WHERE name = 'purge-carts'"
    )
    tab = site.tab("operator")
    page = tab.open("/")
    rows = page.locator("li", has=page.locator("[class*=tone-]")).filter(has_text="in a row")
    expect(rows.filter(has_text="send-invoices")).to_contain_text(
        "4 failures in a row: ConnectionError: the mail server refused"
    )
    rows.filter(has_text="purge-carts").get_by_role("button", name="Enable").click()
    expect(page).to_have_url(re.compile("/jobs/purge-carts"))
    assert site.value("SELECT is_enabled FROM pgcron.cron_job WHERE name = 'purge-carts'") is True
    page = tab.open("/")
    rows.filter(has_text="send-invoices").get_by_role("link", name="Failures").click()
    expect(page).to_have_url(f"{site.url}/runs?job=send-invoices&status=FAILED")
    assert tab.troubles == []


def test_the_day_is_drawn_and_told_by_the_hour(site: Site) -> None:
    page = site.tab("viewer").open("/")
    runs = site.value(
        "SELECT count(*) FROM pgcron.runs WHERE started_at > date_bin('5 minutes', clock_timestamp(), 'epoch') - interval '23 h 55 min'"
    )
    expect(page.get_by_role("group", name=re.compile(f"{runs} runs in 24 hours"))).to_be_visible()
    page.get_by_text("By the hour").click()
    told = page.get_by_role("region", name="Runs by the hour").locator("tbody td:nth-child(2)").all_inner_texts()
    assert sum(int(re.sub(r"\D", "", number)) for number in told) == runs
    expect(page.get_by_role("button", name="Enable")).to_have_count(0)
