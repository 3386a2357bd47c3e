"""How somebody likes it to look: kept with the user, followed by every page, changed without JavaScript too."""

from __future__ import annotations

import re

import psycopg
import pytest
from playwright.sync_api import expect
from screens.conftest import Site
from screens.seeds import Visitor, tab_of
from screens.test_screens import a_run

from support.admin import as_program

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

ZONE = re.compile(r"\d\d:\d\d(?::\d\d)? ([A-Z]{2,5}|[+-]\d\d)\b")


def kept(site: Site, user: str) -> object:
    return site.value(
        "SELECT to_jsonb(p) - '{user_id,updated_at}'::text[] FROM pgcron.app_preferences p JOIN pgcron.app_user u ON u.id = p.user_id WHERE u.name = %s", user
    )  # fmt: skip


def test_all_times_of_all_pages_are_in_the_zone_that_was_chosen(site: Site) -> None:
    ana = Visitor(site, "zoned")
    paths = (
        "/jobs",
        "/jobs/nightly-close",
        "/runs",
        a_run(site, "nightly-close"),
        "/workers",
        "/audit",
        "/settings/sessions",
    )

    def zones_of(path: str) -> set[str]:
        return set(ZONE.findall(ana.get(path)))

    assert zones_of("/jobs") >= {"CET", "EST", "UTC"}
    assert zones_of("/jobs/nightly-close") >= {"CET"}
    for fields, zone in (({"times": "mine", "timezone": "Asia/Tokyo"}, "JST"), ({"times": "utc"}, "UTC")):
        assert ana.send("/preferences", **fields).status_code == 303
        found = {path: zones_of(path) for path in paths}
        assert found == {path: {zone} for path in paths}
    assert "JST" not in ana.get("/jobs/nightly-close")


def test_relative_times_have_the_absolute_one_for_everybody(site: Site) -> None:
    ana = Visitor(site, "precise")
    ana.send("/preferences", times="mine", timezone="Asia/Tokyo")
    found = re.search(
        r'<time datetime="([^"]+Z)" title="([^"]+ JST)"[^>]*>([^<]+ ago)<span class="sr-only"> \(([^)]+)\)',
        ana.get("/runs"),
    )
    assert found is not None
    assert found[2] == found[4]


def test_the_menu_changes_them_without_javascript_and_leads_back(site: Site) -> None:
    tab = tab_of(site, "scriptless", scripts=False)
    page = tab.open("/jobs?show=failing")
    page.get_by_role("button", name="your menu").click()
    page.get_by_role("button", name="Dark").click()
    expect(page).to_have_url(f"{site.url}/jobs?show=failing")
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    page.get_by_role("button", name="your menu").click()
    page.get_by_role("button", name="Compact").click()
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark compact\b"))
    assert kept(site, "scriptless") == {
        "theme": "dark", "times": "job", "timezone": "UTC", "density": "compact", "has_keys": True,
    }  # fmt: skip


def test_the_key_of_the_theme_saves_it_for_the_next_browser(site: Site) -> None:
    page = tab_of(site, "dimmed").open("/workers")
    with page.expect_response(lambda answer: answer.url.endswith("/preferences")):
        page.keyboard.press("t")
    expect(page.locator("html")).to_have_class(re.compile(r"\bdark\b"))
    other = tab_of(site, "dimmed", scripts=False).open("/workers")
    assert "dark" in str(other.locator("html").get_attribute("class"))
    page.get_by_role("button", name="your menu").click()
    with page.expect_response(lambda answer: answer.url.endswith("/preferences")):
        page.get_by_role("button", name="System").click()
    expect(page.locator("html")).not_to_have_class(re.compile(r"\bdark\b"))
    expect(page.get_by_role("button", name="System")).to_have_attribute("aria-pressed", "true")


def test_my_zone_begins_as_that_of_the_browser(site: Site) -> None:
    site.people.add("traveller", "viewer")
    context = site.chromium.new_context(timezone_id="America/Lima")
    cookie = site.people.session(site.url, "traveller", "viewer").cookie
    context.add_cookies([{"name": "pgcron_dev", "value": cookie or "", "domain": "127.0.0.1", "path": "/"}])
    page = context.new_page()
    page.goto(f"{site.url}/jobs")
    page.get_by_role("button", name="your menu").click()
    page.get_by_role("button", name="My zone").click()
    expect(page.get_by_role("button", name="your menu")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-zone", "America/Lima")


def test_letters_rest_for_those_who_switched_them_off(site: Site) -> None:
    page = tab_of(site, "speaker").open("/settings/preferences")
    page.get_by_label("Off").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your preferences are saved.")).to_be_visible()
    page.keyboard.press("?")
    page.keyboard.press("t")
    expect(page.locator("#keys")).not_to_be_visible()
    expect(page.locator("html")).not_to_have_class(re.compile(r"\bdark\b"))


def test_compact_rows_are_lower(site: Site) -> None:
    page = tab_of(site, "dense").open("/runs")

    def height() -> float:
        return float(page.locator("tbody tr").first.evaluate("row => row.getBoundingClientRect().height"))

    before = height()
    page.get_by_role("button", name="your menu").click()
    page.get_by_role("button", name="Compact").click()
    expect(page.locator("html")).to_have_class(re.compile("compact"))
    assert height() < before


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"times": "mine", "timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"timezone": "FOO-3"}, "FOO-3"),
        ({"theme": "pink"}, "choose one of system, light, dark"),
        ({"hasKeys": "maybe"}, "neither true nor false"),
    ],
)
def test_what_is_no_preference_is_refused_beside_its_field(site: Site, fields: dict[str, str], told: str) -> None:
    ana = Visitor(site, "mistaken")
    answer = ana.send("/preferences", **fields)
    assert answer.status_code in (400, 422)
    assert told in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert site.value(
        "SELECT count(*) FROM pgcron.app_preferences p JOIN pgcron.app_user u ON u.id = p.user_id WHERE u.name = 'mistaken'"
    ) == 0  # fmt: skip


def test_two_tabs_that_change_different_ones_do_not_undo_each_other(site: Site) -> None:
    user = site.people.add("forgetful", "viewer")
    with psycopg.connect(site.web_url) as one, psycopg.connect(site.web_url, autocommit=True) as two:
        one.execute('SELECT pgcron.set_preferences(%s, \'{"theme": "dark"}\')', (user,))
        one.commit()
        two.execute('SELECT pgcron.set_preferences(%s, \'{"density": "compact"}\')', (user,))
        with pytest.raises(psycopg.Error, match="no preference 'colour'"):
            two.execute('SELECT pgcron.set_preferences(%s, \'{"colour": "red"}\')', (user,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            two.execute("UPDATE pgcron.app_preferences SET theme = 'light'")
    assert kept(site, "forgetful") == {
        "theme": "dark", "times": "job", "timezone": "UTC", "density": "compact", "has_keys": True,
    }  # fmt: skip


def test_preferences_are_of_people_not_of_tokens(site: Site) -> None:
    token = site.people.token("robot", "super_admin", scopes=["system.cron.manage"])
    assert as_program(site.url, token).post("/preferences", data={"theme": "dark"}).status_code == 403
