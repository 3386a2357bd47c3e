"""axe-core's rules of WCAG 2.2 AA on every screen, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect
from screens.conftest import Site
from screens.seeds import seed_people_and_alerts
from screens.test_alerts import SCREENS as ALERTS
from screens.test_screens import SCREENS, a_run
from screens.test_settings import SCREENS as SETTINGS

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

AXE = Path(__file__).resolve().parents[2] / "admin/frontend/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ASK = "tags => axe.run({runOnly: tags}).then(found => found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; ')}`))"


@pytest.mark.skipif(not AXE.exists(), reason="axe-core comes with the front end's packages: make assets")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(site: Site, dark: bool) -> None:
    signed_in, nobody = site.tab(dark=dark), site.tab(None, dark=dark)
    for tab, paths in ((signed_in, (*SCREENS, a_run(site, "send-invoices"), "/jobs/nobody")), (nobody, ("/sign-in",))):
        for path in paths:
            page = tab.open(path)
            page.evaluate(AXE.read_text("utf-8"))
            assert page.evaluate(ASK, RULES) == [], path
    page = signed_in.open("/jobs/nightly-close")
    page.get_by_role("link", name="Run with arguments").click()
    page.locator("#run-dialog-title").wait_for()
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(ASK, RULES) == [], "the dialog of a run"


OPENED = ("document.getElementById('user-menu').showPopover()", "dispatchEvent(new Event('offline'))")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core comes with the front end's packages: make assets")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_in_alerts_settings_and_what_opens_in_the_frame(site: Site, dark: bool) -> None:
    seed_people_and_alerts(site)
    tab = site.tab(dark=dark)
    for path in (*SETTINGS, *ALERTS):
        page = tab.open(path)
        page.evaluate(AXE.read_text("utf-8"))
        assert page.evaluate(ASK, RULES) == [], path
    site.do("SELECT pgcron.pause_all('the mail provider is down')")
    page = tab.open("/settings/users/new")
    page.evaluate(AXE.read_text("utf-8"))
    page.get_by_label("Name").fill("not a name!")
    page.get_by_role("button", name="Add user").click()
    expect(page.locator("#name-error")).to_be_visible()
    for opened in OPENED:
        page.evaluate(opened)
    assert page.evaluate(ASK, RULES) == []
    site.do("SELECT pgcron.resume_all()")
