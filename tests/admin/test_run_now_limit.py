"""The rate limit of run now: counted in the database, in the transaction that inserts the request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest

from support.admin import People, admin_process, as_program
from support.admin_sites import Site, site_on
from support.api import Records


@pytest.fixture
def records(db_url: str) -> Records:
    records = Records(db_url)
    records.worker()
    return records


@pytest.fixture
def four(db_url: str, web_url: str, records: Records) -> Iterator[list[str]]:
    """URLs of four processes of the admin."""
    with ExitStack() as stack:
        yield [stack.enter_context(admin_process(web_url, "--dev")).url for _ in range(4)]


def trigger(program: httpx.Client, job: object) -> httpx.Response:
    return program.post(f"/api/cron-jobs/{job}/trigger")


@pytest.fixture(scope="module")
def strict_site(embedded_pg: object, migrated_template: str) -> Iterator[Site]:
    """A user may ask for three runs in a minute, and all for five."""
    limits = {"PGCRON_ADMIN_RUNS_PER_MINUTE": "3", "PGCRON_ADMIN_ALL_RUNS_PER_MINUTE": "5"}
    with site_on(embedded_pg, migrated_template, **limits) as found:
        yield found


@pytest.fixture
def one(strict_site: Site) -> Site:
    strict_site.renew()
    Records(strict_site.db_url).worker()
    return strict_site


def test_two_hundred_calls_at_once_through_four_processes_accept_exactly_ten(
    four: list[str], db_url: str, records: Records
) -> None:
    jobs = [records.job(f"job-{n}") for n in range(20)]
    token = People(db_url).token("ann", "operator", scopes=["cron.trigger"])
    programs = [as_program(url, token) for url in four]
    calls = [(programs[n % 4], jobs[n % 20]) for n in range(200)]
    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(lambda call: trigger(*call), calls))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[202] == 10, statuses
    assert statuses.keys() <= {202, 409, 429}  # 409: the job was asked to run a moment ago
    assert len(records.rows("SELECT FROM pgcron.cron_request")) == 10
    assert len(records.rows("SELECT FROM pgcron.app_run_now")) == 10
    waits = {int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429}
    assert waits <= set(range(45, 61)), waits


def test_sessions_and_tokens_of_one_user_share_a_limit_and_only_accepted_calls_count(
    one: Site,
) -> None:
    records, people = Records(one.db_url), one.people
    jobs = [records.job(f"job-{n}") for n in range(6)]
    program, browser = (
        as_program(one.url, people.token("ann", "operator", scopes=["cron.trigger"])),
        people.session(one.url, "ann", "operator"),
    )
    disabled = records.job("off", is_enabled=False)
    for _ in range(5):
        assert trigger(program, disabled).status_code == 400
    assert [trigger(program, job).status_code for job in jobs[:2]] == [202, 202]
    assert trigger(program, jobs[0]).status_code == 409
    assert browser.post(f"/api/cron-jobs/{jobs[2]}/trigger").status_code == 202
    answer = browser.post(f"/api/cron-jobs/{jobs[3]}/trigger")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer.json()["message"] == "you may ask for 3 runs in a minute"
    bob = as_program(one.url, people.token("bob", "operator", scopes=["cron.trigger"]))
    assert [trigger(bob, job).status_code for job in jobs[3:]] == [202, 202, 429]
    assert trigger(bob, jobs[5]).json()["message"] == "all users together may ask for 5 runs in a minute"


def test_retry_after_is_the_second_in_which_the_window_lets_go(one: Site) -> None:
    records = Records(one.db_url)
    program = as_program(one.url, one.people.token("ann", "operator", scopes=["cron.trigger"]))
    jobs = [records.job(f"job-{n}") for n in range(5)]
    for job in jobs[:3]:
        assert trigger(program, job).status_code == 202
    for age in (30, 45, 0):
        began = time.monotonic()
        records.rows("UPDATE pgcron.app_run_now SET at = clock_timestamp() - make_interval(secs => %s)", age)
        answer = trigger(program, jobs[3])
        assert answer.status_code == 429
        passed = time.monotonic() - began
        assert 60 - age - passed <= int(answer.headers["retry-after"]) <= 60 - age
    records.rows("UPDATE pgcron.app_run_now SET at = clock_timestamp() - interval '20 s'")
    records.rows(
        "UPDATE pgcron.app_run_now SET at = clock_timestamp() - interval '60 s' WHERE id = (SELECT min(id) FROM pgcron.app_run_now)"
    )
    assert trigger(program, jobs[3]).status_code == 202
    assert trigger(program, jobs[4]).status_code == 429


def test_who_comes_while_another_is_being_counted_waits_and_counts_it(records: Records, web_url: str) -> None:
    jobs = [records.job(f"job-{n}") for n in range(2)]
    ask = "SELECT pgcron.run_now_limited(%s, 'user x', 1, 60)"
    with psycopg.connect(web_url) as first, psycopg.connect(web_url) as second, ThreadPoolExecutor(1) as threads:
        first.execute(ask, (jobs[0],))
        later = threads.submit(second.execute, ask, (jobs[1],))
        waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = %s"
        while not records.rows(waiting, second.info.backend_pid):
            assert not later.done()
        first.commit()
        with pytest.raises(psycopg.Error) as refusal:
            later.result(10)
        assert refusal.value.sqlstate == "PC020"


def test_a_flood_that_is_over_the_limit_waits_for_nobody(records: Records, web_url: str) -> None:
    job = records.job("job")
    records.rows("INSERT INTO pgcron.app_run_now (subject) VALUES ('user x')")
    with psycopg.connect(web_url) as holder, psycopg.connect(web_url) as flood:
        holder.execute("SELECT pgcron.run_now_limited(%s, 'user y', 5, 60)", (job,))
        flood.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.Error) as refusal:
            flood.execute("SELECT pgcron.run_now_limited(%s, 'user x', 1, 60)", (job,))
        assert refusal.value.sqlstate == "PC020"


def test_the_count_is_only_the_last_minute_s(records: Records, web_url: str) -> None:
    jobs: list[Any] = [records.job(f"job-{n}") for n in range(2)]
    with psycopg.connect(web_url, autocommit=True) as connection:
        connection.execute("SELECT pgcron.run_now_limited(%s, 'user x', 9, 60)", (jobs[0],))
        records.rows("UPDATE pgcron.app_run_now SET at = clock_timestamp() - interval '61 s'")
        connection.execute("SELECT pgcron.run_now_limited(%s, 'user x', 1, 60)", (jobs[1],))
    assert len(records.rows("SELECT FROM pgcron.app_run_now")) == 1
