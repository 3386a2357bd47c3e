"""The timeline: load against capacity, the week by hours, and what has run."""

from __future__ import annotations

import re
import time
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect
from screens.conftest import Site

from support.figures import KEY
from support.runs import begin_run, end_run

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI


def crowd(site: Site, count: int, schedule: str = "*/10 * * * *", tag: str = "crowd") -> None:
    site.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, tags) SELECT %s || '-' || n, %s, 'shop:close', ARRAY[%s] FROM generate_series(1, %s) n",
        tag, schedule, tag, count,
    )  # fmt: skip


def test_minutes_over_capacity_are_hatched_and_tell_their_jobs_and_quiet_minutes(site: Site) -> None:
    crowd(site, 40)
    try:
        tab = site.tab()
        page = tab.open("/jobs")
        page.keyboard.press("g")
        page.keyboard.press("t")
        expect(page.locator("h1")).to_have_text("Timeline")
        page.get_by_role("link", name="1h", exact=True).click()
        expect(page.locator("section[aria-labelledby=load]")).to_contain_text(
            re.compile("Room for 16 at a time; [67] minutes are over it")
        )
        assert page.locator("rect[fill='url(#hatch)']").count() in (6, 7)
        columns = page.locator("section[aria-labelledby=load] svg a")
        expect(columns).to_have_count(60)
        busiest = columns.filter(has=page.locator("rect")).evaluate_all(
            "all => all.map(a => parseInt(a.getAttribute('aria-label').match(/: ([0-9]+) start/)[1]))"
        )
        columns.nth(busiest.index(max(busiest))).click()
        chosen = page.locator("section[aria-labelledby=minute]")
        expect(chosen).to_contain_text("crowd-1")
        expect(chosen.locator("h3 + ul li")).to_have_count(3)
        expect(page.locator("svg a[aria-current]")).to_have_count(1)
        page = tab.open("/timeline?range=1h&tag=crowd&by=tag")
        expect(page.locator("section[aria-labelledby=lanes] li")).to_have_count(1)
        page = tab.open("/timeline?range=1h&tag=finance")
        expect(page.locator("section[aria-labelledby=lanes]")).to_contain_text("send-invoices")
        expect(page.locator("section[aria-labelledby=lanes]")).not_to_contain_text("crowd")
        assert tab.troubles == []
    finally:
        site.do("DELETE FROM pgcron.cron_job WHERE tags = ARRAY['crowd']")


def test_the_week_is_walked_by_arrows_and_opens_an_hour(site: Site) -> None:
    crowd(site, 9, "30 5 * * wed", "weekly")
    try:
        page = site.tab().open("/timeline/heat?tag=weekly")
        cells = page.locator("section[aria-labelledby=week] td a")
        expect(cells).to_have_count(168)
        numbers = [int(text) for text in cells.all_inner_texts()]
        assert (sum(numbers), numbers[2 * 24 + 5], cells.nth(53).get_attribute("class")) == (9, 9, "heat-bg-5")
        expect(page.locator("main")).to_contain_text("Busiest: Wed 05:00 (9)")
        assert cells.evaluate_all("all => all.filter(a => a.tabIndex === 0).length") == 1
        cells.first.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "End"):
            page.keyboard.press(key)
        assert page.evaluate("[document.activeElement.dataset.row, document.activeElement.dataset.column]") == [
            "1",
            "23",
        ]
        cells.nth(53).click()
        minutes = page.locator("section[aria-labelledby=hour] td a")
        expect(minutes).to_have_count(60)
        assert [int(text) for text in minutes.all_inner_texts()] == [0] * 30 + [9] + [0] * 29
        minutes.nth(30).click()
        expect(page.locator("section[aria-labelledby=minute]")).to_contain_text("weekly-9")
        page = site.tab(scripts=False).open("/timeline/heat?tag=weekly&zone=Asia/Kolkata")
        assert page.locator("section[aria-labelledby=week] td a").nth(2 * 24 + 11).inner_text() == "9"
    finally:
        site.do("DELETE FROM pgcron.cron_job WHERE tags = ARRAY['weekly']")


def test_what_ran_shows_overlaps_and_misses(site: Site) -> None:
    with psycopg.connect(site.db_url, autocommit=True) as db:
        first, second = begin_run(db, "weekly-report"), begin_run(db, "weekly-report")
        end_run(db, first)
        end_run(db, second, error="ValueError: no")
        db.execute(
            "INSERT INTO pgcron.cron_miss (job_id, reason, count, first_scheduled_for, last_scheduled_for, covers_from, covers_to) "
            "SELECT id, 'overlap', 2, now() - interval '30 min', now() - interval '20 min', now() - interval '31 min', now() - interval '19 min' FROM pgcron.cron_job WHERE name = 'gdpr-export'"
        )  # fmt: skip
    page = site.tab().open("/timeline/past?range=1h")
    lane = page.locator("section[aria-labelledby=lanes] li", has_text="weekly-report")
    expect(lane).to_contain_text("1 overlapping")
    ys = lane.locator("a rect").evaluate_all("all => all.slice(-2).map(r => r.getAttribute('y'))")
    assert ys == ["2", "16"]
    missed = page.locator("section[aria-labelledby=lanes] li", has_text="gdpr-export")
    expect(missed.locator("rect.svg-hollow title")).to_have_text("2 misses: overlap")
    lane.locator("a").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("weekly-report#62")
    page = site.tab(scripts=False).open("/timeline/past?range=1h")
    page.get_by_role("link", name="Earlier").click()
    expect(page.get_by_role("link", name="Later")).to_be_visible()


def test_bad_values_are_told_and_ten_thousand_jobs_are_bounded(site: Site, record_property: Any) -> None:
    tab = site.tab(scripts=False)
    page = tab.open("/timeline?zone=Mars/Olympus&from=tomorrow")
    expect(page.locator("#problem-zone")).to_contain_text("Mars/Olympus")
    expect(page.get_by_role("alert")).to_contain_text("'tomorrow' is no instant")
    assert page.get_by_label("Time zone").input_value() == "Mars/Olympus"
    crowd(site, 10_000, "*/5 * * * *", "many")
    try:
        session = site.people.session(site.url, "viewer", "viewer")
        told = []
        for path in ("/timeline?range=24h", "/timeline?range=24h&by=tag", "/timeline/heat", "/timeline/past?range=24h"):
            began = time.perf_counter()
            answer = session.http.get(path)
            told.append(f"{path} {(time.perf_counter() - began) * 1000:.0f} ms, {len(answer.content) // 1000} kB")
            assert answer.status_code == 200
            assert len(answer.content) < 700_000
        record_property(KEY, "10,000 jobs: " + "; ".join(told))
        page = tab.open("/timeline?range=24h")
        expect(page.locator("section[aria-labelledby=lanes] li")).to_have_count(30)
        expect(page.locator("main")).to_contain_text("more jobs start in this time and are not drawn")
    finally:
        site.do("DELETE FROM pgcron.cron_job WHERE tags = ARRAY['many']")
