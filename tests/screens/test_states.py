"""What can come between a click and its result: the session has ended, it is refused, it is too soon, the network or the database is away."""

from __future__ import annotations

import re

import psycopg
import pytest
from playwright.sync_api import Page, expect
from screens.conftest import Site
from screens.seeds import tab_of

from pgcron_py.app.passwords import hashed

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

PASSWORD = "a long and good password"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return hashed(PASSWORD)


def end_sessions(site: Site, user: str) -> None:
    site.do("UPDATE pgcron.app_session SET revoked_at = clock_timestamp() WHERE revoked_at IS NULL AND user_id = (SELECT id FROM pgcron.app_user WHERE name = %s)", user)  # fmt: skip


def sign_in_again(page: Page) -> None:
    dialog = page.locator("#sign-in-again")
    expect(dialog.get_by_role("heading")).to_be_visible()
    dialog.get_by_label("Password").fill("not this one")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("The password is wrong.")
    dialog.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("heading")).not_to_be_visible()


def test_who_was_signed_out_signs_in_again_and_loses_nothing(site: Site, password_hash: str) -> None:
    tab = tab_of(site, "sleeper", "operator")
    site.people.set_password("sleeper", password_hash)  # ends the session too; the next one is this one
    tab = tab_of(site, "sleeper", "operator")
    page = tab.open("/jobs/purge-carts")
    expect(page.locator("#live span")).to_have_text("Live")
    page.get_by_label("Why").fill("typed before the session ended")
    end_sessions(site, "sleeper")
    page.get_by_role("button", name="Disable").click()
    sign_in_again(page)
    expect(page.get_by_text("The job is disabled.")).to_be_visible()
    assert (
        site.value("SELECT disabled_reason FROM pgcron.cron_job WHERE name = 'purge-carts'")
        == "typed before the session ended"
    )
    site.do("SELECT pgcron.enable('purge-carts')")
    assert tab.troubles == []


def test_a_part_that_may_not_be_asked_for_any_more_opens_the_dialog_and_keeps_the_page(
    site: Site, password_hash: str
) -> None:
    site.people.add("watcher", "super_admin")
    site.people.set_password("watcher", password_hash)
    page = tab_of(site, "watcher").open("/jobs/weekly-report/schedule")
    page.get_by_label("Why").fill("kept")
    end_sessions(site, "watcher")
    page.get_by_label("Schedule", exact=True).fill("0 8 * * mon")
    sign_in_again(page)
    expect(page.locator("#sentence")).to_contain_text("At 08:00")
    expect(page.get_by_label("Why")).to_have_value("kept")


def test_without_javascript_the_way_leads_to_the_sign_in_and_back(site: Site) -> None:
    tab = tab_of(site, "plain", "viewer", scripts=False)
    tab.open("/settings/about")
    end_sessions(site, "plain")
    expect(tab.open("/settings/about")).to_have_url(f"{site.url}/sign-in?next=/settings/about")


def test_what_is_forbidden_is_told_beside_the_button_with_the_permission_that_is_missing(site: Site) -> None:
    page = tab_of(site, "demoted", "operator").open("/jobs")
    page.keyboard.press(".")  # or the button is gone as soon as the page hears of it
    expect(page.locator("#live span")).to_have_text("Paused")
    site.do("UPDATE pgcron.app_user SET role = 'viewer' WHERE name = 'demoted'")
    cookie = site.people.session(site.url, "demoted", "viewer").cookie  # the change has ended the old one
    page.context.add_cookies([{"name": "pgcron_dev", "value": cookie or "", "domain": "127.0.0.1", "path": "/"}])
    csrf = page.evaluate("fetch('/api/auth/me').then(answer => answer.json()).then(me => me.csrfToken)")
    page.evaluate("csrf => document.querySelectorAll('input[name=csrf]').forEach(field => field.value = csrf)", csrf)
    page.get_by_role("button", name="Run sync-stock now").click()
    alert = page.locator("#main").get_by_role("alert")
    expect(alert).to_contain_text("This needs the permission cron.trigger")
    expect(alert).to_contain_text("Ask a super admin")
    expect(alert).to_contain_text(re.compile("Request [0-9a-f]{32}"))
    expect(page).to_have_url(f"{site.url}/jobs")


def test_who_is_too_hasty_sees_a_button_that_counts_down(site: Site) -> None:
    tab = tab_of(site, "hasty-hand", "operator")
    site.do(
        "INSERT INTO pgcron.app_run_now (subject) SELECT 'user ' || u.id FROM pgcron.app_user u, generate_series(1, 10) WHERE u.name = 'hasty-hand'"
    )
    tab.page.clock.install()
    page = tab.open("/jobs/heartbeat")
    button = page.locator("[data-key=r]")
    button.click()
    expect(button).to_be_disabled()
    expect(button).to_have_text(re.compile(r"Wait \d+ s"))
    expect(page.locator("#main").get_by_role("alert")).to_contain_text("You may ask for 10 runs in a minute")
    page.clock.fast_forward(61_000)
    expect(button).to_be_enabled()
    expect(button).to_have_text("Run now")


def test_a_busy_database_is_told_beside_the_button_and_tried_again(site: Site) -> None:
    page = tab_of(site, "patient", "operator").open("/jobs")
    row = page.locator("tr", has_text="rebuild-search")
    with psycopg.connect(site.db_url) as blocker:
        blocker.execute("SELECT FROM pgcron.cron_job WHERE name = 'rebuild-search' FOR UPDATE")
        button = row.get_by_role("button", name="Enable rebuild-search")
        button.click()
        expect(button).to_have_attribute("aria-busy", "true")
        expect(page.locator("#main").get_by_role("alert")).to_contain_text("Request")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("The job is enabled.")).to_be_visible()
    site.do("SELECT pgcron.disable('rebuild-search', 'the search cluster moves, see OPS-411')")


def test_a_preview_that_fails_is_told_beside_the_field_and_what_was_there_stays(site: Site) -> None:
    page = tab_of(site, "typist").open("/jobs/weekly-report/schedule")
    expect(page.locator("#sentence")).to_contain_text("Monday")
    field = page.get_by_label("Schedule", exact=True)
    with psycopg.connect(site.db_url) as blocker:
        blocker.execute("LOCK TABLE pgcron.cron_job IN ACCESS EXCLUSIVE MODE")
        field.fill("0 9 * * tue")
        alert = page.locator("#main").get_by_role("alert")
        expect(alert).to_contain_text(re.compile("Request [0-9a-f]{32}"))
        expect(page.locator("#sentence")).to_contain_text("Monday")
    alert.get_by_role("button", name="Retry").click()
    expect(page.locator("#sentence")).to_contain_text("Tuesday")
    expect(alert).to_have_count(0)


def test_offline_nothing_can_be_sent_and_everything_says_so(site: Site) -> None:
    page = tab_of(site, "commuter", "operator").open("/jobs/sync-stock")
    button = page.get_by_role("button", name="Run now")
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline")).to_be_visible()
    expect(button).to_be_disabled()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline")).not_to_be_visible()
    expect(button).to_be_enabled()


def test_a_form_with_fields_comes_back_with_its_error_and_what_was_typed(site: Site) -> None:
    tab = tab_of(site, "careless")
    page = tab.open("/settings/users/new")
    page.get_by_label("Name").fill("not a name!")
    page.get_by_label("Why").fill("kept as well")
    page.get_by_role("button", name="Add user").click()
    field = page.get_by_label("Name")
    expect(field).to_be_focused()
    expect(field).to_have_value("not a name!")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#name-error")).to_contain_text("is no name of a user")
    expect(page.get_by_label("Why")).to_have_value("kept as well")
    assert tab.troubles == []
