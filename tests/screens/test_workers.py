"""The fleet: who lives and what they do, what one lacks, asking one to leave."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect
from screens.conftest import Site

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

WORKER = "SELECT worker_id FROM pgcron.workers WHERE host = %s"


def test_a_worker_is_asked_to_leave_with_a_reason(site: Site) -> None:
    tab = site.tab()
    page = tab.open("/workers")
    card = page.locator("li.card", has_text="web-2.eu")
    expect(card).to_contain_text("0 of 8")
    card.get_by_label("Why drain web-2.eu").fill("a new kernel")
    card.get_by_role("button", name="Drain").click()
    expect(page.get_by_text("The worker was asked to drain.")).to_be_visible()
    expect(card).to_contain_text("Asked to leave by web:super-admin")
    expect(card).to_contain_text("a new kernel")
    assert site.value("SELECT drain_reason FROM pgcron.workers WHERE host = 'web-2.eu'") == "a new kernel"
    assert tab.troubles == []


def test_what_a_worker_lacks_and_that_it_is_late_is_said_and_a_viewer_drains_nobody(site: Site) -> None:
    worker = site.value(WORKER, "web-1.eu")
    before = site.value("SELECT handlers FROM pgcron.cron_worker WHERE id = %s", worker)
    site.do("UPDATE pgcron.cron_worker SET handlers = '[]' WHERE id = %s", worker)
    site.do(
        "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() + interval '5 s' WHERE worker_id = %s", worker
    )
    page = site.tab("viewer", scripts=False).open("/workers")
    card = page.locator("li.card", has_text="web-1.eu")
    expect(card).to_contain_text("1 handler is missing here")
    expect(card).to_contain_text("shop:close")
    expect(card).to_contain_text("(late)")
    expect(page.get_by_role("button", name="Drain")).to_have_count(0)
    site.do(
        "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() + interval '1 h' WHERE worker_id = %s", worker
    )
    site.do(
        "UPDATE pgcron.cron_worker SET handlers = %s::jsonb WHERE id = %s",
        str(before).replace("'", '"').replace("None", "null"),
        worker,
    )


def test_who_died_is_there_for_a_day_with_the_runs_that_were_lost(site: Site) -> None:
    worker = site.value(WORKER, "batch-1.eu")
    run = site.value(
        "SELECT run_id FROM pgcron.runs WHERE worker_id = %s AND status = 'FAILED' ORDER BY run_id DESC LIMIT 1", worker
    )
    with psycopg.connect(site.db_url) as connection:
        connection.execute(
            "SET LOCAL session_replication_role = replica"
        )  # an ended run never changes: this is its past
        connection.execute("UPDATE pgcron.cron_log SET reason = 'lost' WHERE id = %s", (run,))
    site.do("UPDATE pgcron.cron_worker SET state = 'DEAD', ended_at = clock_timestamp() WHERE id = %s", worker)
    page = site.tab("viewer").open("/workers")
    row = page.locator("section[aria-labelledby=gone] li", has_text="batch-1.eu")
    expect(row).to_contain_text("Dead")
    expect(row).to_contain_text("1 run was lost with it")
