"""The list of runs: filters in the URL, pages, groups of errors, several at a time, files, and what happens while it is open."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Request, expect
from screens.conftest import Site

from support.figures import KEY
from support.runs import begin_run, end_run

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

Connection = psycopg.Connection[Any]


@pytest.fixture
def db(site: Site) -> Iterator[Connection]:
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        yield connection


def test_runs_are_filtered_by_url_and_counted(site: Site) -> None:
    tab = site.tab()
    page = tab.open("/runs")
    failed = page.get_by_role("link", name=re.compile("^Failed [0-9]+"))
    told = int(re.sub(r"\D", "", failed.inner_text()))
    assert told == site.value(
        "SELECT count(*) FROM pgcron.runs WHERE status = 'FAILED' AND started_at > now() - interval '1 day'"
    )
    failed.click()
    expect(page).to_have_url(f"{site.url}/runs?status=FAILED")
    page.get_by_label("Job", exact=True).fill("send-invoices")
    page.get_by_label("Cause", exact=True).select_option("schedule")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("status=FAILED.*job=send-invoices&cause=schedule"))
    expect(page.locator("tbody tr")).to_have_count(4)
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(f"{site.url}/runs")
    worker = site.value("SELECT worker_id FROM pgcron.runs WHERE job = 'heartbeat' AND seq = 1")
    page = tab.open(f"/runs?job=heartbeat&worker={worker}")
    expect(page.locator("tbody tr")).to_have_count(20)
    assert tab.troubles == []


def test_a_filter_that_is_wrong_is_told_beside_its_field_and_kept(site: Site) -> None:
    page = site.tab(scripts=False).open("/runs?job=nobody&since=yesterday&worker=x&cause=whim&search=mail")
    expect(page.locator("#problem-job")).to_contain_text("No job is named 'nobody'")
    expect(page.locator("#problem-since")).to_contain_text("'yesterday' is no instant: write it as")
    expect(page.locator("#problem-cause")).to_contain_text("'whim' is no cause")
    expect(page.locator("#problem-worker")).to_be_visible()
    for name, value in (("Job", "nobody"), ("From (UTC)", "yesterday"), ("Error contains", "mail")):
        assert page.get_by_label(name, exact=True).input_value() == value
    assert page.get_by_label("Job", exact=True).get_attribute("aria-describedby") == "problem-job"
    expect(page.locator("tbody tr")).to_have_count(0)


def test_pages_go_on_where_the_last_one_ended(site: Site) -> None:
    page = site.tab(scripts=False).open("/runs")
    first = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    page.get_by_role("link", name="Older").click()
    second = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    assert (len(first), len(second), set(first) & set(second), max(second) < min(first)) == (50, 50, set(), True)
    page.get_by_role("link", name="Newest").click()
    assert page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)") == first


def test_the_same_error_of_several_jobs_is_one_line_that_leads_to_its_runs(site: Site, db: Connection) -> None:
    for job, host, order in (
        ("nightly-close", "10.0.0.7", "'a-17'"),
        ("weekly-report", "10.0.0.8", "'b-3'"),
        ("weekly-report", "10.0.0.9", "'c'"),
    ):
        end_run(db, begin_run(db, job), error=f"OperationalError: {host} lost order {order} after {len(order)} tries")
    page = site.tab(scripts=False).open("/runs/errors")
    line = page.locator("#error-groups li", has_text="OperationalError")
    expect(line).to_have_count(1)
    expect(line).to_contain_text("2 jobs: nightly-close,weekly-report")
    expect(line.locator(".tone-failed").first).to_have_text("3")
    line.locator("a.font-medium").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody")).not_to_contain_text("ConnectionError")


def test_new_runs_are_counted_and_never_put_under_the_pointer(site: Site, db: Connection) -> None:
    going = begin_run(db, "weekly-report")
    tab = site.tab()
    page = tab.open("/runs")
    expect(page.locator("#live")).to_have_text("Live", timeout=10_000)
    before = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    end_run(db, going, error="TimeoutError: too slow")
    expect(page.locator(f"#run-{going}")).to_contain_text("TimeoutError: too slow", timeout=5000)
    for _ in range(3):
        end_run(db, begin_run(db, "nightly-close"))
    pill = page.locator("[data-new-runs]")
    expect(pill).to_contain_text("3 new runs", timeout=5000)
    assert page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)") == before
    pill.click()
    expect(page.locator("tbody tr").first).to_contain_text("nightly-close")
    narrow = site.tab().open("/runs?status=FAILED&job=weekly-report")
    expect(narrow.locator("#live")).to_have_text("Live", timeout=10_000)
    end_run(db, begin_run(db, "nightly-close"), error="ValueError: not here")
    end_run(db, begin_run(db, "weekly-report"), error="ValueError: here")
    expect(narrow.locator("[data-new-runs]")).to_contain_text("1 new run", timeout=5000)
    assert tab.troubles == []


def test_a_thousand_runs_a_second_cost_an_open_page_a_request_a_second(
    site: Site, db: Connection, record_property: Any
) -> None:
    running = [begin_run(db, "heartbeat") for _ in range(20)]
    tab = site.tab()
    page = tab.open("/runs")
    expect(page.locator("#live")).to_have_text("Live", timeout=10_000)
    asked: list[float] = []

    def note(request: Request) -> None:
        if "/rows" in request.url or request.headers.get("hx-request"):
            asked.append(time.perf_counter())

    page.on("request", note)
    made = 0
    stop = threading.Event()

    def storm() -> None:
        nonlocal made
        with psycopg.connect(site.db_url, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(
                    "INSERT INTO pgcron.cron_log (job_id, seq, status, cause, worker_id, handler, job_version, schedule, is_exclusive, completed_at, duration, finish_token) "
                    "SELECT j.id, j.run_seq + n, 'SUCCESS', 'manual', (SELECT id FROM pgcron.cron_worker LIMIT 1), j.handler, 1, j.schedule, false, clock_timestamp() + interval '1 s', 1, gen_random_uuid() "
                    "FROM pgcron.cron_job j CROSS JOIN generate_series(1, 500) n WHERE j.name = 'heartbeat'"
                )  # fmt: skip
                connection.execute("UPDATE pgcron.cron_job SET run_seq = run_seq + 500 WHERE name = 'heartbeat'")
                connection.execute(
                    "UPDATE pgcron.cron_log SET progress = jsonb_build_object('n', %s::int) WHERE id = ANY (%s)",
                    (made, running),
                )
                made += 500

    thread = threading.Thread(target=storm)
    began = time.perf_counter()
    thread.start()
    try:
        page.wait_for_function(
            "() => /^(at least )?[0-9,]{5,}/.test(document.querySelector('[data-new-runs] span').textContent)",
            timeout=20_000,
            polling=100,
        )
        for _ in range(3):
            page.wait_for_event("request", lambda request: "/rows" in request.url)
    finally:
        stop.set()
        thread.join()
    took = time.perf_counter() - began
    record_property(KEY, f"{made / took:.0f} runs/s for {took:.1f} s: {len(asked)} requests of an open page")
    assert made / took > 500
    assert 3 <= len(asked) <= took + 2
    # A second after each answer: apart by more than that, but for what this process was late to notice.
    assert all(later - sooner > 0.8 for sooner, later in itertools.pairwise(asked))
    for run in running:
        end_run(db, run)
    expect(page.locator("tr[data-goes-on]")).to_have_count(0, timeout=5000)
    assert page.locator("tbody tr").count() == 50
    assert tab.troubles == []


def test_what_is_ticked_is_asked_for_again_and_what_is_refused_is_told(site: Site, db: Connection) -> None:
    fine = begin_run(db, "purge-carts")
    end_run(db, fine)
    still = begin_run(db, "sync-stock")
    tab = site.tab("operator", scripts=False)
    page = tab.open("/runs")
    page.get_by_label("Select purge-carts#61").check()
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("1 run asked for again.")).to_be_visible()
    page.get_by_label("Select purge-carts#61").check()
    page.get_by_label("Select sync-stock#61").check()
    page.get_by_role("button", name="Cancel").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("1 run was left as it is")
    expect(alert).to_contain_text("1 run asked to end")
    assert site.value("SELECT cancel_requested_at IS NOT NULL FROM pgcron.runs WHERE run_id = %s", still) is True
    page = tab.open("/runs")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("No run was selected")
    expect(site.tab("viewer").open("/runs").get_by_role("button", name="Run again")).to_have_count(0)
    end_run(db, still)


def test_runs_are_exported_as_they_are_filtered(site: Site, db: Connection) -> None:
    end_run(db, begin_run(db, "nightly-close"), error="=HYPERLINK(1): a formula")
    session = site.people.session(site.url, "viewer", "viewer")
    answer = session.http.get("/runs/export/csv?job=nightly-close")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-disposition"] == 'attachment; filename="pgcron-runs.csv"'
    assert len(rows) == site.value("SELECT count(*) FROM pgcron.runs WHERE job = 'nightly-close'")
    assert rows[0]["error"] == "'=HYPERLINK(1): a formula"
    lines = [
        json.loads(line)
        for line in session.http.get("/runs/export/ndjson?job=nightly-close&status=FAILED").text.splitlines()
    ]
    assert {line["status"] for line in lines} == {"FAILED"}
    assert session.http.get("/runs/export/csv?job=nobody").status_code == 422
    assert session.http.get("/runs/export/xls").status_code == 404
