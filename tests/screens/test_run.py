"""A run's page: its life, its output as it comes, what came of it, ending and repeating it."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect
from screens.conftest import Site

from support.figures import KEY
from support.runs import begin_run, end_run, write_lines, write_many_lines

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

Connection = psycopg.Connection[Any]
HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}\x1b]0;x\x07\x1b[31m</span>"
COLOURED = (
    "\x1b[1;31mred\x1b[0m plain \x1b[38;5;4mblue\x1b[39m \x1b[48;2;1;2;3mtrue\x1b[49m\x1b[4munder\x1b[24m\x1b[2K end"
)


@pytest.fixture
def db(site: Site) -> Iterator[Connection]:
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        yield connection


def numbers(page: Page) -> list[int]:
    return [int(text) for text in page.locator("#log-lines .log-line > a").all_inner_texts()]


def wait_for_line(page: Page, no: int) -> None:
    page.wait_for_selector(f"#L{no}", timeout=10_000)


def test_output_comes_once_and_in_order_also_over_an_interruption(site: Site, db: Connection) -> None:
    run = begin_run(db, "weekly-report")
    write_lines(db, run, [(n, "log", "INFO", f"line {n}") for n in range(1, 4)])
    tab = site.tab()
    page = tab.open(f"/runs/{run}")
    page.wait_for_selector("#log-lines[data-is-taken]")
    expect(page.locator("#live")).to_have_text("Live")
    log = page.locator("#log-lines")
    assert (log.get_attribute("role"), log.get_attribute("aria-live")) == ("log", "off")
    page.get_by_label("Read new lines aloud").check()
    assert log.get_attribute("aria-live") == "polite"
    write_lines(db, run, [(n, "log", "INFO", f"line {n}") for n in range(4, 7)])
    wait_for_line(page, 6)
    page.locator("h1").click()
    page.keyboard.press(".")
    expect(page.locator("#live")).to_have_text("Paused")
    write_lines(db, run, [(n, "log", "INFO", f"line {n}") for n in range(7, 10)])
    page.keyboard.press(".")
    wait_for_line(page, 9)
    write_lines(db, run, [(10, "log", "INFO", "line 10")], is_complete=True)
    end_run(db, run)
    expect(page.locator("#log-status")).to_have_text("The run finished: success.", timeout=10_000)
    expect(page.locator("#result")).to_contain_text("Success")
    wait_for_line(page, 10)
    assert numbers(page) == list(range(1, 11))
    assert tab.troubles == []


def test_fifty_thousand_lines_are_searched_and_linked_to_with_few_rows(
    site: Site, db: Connection, record_property: Any
) -> None:
    run = begin_run(db, "weekly-report")
    write_many_lines(db, run, 50_000)
    end_run(db, run)
    page = site.tab().open(f"/runs/{run}#L120")
    began = time.perf_counter()
    expect(page.locator("#L120.is-target")).to_be_visible(timeout=20_000)
    record_property(KEY, f"line 120 of 50,000 on the screen after {(time.perf_counter() - began) * 1000:.0f} ms")
    assert page.locator("#log-lines .log-line").count() <= 2000
    page.get_by_label("Search the output").fill("batch 31415 ")
    expect(page.locator("#log-found")).to_have_text("1 lines")
    page.keyboard.press("Enter")
    expect(page.locator("#L31415 mark")).to_have_text("batch 31415 ")
    page.get_by_label("Search the output").fill("")
    page.get_by_role("button", name="Jump to the end").click()
    expect(page.locator("#L50000")).to_be_visible()
    assert (
        page.evaluate(
            "() => { const b = document.getElementById('log-lines'); return b.scrollHeight - b.scrollTop - b.clientHeight }"
        )
        < 40
    )
    assert page.locator("#log-lines .log-line").count() <= 2000


def test_following_stops_when_somebody_scrolls_up(site: Site, db: Connection) -> None:
    run = begin_run(db, "weekly-report")
    write_lines(db, run, [(n, "log", "INFO", f"line {n}") for n in range(1, 101)])
    page = site.tab().open(f"/runs/{run}")
    page.wait_for_selector("#log-lines[data-is-taken]")
    page.locator("#log-lines").scroll_into_view_if_needed()
    expect(page.locator("#L100")).to_be_in_viewport()
    expect(page.get_by_label("Follow")).to_be_checked()
    page.locator("#log-lines").hover()
    page.mouse.wheel(0, -600)
    expect(page.get_by_label("Follow")).not_to_be_checked()
    write_lines(db, run, [(101, "log", "INFO", "line 101")])
    expect(page.get_by_role("button", name="Jump to the end")).to_be_visible()
    expect(page.locator("#L101")).not_to_be_in_viewport()
    page.get_by_role("button", name="Jump to the end").click()
    expect(page.locator("#L101")).to_be_in_viewport()
    end_run(db, run)


def test_levels_gaps_and_colours_are_the_same_with_and_without_scripts(site: Site, db: Connection) -> None:
    run = begin_run(db, "weekly-report")
    write_lines(db, run, [(1, "log", "DEBUG", "looking"), (2, "log", "INFO", COLOURED), (3, "log", "WARNING", "slow"), (9, "stderr", None, "broken")], is_complete=True)  # fmt: skip
    end_run(db, run)
    page, plain = site.tab().open(f"/runs/{run}"), site.tab(scripts=False).open(f"/runs/{run}")
    page.wait_for_selector("#log-lines[data-is-taken]")
    inside = (
        "els => els.map(el => [el.className, [...el.querySelectorAll('span')].map(s => [s.className, s.textContent])])"
    )
    shown = page.locator("#log-lines .log-line > span").evaluate_all(inside)
    assert shown == plain.locator("#log-lines .log-line > span").evaluate_all(inside)
    assert shown[1][1] == [["ansi-bold ansi-1", "red"], ["ansi-4", "blue"], ["ansi-under", "under"]]
    assert [row[0] for row in shown] == ["tone-idle", "", "tone-waiting", "tone-failed"]
    expect(page.locator(".log-gap")).to_have_text("5 lines not kept")
    expect(plain.locator(".log-gap")).to_have_text("5 lines not kept")
    expect(plain.locator("#log-notice")).to_contain_text("5 lines are not kept")
    page.get_by_label("Level").select_option("WARNING")
    expect(page.locator("#log-lines .log-line")).to_have_count(2)
    page.get_by_label("Level").select_option("stderr")
    expect(page.locator("#log-lines .log-line")).to_have_text(["9broken"])


def test_without_scripts_there_are_the_last_thousand_lines_and_a_file_with_all(site: Site, db: Connection) -> None:
    run = begin_run(db, "weekly-report")
    write_many_lines(db, run, 2500)
    end_run(db, run)
    page = site.tab(scripts=False).open(f"/runs/{run}")
    assert numbers(page) == list(range(1501, 2501))
    expect(page.locator("#log")).to_contain_text("Shown are the last 1\u202f000 lines.")
    answer = site.people.session(site.url, "viewer", "viewer").http.get(f"/runs/{run}/output.txt")
    lines = answer.text.splitlines()
    assert (len(lines), lines[0].split(" ", 2)[1:], answer.headers["content-disposition"].startswith("attachment")) == (
        2500,
        ["INFO", "batch 1 was copied"],
        True,
    )


def test_a_run_is_asked_to_end_then_ended_by_force_and_repeated(site: Site, db: Connection) -> None:
    run = begin_run(db, "purge-carts", args={"days": 30})
    tab = site.tab("operator", scripts=False)
    page = tab.open(f"/runs/{run}")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("note")).to_contain_text("Asked to end")
    page.get_by_role("button", name="End it by force").click()
    expect(page.get_by_text("The run is ended without asking it.")).to_be_visible()
    asked = site.value("SELECT cancel_is_forced FROM pgcron.cron_log WHERE id = %s", run)
    assert asked is True
    end_run(db, run, error="Cancelled: by operator")
    page = tab.open(f"/runs/{run}")
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("Another run was asked for.")).to_be_visible()
    assert site.value("SELECT args FROM pgcron.requests WHERE job = 'purge-carts' AND state = 'PENDING'") == {
        "days": 30
    }
    site.do("SELECT pgcron.disable('purge-carts', 'no more')")
    page = tab.open(f"/runs/{run}")
    expect(page.get_by_role("button", name="Run again")).to_be_disabled()


def test_a_failure_is_told_with_its_kind_its_last_success_and_its_tree(site: Site, db: Connection) -> None:
    page = site.tab().open(
        f"/runs/{site.value('SELECT run_id FROM pgcron.runs WHERE job = %s ORDER BY seq DESC LIMIT 1', 'send-invoices')}"
    )
    error = page.locator("section[aria-labelledby=error]")
    expect(error).to_contain_text("the mail server refused")
    expect(error.get_by_role("link", name=re.compile("The same [0-9]+ times"))).to_be_visible()
    expect(error).to_contain_text("Last success before it: #")
    run = begin_run(db, "nightly-close", args={"day": "2026-11-20"})
    end_run(db, run, result={"rows": 12, "parts": [{"name": "orders"}]})
    page = site.tab(scripts=False).open(f"/runs/{run}")
    tree = page.locator("section[aria-labelledby=result-tree]")
    expect(tree).to_contain_text("orders")
    tree.locator("summary", has_text="parts").click()
    expect(tree.get_by_text("orders")).to_be_hidden()
    expect(page.locator("section[aria-labelledby=life]")).to_contain_text("Took")


def test_hostile_text_of_a_run_is_only_text(site: Site, db: Connection) -> None:
    run = begin_run(db, "nightly-close", args={HOSTILE: HOSTILE})
    write_lines(db, run, [(1, "stdout", None, HOSTILE), (2, "log", "ERROR", HOSTILE)])
    end_run(db, run, error=HOSTILE.replace("\x1b", ""), result={HOSTILE: [HOSTILE]})
    tab = site.tab()
    page = tab.open(f"/runs/{run}")
    page.wait_for_selector("#log-lines[data-is-taken]")
    page.get_by_label("Search the output").fill("<img")
    expect(page.locator("#log-lines mark")).to_have_count(2)
    assert page.locator("main img, main script").count() == 0
    tab.open("/runs/errors")
    tab.open("/runs?status=FAILED")
    assert tab.troubles == []


def test_a_viewer_of_a_run_is_offered_nothing(site: Site, db: Connection) -> None:
    run: uuid.UUID = begin_run(db, "nightly-close")
    page = site.tab("viewer").open(f"/runs/{run}")
    expect(page.locator("h1")).to_contain_text("Running")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    end_run(db, run)
