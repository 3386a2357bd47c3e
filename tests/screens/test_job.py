"""A job's page and its tabs: charts, calendar, runs now with arguments, what keeps it, and its end."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from playwright.sync_api import expect
from psycopg.types.json import Jsonb
from screens.conftest import Site

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

SCHEMA = {
    "type": "object", "required": ["day"],
    "properties": {
        "day": {"type": "string", "description": "Which day"}, "limit": {"type": "integer", "minimum": 1}, "full": {"type": "boolean", "default": False},
        "mode": {"enum": ["fast", "safe"]}, "tables": {"type": "array"},
    },
}  # fmt: skip
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"


@pytest.fixture
def with_schema(site: Site) -> None:
    site.do(
        "INSERT INTO pgcron.cron_handler (name, app, release, parameters) VALUES ('shop:typed', 'shop', '1', %s) ON CONFLICT (name) DO UPDATE SET parameters = excluded.parameters",
        Jsonb(SCHEMA),
    )
    site.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES ('typed', '@yearly', 'shop:typed', '{\"day\": \"today\"}') ON CONFLICT (name) DO NOTHING"
    )


def test_the_chart_is_drawn_with_a_table_and_a_file_that_say_the_same(site: Site) -> None:
    tab = site.tab()
    page = tab.open("/jobs/nightly-close?range=90d")
    chart = page.locator("[data-chart][data-is-drawn]")
    expect(chart.locator("canvas")).to_be_visible()
    runs = site.value("SELECT count(*) FROM pgcron.runs WHERE job = 'nightly-close' AND status <> 'RUNNING'")
    assert f"{runs} runs" in (chart.locator("[role=img]").get_attribute("aria-label") or "")
    chart.get_by_role("button", name="Log").click()
    expect(chart.get_by_role("button", name="Log")).to_have_attribute("aria-pressed", "true")
    box = chart.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 60, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Whole range").click()
    expect(page.get_by_role("button", name="Whole range")).to_be_hidden()
    chart.locator("summary").click()
    shown = chart.locator("details tbody tr")
    told = (
        site.people.session(site.url, "viewer", "viewer").http.get("/jobs/nightly-close/durations/csv?range=90d").text
    )
    rows = list(csv.DictReader(io.StringIO(told)))
    assert len(rows) == shown.count()
    assert sum(int(row["runs"]) for row in rows) == runs
    assert tab.troubles == []


def test_percentiles_of_a_bucket_are_those_of_its_runs(site: Site) -> None:
    session = site.people.session(site.url, "viewer", "viewer")
    found = session.http.get("/jobs/sync-stock/durations/json?range=24h").json()
    exact = site.value(
        "SELECT jsonb_object_agg(at, p50) FROM (SELECT date_bin('30 min', started_at, '2000-01-01 00:00+00') AS at, percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) AS p50 "
        "FROM pgcron.runs WHERE job = 'sync-stock' AND status = 'SUCCESS' GROUP BY 1) x"
    )  # fmt: skip
    assert isinstance(exact, dict)
    assert sorted(bucket["p50"] for bucket in found["buckets"] if bucket["p50"] is not None) == sorted(exact.values())
    days = session.http.get("/jobs/sync-stock/durations/json?range=90d").json()["buckets"]
    assert sum(day["runs"] for day in days) == 60
    assert len(found["dots"]) + len(found["failures"]) == 60


def test_the_calendar_is_walked_by_arrows_and_leads_to_the_runs_of_a_day(site: Site) -> None:
    site.do("UPDATE pgcron.cron_job SET run_seq = run_seq + 1 WHERE name = 'purge-carts'")
    page = site.tab().open("/jobs/purge-carts")
    cells = page.locator("section[aria-labelledby=calendar] a")
    assert cells.evaluate_all("cells => cells.filter(cell => cell.tabIndex === 0).length") == 1
    days = cells.evaluate_all("cells => cells.map(cell => [cell.dataset.row, cell.dataset.column, cell.id])")
    cells.first.focus()
    here = page.evaluate("document.activeElement.id")
    same_column = [id_ for row, column, id_ in days if column == days[0][1]]
    if len(same_column) > 1:
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.id") == same_column[1]
        page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == here
    count = int(page.locator(f"#{here}").inner_text())
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/jobs/purge-carts/runs\?since=[0-9-]{10}&until=[0-9-]{10}"))
    expect(page.locator("tbody tr")).to_have_count(min(count, 50))


@pytest.mark.parametrize("scripts", [True, False])
def test_a_run_now_takes_arguments_by_the_handler_s_schema(site: Site, with_schema: None, scripts: bool) -> None:
    site.do("SELECT pgcron.cancel_job('typed', 'before')")
    tab = site.tab("operator", scripts=scripts)
    page = tab.open("/jobs/typed")
    page.get_by_role("link", name="Run with arguments").click()
    if scripts:
        expect(page.locator("#run-dialog-title")).to_be_visible()
        expect(page).to_have_url(f"{site.url}/jobs/typed")
    form = page.get_by_role("dialog") if scripts else page.locator("main")
    assert form.get_by_label("day").input_value() == "today"
    form.get_by_label("day").fill("2026-11-20")
    form.get_by_label("limit").fill("0")
    form.get_by_label("tables").fill("[orders")
    form.get_by_label("mode").select_option('"safe"')
    form.get_by_label("Also when no live worker").check()
    form.get_by_role("button", name="Run", exact=True).click()
    main = page.locator("main")
    expect(main.locator("[id='problem-arg.limit']")).to_contain_text("limit: '0' is less than 1: give at least that.")
    expect(main.locator("[id='problem-arg.tables']")).to_contain_text("is no JSON")
    assert main.get_by_label("day").input_value() == "2026-11-20"
    main.get_by_label("limit").fill("5")
    main.get_by_label("tables").fill('["orders"]')
    main.get_by_label("If it runs already").select_option("buffer_one")
    main.get_by_label("Reason").fill("by hand")
    main.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("A run was asked for.")).to_be_visible()
    asked = site.value("SELECT args FROM pgcron.requests WHERE job = 'typed' AND state = 'PENDING'")
    assert asked == {"day": "2026-11-20", "limit": 5, "full": False, "mode": "safe", "tables": ["orders"]}
    assert tab.troubles == []


def test_arguments_without_a_schema_are_json(site: Site) -> None:
    page = site.tab(scripts=False).open("/jobs/weekly-report/run")
    page.get_by_label("Arguments").fill("{day: 1}")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#problem-args")).to_contain_text("this is no JSON")
    assert page.get_by_label("Arguments").input_value() == "{day: 1}"
    page.get_by_label("Arguments").fill('{"day": 1}')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("A run was asked for.")).to_be_visible()
    assert site.value("SELECT args FROM pgcron.requests WHERE job = 'weekly-report' AND state = 'PENDING'") == {
        "day": 1
    }


def test_arguments_that_are_sql_need_their_permission(site: Site) -> None:
    site.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES ('by-sql', '@yearly', 'pgcron.sql', '{\"command\": \"SELECT 1\"}')"
    )
    page = site.tab("operator", scripts=False).open("/jobs/by-sql/run")
    expect(page.locator("main")).to_contain_text("needs the permission cron.sql.edit")
    session = site.people.session(site.url, "operator", "operator")
    forged = {"csrf": session.csrf or "", "with": "1", "force": "1", "args": json.dumps({"command": "DROP TABLE x"})}
    session.http.post("/jobs/by-sql/run", data=forged, headers={"Origin": site.url})
    assert (
        site.value("SELECT coalesce(max(args::text), 'its own') FROM pgcron.requests WHERE job = 'by-sql'") == "its own"
    )


def test_a_job_says_what_keeps_it(site: Site) -> None:
    site.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('orphan', '@yearly', 'shop:renamed')")
    tab = site.tab("operator", scripts=False)
    page = tab.open("/jobs/orphan")
    expect(page.locator("#handler-missing")).to_contain_text("No live worker has the handler shop:renamed")
    expect(page.locator("main")).to_contain_text("It never ran.")
    page.get_by_label("Why", exact=True).fill("until it is back")
    page.get_by_label("Until (UTC)").fill("2099-01-02T03:04")
    page.get_by_role("button", name="Disable").click()
    expect(page.locator("#disabled")).to_contain_text("by web:operator")
    expect(page.locator("#disabled")).to_contain_text("until it is back Until Fri 2099-01-02 03:04:00 UTC")
    page = tab.open("/jobs/heartbeat")
    page.get_by_label("Why", exact=True).fill("too late")
    page.get_by_label("Until (UTC)").fill("1999-01-02T03:04")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("Why", exact=True).input_value() == "too late"
    locked = tab.open("/jobs/gdpr-export/configuration")
    expect(locked.locator("main")).to_contain_text("Only the code that declares it")
    expect(locked.get_by_role("button", name="Delete")).to_have_count(0)


def test_a_job_is_deleted_by_whoever_writes_its_name(site: Site) -> None:
    site.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('gone', '@yearly', 'shop:close')")
    expect(site.tab("operator").open("/jobs/gone/configuration").get_by_role("button", name="Delete")).to_have_count(0)
    page = site.tab(scripts=False).open("/jobs/gone/configuration")
    page.get_by_label("Its name").fill("Gone")
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#problem-confirm")).to_contain_text("'Gone' is not the name of this job")
    assert page.get_by_label("Its name").input_value() == "Gone"
    page.get_by_label("Its name").fill("gone")
    page.get_by_label("Reason", exact=True).fill("nobody wants it")
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(f"{site.url}/jobs")
    assert site.value("SELECT count(*) FROM pgcron.cron_job WHERE name = 'gone'") == 0
    assert (
        site.value("SELECT reason FROM pgcron.audit WHERE job = 'gone' AND action = 'job_deleted'") == "nobody wants it"
    )


def test_tabs_tell_of_its_times_its_definition_and_its_changes(site: Site) -> None:
    site.do("SELECT pgcron.alter_job('weekly-report', '{\"schedule\": \"0 8 * * mon\"}')")
    page = site.tab(scripts=False).open("/jobs/weekly-report")
    page.get_by_role("navigation", name="Of this job").get_by_role("link", name="Schedule").click()
    expect(page.locator("section[aria-labelledby=next] li")).to_have_count(20)
    history = page.locator("section[aria-labelledby=history]")
    expect(history.locator("del").first).to_have_text("0 7 * * mon")
    expect(history.locator("ins").first).to_have_text("0 8 * * mon")
    page.get_by_role("link", name="Configuration").click()
    expect(page.locator("main")).to_contain_text("SELECT pgcron.alter_job('weekly-report'")
    expect(page.locator("dd", has_text="1 min").first).to_be_visible()
    page.get_by_role("navigation", name="Of this job").get_by_role("link", name="Audit").click()
    page.locator("li", has_text="job changed").get_by_role("button", name="Undo").first.click()
    assert site.value("SELECT schedule FROM pgcron.cron_job WHERE name = 'weekly-report'") == "0 7 * * mon"
    viewer = site.tab("viewer").open("/jobs/weekly-report")
    expect(viewer.get_by_role("navigation", name="Of this job").get_by_role("link", name="Audit")).to_have_count(0)
    refused = viewer.goto(f"{site.url}/jobs/weekly-report/audit")
    assert refused is not None
    assert refused.status == 403


def test_hostile_text_of_a_job_is_only_text_on_every_tab(site: Site) -> None:
    site.do("INSERT INTO pgcron.cron_job (name, description, schedule, handler, tags, owner, args) VALUES (%s, %s, '@daily', 'shop:close', ARRAY[%s], %s, %s)",
            HOSTILE, HOSTILE, HOSTILE[:50], HOSTILE[:90], Jsonb({HOSTILE: HOSTILE}))  # fmt: skip
    try:
        tab = site.tab()
        id_ = site.value("SELECT id FROM pgcron.cron_job WHERE name = %s", HOSTILE)
        for end in ("", "/runs", "/timing", "/configuration", "/audit", "/run"):
            page = tab.open(f"/jobs/{id_}{end}")
            expect(page.locator("h1")).to_contain_text(HOSTILE)
            assert page.locator("main img, main script").count() == 0
        tab.open("/timeline?range=7d")
        tab.open("/timeline?by=tag&range=7d")
        assert tab.troubles == []
    finally:
        site.do("DELETE FROM pgcron.cron_job WHERE name = %s", HOSTILE)
