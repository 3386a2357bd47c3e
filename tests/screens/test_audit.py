"""The audit: found, looked at, undone, exported."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect
from screens.conftest import Site

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI


def test_a_change_is_found_looked_at_and_undone(site: Site) -> None:
    site.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('fx-rates', '@daily', 'shop:close')")
    site.do("SELECT pgcron.alter_job('fx-rates', '{\"schedule\": \"0 6 * * *\"}')")
    tab = site.tab()
    page = tab.open("/audit?action=job_changed")
    page.get_by_label("Anything").fill("fx-rates")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("search=fx-rates&.*action=job_changed"))
    entry = page.locator("main li").first
    entry.locator("summary").click()
    expect(entry.locator("del")).to_have_text("@daily")
    entry.get_by_role("link").first.click()
    expect(page.locator("#origin + *, section[aria-labelledby=origin]").last).to_contain_text("postgres")
    page.get_by_role("button", name="Undo this change").click()
    expect(page.get_by_text("The change was undone.")).to_be_visible()
    assert site.value("SELECT schedule FROM pgcron.cron_job WHERE name = 'fx-rates'") == "@daily"
    site.do("DELETE FROM pgcron.cron_job WHERE name = 'fx-rates'")
    page.get_by_role("button", name="Undo this change").click()
    expect(page.get_by_role("alert")).to_contain_text("job")
    assert tab.troubles == []


def test_a_time_that_is_none_is_told_beside_its_field_and_denied_tries_are_marked(site: Site) -> None:
    viewer = site.people.session(site.url, "curious", "viewer")
    assert viewer.post("/api/fleet/pause", {"reason": "x"}).status_code == 403
    page = site.tab(scripts=False).open("/audit?since=yesterday")
    expect(page.get_by_role("alert")).to_contain_text("since: 'yesterday' is no instant")
    expect(page.get_by_label("From (UTC)")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("From (UTC)")).to_have_value("yesterday")
    page.goto(f"{site.url}/audit?actor=web:curious")
    expect(page.locator("main li").first).to_contain_text("denied")


def test_what_is_shown_is_exported(site: Site) -> None:
    site.do("SELECT pgcron.disable('heartbeat', 'for an export')")
    site.do("SELECT pgcron.enable('heartbeat')")
    page = site.tab().open("/audit?search=for+an+export")
    with page.expect_download() as told:
        page.get_by_role("link", name="Export").click()
    lines = [json.loads(line) for line in told.value.path().read_text("utf-8").splitlines()]
    assert {line["job"] for line in lines} == {"heartbeat"}
    assert any(line["action"] == "job_disabled" for line in lines)
