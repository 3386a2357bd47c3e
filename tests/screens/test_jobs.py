"""The list of jobs as people work in it: choosing many, one beside the list, columns, rows that come and go."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from screens.conftest import Site, Tab

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI


@pytest.fixture
def tab(site: Site) -> Tab:
    return site.tab()


@pytest.fixture
def herd(site: Site) -> Iterator[str]:
    """Thirty jobs with a tag of their own, three of them locked."""
    site.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, tags, is_locked) "
        "SELECT 'herd-' || lpad(n::text, 2, '0'), '@yearly', 'shop:close', '{herd}', n <= 3 FROM generate_series(1, 30) n"
    )
    yield "herd"
    site.do("DELETE FROM pgcron.cron_job WHERE 'herd' = ANY (tags)")


def test_chosen_jobs_are_disabled_together_and_what_became_of_each_is_shown(site: Site, tab: Tab) -> None:
    page = tab.open("/jobs")
    expect(page.locator("#choice")).to_be_hidden()
    page.get_by_label("Choose heartbeat").check()
    page.get_by_label("Choose sync-stock").check()
    expect(page.locator("#choice")).to_contain_text("2 chosen")
    page.locator("#choice").get_by_role("button", name="Disable").click()
    expect(page.locator("h1")).to_have_text("Disable with 2 jobs")
    expect(page.locator("main")).to_contain_text("heartbeat, sync-stock")
    page.get_by_label("How long").select_option("for a day")
    page.get_by_label("Why").fill("the shop is closed")
    page.get_by_role("button", name="Disable").click()
    expect(page).to_have_url(re.compile("/bulk/"))
    expect(page.get_by_role("status").filter(has_text="Done")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    told = "SELECT count(*) FROM pgcron.cron_job WHERE name IN ('heartbeat', 'sync-stock') AND NOT is_enabled AND disabled_reason = 'the shop is closed' AND disabled_until > now() + interval '23 h'"
    assert site.value(told) == 2
    assert site.value("SELECT count(*) FROM pgcron.audit WHERE actor = 'web:super-admin' AND reason = 'the shop is closed' AND action = 'job_disabled'") == 2  # fmt: skip
    page = tab.open("/bulk")
    expect(page.locator("tbody tr").first).to_contain_text("the shop is closed")
    site.do("SELECT pgcron.enable(name) FROM pgcron.cron_job WHERE name IN ('heartbeat', 'sync-stock')")
    assert tab.troubles == []


@pytest.mark.parametrize("scripts", [True, False])
def test_all_that_match_need_their_number_typed_and_locked_ones_are_left_out(
    site: Site, herd: str, scripts: bool
) -> None:
    page = site.tab(scripts=scripts).open("/jobs?tag=herd")
    page.goto(f"{site.url}/jobs/bulk?all=1&tag=herd&action=tag")
    expect(page.locator("main")).to_contain_text("30 jobs, all that match, with the tag herd")
    expect(page.locator("main")).to_contain_text("3 locked jobs are left out")
    page.get_by_label("Tag", exact=True).fill("autumn")
    page.get_by_label("Type 30 to confirm").fill("29")
    page.get_by_role("button", name="Add a tag").click()
    expect(page.get_by_role("alert").filter(has_text="these are 30 jobs")).to_contain_text("type 30 to confirm")
    expect(page.get_by_label("Tag", exact=True)).to_have_value("autumn")
    assert site.value("SELECT count(*) FROM pgcron.cron_job WHERE 'autumn' = ANY (tags)") == 0
    page.get_by_label("Type 30 to confirm").fill("30")
    page.get_by_role("button", name="Add a tag").click()
    expect(page).to_have_url(re.compile("/bulk/"))
    if scripts:
        expect(page.locator("main")).to_contain_text("27 done, 0 were so already, 3 refused")
        expect(page.locator("tbody tr").first).to_contain_text("is locked")
    else:
        for _ in range(50):
            if "27 done" in page.locator("main").inner_text():
                break
            page.reload()
    assert site.value("SELECT count(*) FROM pgcron.cron_job WHERE 'autumn' = ANY (tags)") == 27


def test_what_is_left_of_a_bulk_action_is_cancelled(site: Site, herd: str) -> None:
    """Runs now beyond the limit wait for their turn: there is something left to cancel."""
    page = site.tab("operator").open("/jobs/bulk?all=1&tag=herd&action=run")
    page.get_by_label("Type 30 to confirm").fill("30")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("status").filter(has_text="Waits for room")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.get_by_role("status").filter(has_text="Cancelled by web:operator")).to_be_visible()
    assert site.value("SELECT state FROM pgcron.cron_bulk ORDER BY id DESC LIMIT 1") == "CANCELLED"
    assert int(str(site.value("SELECT count(*) FROM pgcron.requests WHERE job LIKE 'herd-%%'"))) == 10


def test_who_may_not_is_refused_and_is_offered_nothing(site: Site) -> None:
    tab = site.tab("viewer")
    page = tab.open("/jobs")
    expect(page.locator("#choice")).to_have_count(0)
    page.goto(f"{site.url}/jobs/bulk?all=1&action=disable")
    expect(page.locator("h1")).to_have_text("Forbidden")


def test_the_keyboard_chooses_rows_and_ranges_and_opens_one_beside_the_list(tab: Tab) -> None:
    page = tab.open("/jobs")
    page.locator("#job-rows input[name=job]").first.click()  # letters go on working from a box that was clicked
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Shift+X")
    expect(page.locator("#choice")).to_contain_text("3 chosen")
    page.keyboard.press("o")
    expect(page.locator("#panel")).to_be_visible()
    expect(page.locator("#panel-title")).to_be_focused()
    name = page.locator("#panel-title").inner_text()
    expect(page).to_have_url(re.compile(f"open={name}"))
    expect(page.locator("#choice")).to_contain_text("3 chosen")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("tr", has_text=name).locator("[data-beside]")).to_be_focused()
    assert tab.troubles == []


def test_a_job_beside_the_list_follows_what_happens_to_it(site: Site, tab: Tab) -> None:
    page = tab.open("/jobs?open=weekly-report")
    expect(page.locator("#panel")).to_contain_text("At 07:00, only on Monday")
    expect(page.locator("#live")).to_contain_text("Live")
    site.do("SELECT pgcron.disable('weekly-report', 'the printer is on fire')")
    expect(page.locator("#panel")).to_contain_text("the printer is on fire")
    expect(page.locator("#panel").get_by_role("button", name="Run now")).to_be_disabled()
    site.do("SELECT pgcron.enable('weekly-report')")
    expect(page.locator("#panel").get_by_role("button", name="Run now")).to_be_enabled()
    assert (
        page.locator("#panel [data-copy]").first.get_attribute("data-copy") == "SELECT pgcron.run_now('weekly-report');"
    )


def test_a_row_that_no_longer_matches_stays_and_says_so_and_new_ones_are_told_of(site: Site, tab: Tab) -> None:
    site.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, tags) VALUES ('visitor', '@yearly', 'shop:close', '{guests}')"
    )
    page = tab.open("/jobs?tag=guests")
    expect(page.locator("#live")).to_contain_text("Live")
    site.do("UPDATE pgcron.cron_job SET tags = '{}' WHERE name = 'visitor'")
    row = page.locator("tr", has_text="visitor")
    expect(row).to_contain_text("no longer matches: refresh")
    site.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, tags) SELECT 'guest-' || n, '@yearly', 'shop:close', '{guests}' FROM generate_series(1, 2) n"
    )
    expect(page.locator("#new-pill")).to_contain_text("1 new job: show")  # two came, one went
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("#new-pill a").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    site.do("DELETE FROM pgcron.cron_job WHERE name = 'visitor' OR 'guests' = ANY (tags)")


def test_columns_are_hidden_and_shown_by_url(site: Site) -> None:
    page = site.tab(scripts=False).open("/jobs?sort=-name")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("link", name=re.compile("Last 30 runs ?: hide")).click()
    expect(page).to_have_url(f"{site.url}/jobs?sort=-name&hide=runs")
    expect(page.locator("thead")).not_to_contain_text("Last 30 runs")
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("link", name=re.compile("Last 30 runs ?: show")).click()
    expect(page.locator("thead")).to_contain_text("Last 30 runs")
