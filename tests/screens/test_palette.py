"""Ctrl+K: anything in three keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from screens.conftest import Site
from screens.test_accessibility import ASK, AXE, RULES

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI


def test_a_job_is_found_and_run_without_the_mouse(site: Site) -> None:
    tab = site.tab("operator")
    page = tab.open("/workers")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").first).to_have_text("Overview")
    page.keyboard.type("purge")
    expect(page.get_by_role("option").first).to_have_text("purge-carts")
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(ASK, RULES) == []
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_text("Run purge-carts now")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/jobs/purge-carts"))
    expect(page.get_by_text("A run was asked for.")).to_be_visible()
    assert site.value("SELECT count(*) FROM pgcron.requests WHERE job = 'purge-carts'") == 1
    assert tab.troubles == []


def test_a_run_is_found_by_its_name_and_a_viewer_is_offered_no_deeds(site: Site) -> None:
    page = site.tab("viewer").open("/")
    page.get_by_role("button", name="Find or do").click()
    page.keyboard.type("send-invoices#60")
    expect(page.get_by_role("option")).to_have_text(["send-invoices#60"])
    page.get_by_role("combobox").fill("send")
    expect(page.get_by_role("option")).to_have_text(["send-invoices"])
    page.get_by_role("combobox").fill("<b>nobody</b>")
    expect(page.locator("#choices")).to_contain_text("Nothing is called “<b>nobody</b>”.")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(page.get_by_role("button", name="Find or do")).to_be_focused()
