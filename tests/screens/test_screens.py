"""The pages as people use them: signing in, looking, steering, with and without JavaScript, by role, and with hostile text in them."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import expect
from screens.conftest import Site, Tab

from pgcron_py.app.passwords import hashed

SCREENS = (
    "/",
    "/jobs",
    "/jobs/nightly-close",
    "/jobs/send-invoices",
    "/jobs/gdpr-export",
    "/runs",
    "/runs?status=FAILED",
    "/workers",
    "/audit",
    "/jobs/nightly-close/schedule",
    "/jobs/gdpr-export/schedule",
    "/jobs?search=nothing-like-it",
    "/jobs/send-invoices?range=90d",
    "/jobs/gdpr-export/runs",
    "/jobs/nightly-close/runs?since=never",
    "/jobs/nightly-close/timing",
    "/jobs/send-invoices/configuration",
    "/jobs/nightly-close/audit",
    "/jobs/nightly-close/run",
    "/runs/errors",
    "/runs?job=nobody",
    "/timeline",
    "/timeline?range=24h&by=tag&zone=nowhere",
    "/timeline/heat?slot=0-3",
    "/timeline/past?range=24h",
    "/timeline/past?tag=none",
    "/jobs?open=send-invoices",
    "/jobs/bulk?all=1&action=disable",
    "/jobs/bulk",
    "/bulk",
)
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"


def a_run(site: Site, job: str) -> str:
    return f"/runs/{site.value('SELECT run_id FROM pgcron.runs WHERE job = %s ORDER BY seq DESC LIMIT 1', job)}"


@pytest.fixture
def tab(site: Site) -> Tab:
    return site.tab()


def test_a_person_signs_in_and_comes_to_the_page_they_wanted(site: Site) -> None:
    site.people.add("bea", "operator")
    site.people.set_password("bea", hashed("a long and good password"))
    tab = site.tab(None)
    page = tab.open("/jobs?show=failing")
    expect(page).to_have_url(re.compile(r"/sign-in\?next="))
    page.fill("#name", "bea")
    page.fill("#password", "something else")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong.")
    page.fill("#password", "a long and good password")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/jobs?show=failing")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="your menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site.url}/sign-in")
    page.goto(f"{site.url}/jobs")
    expect(page).to_have_url(re.compile("/sign-in"))
    assert tab.troubles == []


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_elsewhere(site: Site, wanted: str) -> None:
    tab = site.tab(None)
    page = tab.page
    page.goto(f"{site.url}/sign-in?next={wanted}")
    assert page.locator("input[name=next]").get_attribute("value") == "/"


def test_the_list_says_of_each_job_how_it_is_and_why_it_does_not_run(tab: Tab) -> None:
    page = tab.open("/jobs")
    row = page.locator("tr", has_text="nightly-close")
    expect(row).to_contain_text("0 3 * * *")
    expect(row).to_contain_text("At 03:00, Europe/Berlin time")
    expect(row).to_contain_text("Success")
    expect(page.locator("tr", has_text="send-invoices")).to_contain_text("Failing")
    disabled = page.locator("tr", has_text="rebuild-search")
    expect(disabled).to_contain_text("Disabled")
    expect(disabled).to_contain_text("the search cluster moves, see OPS-411")
    expect(page.locator("tr", has_text="gdpr-export")).to_contain_text("locked")
    assert tab.troubles == []


def test_jobs_are_searched_filtered_and_sorted_by_url(tab: Tab) -> None:
    page = tab.open("/jobs")
    page.get_by_label("Search jobs").fill("invoices")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page = tab.open("/jobs?tag=shop&sort=-name")
    names = page.locator("tbody th a.font-medium").all_inner_texts()
    assert names == ["sync-stock", "purge-carts", "nightly-close"]
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Job")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_job_is_disabled_with_a_reason_and_enabled_again(site: Site, scripts: bool) -> None:
    tab = site.tab("operator", scripts=scripts)
    page = tab.open("/jobs/purge-carts")
    page.get_by_role("textbox", name="Why").fill("carts are being migrated")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("The job is disabled.")).to_be_visible()
    expect(page.locator("#main")).to_contain_text("carts are being migrated")
    assert site.value("SELECT disabled_by FROM pgcron.job_status WHERE job = 'purge-carts'") == "web:operator"
    expect(page.get_by_role("button", name="Run now")).to_be_disabled()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("The job is enabled.")).to_be_visible()
    assert site.value("SELECT is_enabled FROM pgcron.job_status WHERE job = 'purge-carts'") is True
    assert tab.troubles == []


def test_a_run_is_asked_for_once_and_a_second_time_is_refused_in_words(site: Site) -> None:
    tab = site.tab("operator")
    page = tab.open("/jobs/weekly-report")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("A run was asked for.")).to_be_visible()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("alert")).to_contain_text("weekly-report")
    assert site.value("SELECT count(*) FROM pgcron.requests WHERE job = 'weekly-report'") == 1


def test_runs_now_of_the_screens_count_against_the_limit(site: Site) -> None:
    """Ten a minute for a user, over the API and here together."""
    session = site.people.session(site.url, "hasty", "operator")
    for number in range(10):
        site.do(
            "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '@yearly', 'shop:close')",
            f"hasty-{number}",
        )
        answer = session.http.post(
            f"/jobs/hasty-{number}/run", data={"csrf": session.csrf or ""}, headers={"Origin": site.url}
        )
        assert answer.status_code == 303, answer.text
    refused = session.http.post("/jobs/heartbeat/run", data={"csrf": session.csrf or ""}, headers={"Origin": site.url})
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert site.value("SELECT count(*) FROM pgcron.requests WHERE job = 'heartbeat'") == 0


def test_a_viewer_sees_all_and_is_offered_nothing(site: Site) -> None:
    tab = site.tab("viewer")
    page = tab.open("/jobs/send-invoices")
    expect(page.locator("h1")).to_contain_text("send-invoices")
    expect(page.get_by_role("button", name="Run now")).to_have_count(0)
    expect(page.get_by_role("button", name="Disable")).to_have_count(0)
    page = tab.open(a_run(site, "send-invoices"))
    expect(page.locator("#main")).to_contain_text("the mail server refused")
    expect(page.get_by_text("Stack trace", exact=True)).to_have_count(0)
    expect(page.locator("#main")).to_contain_text("needs the permission cron.trace.read")


def test_a_job_is_steered_by_keys(site: Site) -> None:
    tab = site.tab("operator")
    page = tab.open("/jobs/sync-stock")
    page.keyboard.press("p")
    page.keyboard.type("by keys")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The job is disabled.")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_text("The job is enabled.")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator("h1")).to_contain_text("sync-stock#60")
    page.wait_for_load_state()  # the heading is there before the script that hears keys
    page.keyboard.press("?")
    expect(page.locator("#keys-title")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("Jobs")
    assert tab.troubles == []


def test_a_form_without_its_token_is_refused(site: Site) -> None:
    session = site.people.session(site.url, "mallory", "operator")
    answer = session.http.post("/jobs/nightly-close/disable", data={"reason": "x"}, headers={"Origin": site.url})
    assert answer.status_code == 403
    assert "CSRF" in answer.text
    forged = httpx.post(f"{site.url}/jobs/nightly-close/disable", data={"reason": "x", "csrf": session.csrf},
                        cookies={"pgcron_dev": session.cookie or ""}, headers={"Origin": "https://evil.example"})  # fmt: skip
    assert forged.status_code == 403
    assert site.value("SELECT is_enabled FROM pgcron.job_status WHERE job = 'nightly-close'") is True


def test_what_is_not_there_is_a_page_with_a_way_on(tab: Tab) -> None:
    page = tab.open("/jobs/nobody")
    expect(page.locator("main")).to_contain_text("no job is named 'nobody'")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("h1")).to_have_text("Overview")


def test_hostile_text_is_only_text(site: Site) -> None:
    site.do("INSERT INTO pgcron.cron_job (name, description, schedule, handler, tags, owner, args) VALUES (%s, %s, '@daily', 'shop:close', ARRAY[%s], %s, %s)",
            HOSTILE, HOSTILE, HOSTILE[:50], HOSTILE[:90], '{"x": "<script>alert(3)</script>"}')  # fmt: skip
    try:
        tab = site.tab()
        for path in ("/", "/jobs", f"/jobs?search={HOSTILE[:9]}", "/runs"):
            tab.open(path)
        page = tab.open("/jobs")
        page.locator("tbody a.font-medium", has_text="onerror").click()
        expect(page.locator("h1")).to_contain_text(HOSTILE)
        assert page.locator("main img, main script").count() == 0
        assert tab.troubles == []
    finally:
        site.do("DELETE FROM pgcron.cron_job WHERE name = %s", HOSTILE)


@pytest.mark.parametrize(
    ("dark", "phone"),
    [
        (False, False),
        (True, True),
        pytest.param(False, True, marks=pytest.mark.long),
        pytest.param(True, False, marks=pytest.mark.long),
    ],
)
def test_no_screen_breaks_the_policy_asks_elsewhere_or_scrolls_sideways(site: Site, dark: bool, phone: bool) -> None:
    tab = site.tab(dark=dark, phone=phone)
    for path in (*SCREENS, a_run(site, "send-invoices")):
        page = tab.open(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} scrolls sideways by {wide}"
    tab.page.context.clear_cookies()
    tab.open("/sign-in")
    assert tab.troubles == []
