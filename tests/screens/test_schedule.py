"""The schedule editor: what a text means while it is typed, errors at their column, saving, conflicts, locked jobs."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from screens.conftest import Site

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

JOB = "purge-carts"


@pytest.fixture(autouse=True)
def hourly(site: Site) -> None:
    site.do('SELECT pgcron.alter_job(%s, \'{"schedule": "0 * * * *", "timezone": "UTC"}\')', JOB)


def schedule_of(site: Site) -> object:
    return site.value("SELECT schedule FROM pgcron.cron_job WHERE name = %s", JOB)


def test_the_sentence_and_the_next_runs_follow_what_is_typed(site: Site) -> None:
    tab = site.tab()
    page = tab.open(f"/jobs/{JOB}/schedule")
    page.fill("#schedule", "30 4 * * mon")
    page.fill("#timezone", "Europe/Berlin")
    expect(page.locator("#sentence")).to_contain_text("At 04:30, only on Monday, Europe/Berlin time")
    rows = page.locator("section[aria-labelledby=next-runs] tbody tr")
    expect(rows).to_have_count(10)
    expect(rows.first).to_contain_text("Mon ")
    expect(page.locator("section[aria-labelledby=effects]")).to_contain_text("would not run")
    assert page.evaluate("document.activeElement.id") == "timezone"
    assert tab.troubles == []


def test_an_error_points_at_its_column_and_nothing_is_saved(site: Site) -> None:
    tab = site.tab()
    page = tab.open(f"/jobs/{JOB}/schedule")
    page.fill("#schedule", "0 25 * * *")
    expect(page.locator("#problem")).to_contain_text("25")
    expect(page.locator("#problem pre")).to_have_text("0 25 * * *\n  ^")
    page.fill("#reason", "try")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#problem")).to_contain_text("25")
    expect(page.locator("#schedule")).to_have_attribute("aria-invalid", "true")
    assert schedule_of(site) == "0 * * * *"


def test_a_schedule_is_saved_with_its_reason(site: Site) -> None:
    tab = site.tab()
    page = tab.open(f"/jobs/{JOB}")
    page.keyboard.press("e")
    page.fill("#schedule", "0 5 * * *")
    page.fill("#reason", "after the backup")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    assert schedule_of(site) == "0 5 * * *"
    assert (
        site.value("SELECT reason FROM pgcron.audit WHERE job = %s ORDER BY audit_id DESC LIMIT 1", JOB)
        == "after the backup"
    )
    assert tab.troubles == []


def test_two_who_edit_one_job_are_told_and_choose(site: Site) -> None:
    tab = site.tab()
    page = tab.open(f"/jobs/{JOB}/schedule")
    site.do('SELECT pgcron.alter_job(%s, \'{"schedule": "0 1 * * *"}\')', JOB)
    page.fill("#schedule", "0 2 * * *")
    page.fill("#reason", "mine")
    page.get_by_role("button", name="Save").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("was changed by postgres")
    expect(alert).to_contain_text("0 1 * * *")
    assert schedule_of(site) == "0 1 * * *"
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    assert schedule_of(site) == "0 2 * * *"


def test_a_quiet_minute_is_taken_by_a_click(site: Site) -> None:
    for number in range(4):
        site.do(
            "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '0 * * * *', 'shop:close')",
            f"crowd-{number}",
        )
    tab = site.tab()
    page = tab.open(f"/jobs/{JOB}/schedule")
    expect(page.locator("#collisions")).to_contain_text("other jobs begin in the same minute")
    before = page.input_value("#schedule")
    page.locator("[data-take-schedule]").first.click()
    page.wait_for_function("before => document.getElementById('schedule').value !== before", arg=before)
    assert page.evaluate("document.activeElement.id") == "schedule"


def test_a_locked_job_can_be_tried_and_not_saved(site: Site) -> None:
    tab = site.tab()
    page = tab.open("/jobs/gdpr-export/schedule")
    expect(page.get_by_role("note")).to_contain_text("This job is locked")
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    page.fill("#schedule", "@daily")
    expect(page.locator("#sentence")).to_contain_text("At 00:00")
    session = site.people.session(site.url, "super-admin", "super_admin")
    answer = session.http.post(
        "/jobs/gdpr-export/schedule", data={"schedule": "@daily", "timezone": "UTC", "version": "1", "reason": "x", "csrf": session.csrf or ""},
        headers={"Origin": site.url},
    )  # fmt: skip
    assert answer.status_code == 403
    assert "locked" in answer.text
    assert site.value("SELECT schedule FROM pgcron.cron_job WHERE name = 'gdpr-export'") == "0 4 1 * *"


def test_without_scripts_it_looks_first_and_then_saves(site: Site) -> None:
    tab = site.tab(scripts=False)
    page = tab.open(f"/jobs/{JOB}/schedule")
    page.fill("#schedule", "15 6 * * *")
    page.fill("#reason", "no scripts here")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("#sentence")).to_contain_text("At 06:15")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    assert schedule_of(site) == "15 6 * * *"


def test_pickers_and_text_are_one(site: Site) -> None:
    tab = site.tab()
    page = tab.open(f"/jobs/{JOB}/schedule")
    page.get_by_text("Pick it field by field").click()
    expect(page.get_by_role("combobox", name="Minute")).to_have_value("0")
    page.get_by_role("combobox", name="Hour").fill("4")
    page.get_by_role("combobox", name="Weekday").fill("mon-fri")
    expect(page.locator("#schedule")).to_have_value("0 4 * * mon-fri")
    expect(page.locator("#sentence")).to_contain_text("At 04:00, Monday through Friday")
    page.fill("#schedule", "15 6 1 * *")
    expect(page.get_by_role("combobox", name="Day", exact=True)).to_have_value("1")
    page.fill("#schedule", "@hourly")
    expect(page.get_by_role("combobox", name="Minute")).to_have_value("")
    assert tab.troubles == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_period_jitter_and_further_times_are_edited_too(site: Site, scripts: bool) -> None:
    page = site.tab(scripts=scripts).open(f"/jobs/{JOB}/schedule")
    page.get_by_text("From, until, jitter, further times").click()
    page.fill("#timezone", "Europe/Berlin")
    page.fill("#start", "2031-07-01 08:00")
    page.fill("#jitter", "90")
    page.fill("#extra", "30 12 * * sat\n45 12 * * sun")
    page.fill("#excluded", "* * 25 12 *")
    page.fill("#reason", "a summer shop")
    if scripts:
        expect(page.locator("section[aria-labelledby=next-runs] tbody tr").first).to_contain_text(
            "Tue 2031-07-01 08:00:00 CEST"
        )
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The schedule was changed.")).to_be_visible()
    told = "SELECT format('%%s %%s %%s %%s', start_at AT TIME ZONE 'UTC', jitter_ms, extra_schedules, excluded_schedules) FROM pgcron.cron_job WHERE name = %s"
    assert site.value(told, JOB) == '2031-07-01 06:00:00 90000 {"30 12 * * sat","45 12 * * sun"} {"* * 25 12 *"}'
    page.goto(f"{site.url}/jobs/{JOB}/schedule")
    expect(page.locator("#start")).to_have_value("2031-07-01 08:00")
    page.fill("#start", "next summer")
    page.fill("#reason", "try")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#problem")).to_contain_text("'next summer' is no date and time")
    expect(page.locator("#start")).to_have_attribute("aria-invalid", "true")
    site.do(
        'SELECT pgcron.alter_job(%s, \'{"start_at": null, "jitter_ms": 0, "extra_schedules": [], "excluded_schedules": []}\')',
        JOB,
    )
