"""One sitting without a mouse, on real workers: sign in, find a job, run it, watch it, read its log, move it, move it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from screens.conftest import Site

from pgcron_py.app.passwords import hashed
from support.fleet import Fleet, fleet_in

APP = """
import asyncio
from pathlib import Path
from pgcron_py import JobContext, PgCron
app = PgCron("journey", release="1")

@app.handler("journey:work")
async def work(ctx: JobContext) -> dict[str, int]:
    for number in range(1, 4):
        ctx.log.info("step %d of 3", number)
    while not Path("go-on").exists():
        await asyncio.sleep(0.05)
    ctx.log.info("the end of the journey")
    return {"steps": 3}
"""
PASSWORD = "a long and good password"


@pytest.fixture
def fleet(site: Site, tmp_path: Path) -> Iterator[Fleet]:
    tmp_path.chmod(0o755)
    with fleet_in(tmp_path, site.db_url, site.db_url) as fleet:
        fleet.app(APP)
        fleet.start()
        yield fleet


def tab_to(page: Page, text: str, role: str = "") -> None:
    """By Tab alone, as somebody without a mouse comes there."""
    for _ in range(120):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "[document.activeElement.innerText || document.activeElement.getAttribute('aria-label') || '', document.activeElement.tagName]"
        )
        if text in found[0] and role.upper() in ("", found[1]):
            return
    raise AssertionError(f"Tab does not lead to {text!r}")


def test_a_sitting_without_a_mouse(site: Site, fleet: Fleet, tmp_path: Path) -> None:
    site.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('journey', '0 3 * * *', 'journey:work')")
    site.people.add("nomouse", "super_admin")
    site.people.set_password("nomouse", hashed(PASSWORD))
    tab = site.tab(None)
    page = tab.open("/jobs")

    page.keyboard.type("nomouse")  # the name has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/jobs")

    page.keyboard.press("/")
    page.keyboard.type("journey")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("#live")).to_contain_text("Live")
    page.keyboard.press("j")
    page.keyboard.press("r")
    expect(page.get_by_text("A run was asked for.")).to_be_visible()
    expect(page.locator("h1")).to_contain_text("Running")  # without a key: the page follows the job

    tab_to(page, "#1", "a")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/runs/"))
    expect(page.locator("[role=log]")).to_contain_text("step 3 of 3")
    (tmp_path / "go-on").touch()
    expect(page.locator("[role=log]")).to_contain_text("the end of the journey")
    expect(page.locator("h1")).to_contain_text("Success")

    page.go_back()
    expect(page.locator("h1")).to_contain_text("journey")
    page.keyboard.press("e")
    expect(page.locator("#schedule")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("30 4 * * *")
    expect(page.locator("#sentence")).to_contain_text("At 04:30")
    while page.evaluate("document.activeElement.id") != "reason":
        page.keyboard.press("Tab")
    page.keyboard.type("later is better")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    assert site.value("SELECT schedule FROM pgcron.cron_job WHERE name = 'journey'") == "30 4 * * *"

    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.locator("h1")).to_have_text("Audit")
    tab_to(page, "Undo", "button")  # the newest entry is the change
    page.keyboard.press("Enter")
    expect(page.get_by_text("The change was undone.")).to_be_visible()
    assert site.value("SELECT schedule FROM pgcron.cron_job WHERE name = 'journey'") == "0 3 * * *"
    assert tab.troubles == []
