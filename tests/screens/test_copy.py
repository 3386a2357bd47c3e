"""What is copied is what is shown, and nothing else."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from screens.conftest import Site

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI
CLIPBOARD = "navigator.clipboard.readText()"


def test_a_token_that_is_shown_once_is_copied_and_so_is_a_command(site: Site) -> None:
    tab = site.tab()
    page = tab.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.open("/settings/tokens")
    page.get_by_label("What it is for").fill("a script")
    page.get_by_label("cron.view").check()
    page.get_by_role("button", name="Make token").click()
    shown = page.locator("#shown-once")
    expect(shown).to_contain_text("pgc_")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate(CLIPBOARD) == shown.inner_text()
    tab.open("/jobs?open=heartbeat")
    page.get_by_role("button", name="SQL").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate(CLIPBOARD) == "SELECT pgcron.run_now('heartbeat');"
    assert tab.troubles == []
