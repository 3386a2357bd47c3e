"""Answers that a process gives again: never older than is promised, and never somebody else's."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from pgcron_admin import recent as module
from pgcron_admin.database import Database
from pgcron_admin.live.listener import Listener
from pgcron_admin.principal import anonymous
from pgcron_admin.recent import Recent
from pgcron_py.app.database import adopt
from support.admin import Browser, People, admin_process
from support.bouncer import bouncer_for
from support.eventually import until
from support.proxy import proxied

ADD = "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || lpad(n::text, 5, '0'), '@yearly', 'h' FROM generate_series(1, %s) n"
CHANGE = "UPDATE pgcron.cron_job SET schedule = %s WHERE name = 'job 00001'"


class Numbers:
    """Each reading gives the next number; it waits until it may, when `gate` is set."""

    def __init__(self) -> None:
        self.read, self.gate = 0, asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        self.read += 1
        number = self.read
        await self.gate.wait()
        return number


@asynccontextmanager
async def recent_on(url: str) -> AsyncIterator[tuple[Recent, Listener, Database]]:
    database, listener = Database(url), Listener(url)
    try:
        listener.start()
        yield Recent(database, listener), listener, database
    finally:
        await listener.close()
        await database.close()


@pytest.fixture
def connection(db_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(db_url, autocommit=True) as found:
        found.execute(ADD, (3,))
        yield found


def test_who_asks_the_same_within_half_a_second_gets_the_same_answer_and_others_get_their_own(web_url: str) -> None:
    async def work() -> None:
        async with recent_on(web_url) as (recent, listener, _):
            await until(lambda: listener.is_listening)
            numbers = Numbers()
            assert [await recent.answer("a", numbers) for _ in range(3)] == [1, 1, 1]
            assert await recent.answer("b", numbers) == 2
            await asyncio.sleep(module.KEPT_S)
            assert await recent.answer("a", numbers) == 3

    asyncio.run(work())


def test_a_hint_and_a_write_of_this_process_end_an_answer_even_while_it_is_being_read(
    web_url: str, connection: psycopg.Connection[Any]
) -> None:
    async def work() -> None:
        async with recent_on(web_url) as (recent, listener, database):
            await until(lambda: listener.is_listening)
            numbers = Numbers()
            numbers.gate.clear()
            first = asyncio.create_task(recent.answer("a", numbers))
            await until(lambda: numbers.read == 1)
            heard = listener.heard
            connection.execute(CHANGE, ("@daily",))
            await until(lambda: listener.heard > heard)
            second = asyncio.create_task(recent.answer("a", numbers))
            await until(lambda: numbers.read == 2)  # the first one may have read before the commit
            numbers.gate.set()
            assert [await first, await second, await recent.answer("a", numbers)] == [1, 2, 2]
            async with database.transaction(anonymous(None, "a-request")):
                pass
            assert await recent.answer("a", numbers) == 3

    asyncio.run(work())


def test_those_who_ask_meanwhile_wait_for_the_same_and_one_who_goes_away_takes_it_from_nobody(web_url: str) -> None:
    async def work() -> None:
        async with recent_on(web_url) as (recent, listener, _):
            await until(lambda: listener.is_listening)
            numbers = Numbers()
            numbers.gate.clear()
            impatient = asyncio.create_task(recent.answer("a", numbers))
            patient = [asyncio.create_task(recent.answer("a", numbers)) for _ in range(50)]
            await until(lambda: numbers.read == 1)
            impatient.cancel()
            numbers.gate.set()
            assert set(await asyncio.gather(*patient)) == {1}

    asyncio.run(work())


def test_what_could_not_be_read_is_asked_for_again(web_url: str) -> None:
    async def broken() -> int:
        raise ConnectionError

    async def work() -> None:
        async with recent_on(web_url) as (recent, listener, _):
            await until(lambda: listener.is_listening)
            with pytest.raises(ConnectionError):
                await recent.answer("a", broken)
            assert await recent.answer("a", Numbers()) == 1

    asyncio.run(work())


def test_only_so_many_answers_are_kept(web_url: str) -> None:
    async def work() -> None:
        async with recent_on(web_url) as (recent, listener, _):
            await until(lambda: listener.is_listening)
            for number in range(module.MOST * 2):
                await recent.answer(number, Numbers())
            assert len(recent._kept) == module.MOST

    asyncio.run(work())


def test_behind_a_pooler_nothing_is_kept(pg_admin_url: str, web_url: str) -> None:
    async def work() -> None:
        with bouncer_for(pg_admin_url) as bouncer:
            async with recent_on(bouncer.url(web_url)) as (recent, listener, _):
                numbers = Numbers()
                assert [await recent.answer("a", numbers) for _ in range(3)] == [1, 2, 3]
                assert not listener.is_listening

    asyncio.run(work())


def test_while_the_connection_that_listens_is_broken_nothing_is_kept(web_url: str) -> None:
    async def work() -> None:
        with proxied(web_url) as (proxy, url):
            async with recent_on(url) as (recent, listener, _):
                await until(lambda: listener.is_listening)
                numbers = Numbers()
                assert [await recent.answer("a", numbers) for _ in range(2)] == [1, 1]
                proxy.fall_silent()
                proxy.cut_all()
                await until(lambda: not listener.is_listening)
                assert [await recent.answer("a", numbers) for _ in range(2)] == [2, 3]
                proxy.calm()
                await until(lambda: listener.is_listening)
                assert [await recent.answer("a", numbers) for _ in range(2)] == [4, 4]

    asyncio.run(work())


@dataclass(frozen=True)
class Two:
    """Two processes on one database, and somebody in psql."""

    psql: psycopg.Connection[Any]
    people: People
    browsers: list[Browser]

    def lists(self, browser: Browser) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = browser.get("/api/cron-jobs").json()
        return found


@pytest.fixture(scope="module")
def two(embedded_pg: object, migrated_template: str) -> Iterator[Two]:
    with ExitStack() as stack:
        name = stack.enter_context(embedded_pg.database(migrated_template))  # type: ignore[attr-defined]  # tests/conftest.py's Server
        db_url = embedded_pg.url(name)  # type: ignore[attr-defined]
        adopt(db_url)
        psql = stack.enter_context(psycopg.connect(db_url, autocommit=True))
        psql.execute(ADD, (100,))
        web_url = embedded_pg.url(name, ("t_web", "test"))  # type: ignore[attr-defined]
        servers = [stack.enter_context(admin_process(web_url, "--dev")) for _ in range(2)]
        people = People(db_url)
        yield Two(psql, people, [people.session(server.url, "ana", "super_admin") for server in servers])


def is_kept(two: Two, browser: Browser) -> bool:
    """Whether the process keeps lists by now: what nobody announces is then seen a little later."""
    two.psql.execute("UPDATE pgcron.cron_job SET success_count = success_count + 1 WHERE name = 'job 00001'")
    before = two.lists(browser)[0]["successCount"]
    two.psql.execute("UPDATE pgcron.cron_job SET success_count = success_count + 1 WHERE name = 'job 00001'")
    return bool(two.lists(browser)[0]["successCount"] == before)


def both_keep(two: Two) -> None:
    deadline = time.monotonic() + 20
    for browser in two.browsers:
        while not is_kept(two, browser):
            assert time.monotonic() < deadline


def test_two_processes_give_no_definition_older_than_a_tenth_of_a_second_after_its_commit(two: Two) -> None:
    both_keep(two)
    ages = []
    for number in range(30):
        schedule = f"{number} * * * *"
        two.psql.execute(CHANGE, (schedule,))
        committed = time.monotonic()
        for browser in two.browsers:
            while two.lists(browser)[0]["schedule"] != schedule:
                assert time.monotonic() < committed + 20
        ages.append(time.monotonic() - committed)
    # Of the worst this machine decides, when it does something else meanwhile.
    assert statistics.median(ages) < 0.1, sorted(ages)


def test_what_runs_change_without_a_word_is_seen_within_a_second(two: Two) -> None:
    both_keep(two)
    ages = []
    for count in range(1000, 1005):
        two.psql.execute("UPDATE pgcron.cron_job SET success_count = %s WHERE name = 'job 00002'", (count,))
        committed = time.monotonic()
        for browser in two.browsers:
            while two.lists(browser)[1]["successCount"] != count:
                assert time.monotonic() < committed + 20
        ages.append(time.monotonic() - committed)
    assert statistics.median(ages) < 1, sorted(ages)


def test_who_changes_a_job_sees_it_changed_in_the_list_at_once(two: Two) -> None:
    both_keep(two)
    browser = two.browsers[0]
    job = two.lists(browser)[2]["id"]
    for word, is_enabled in (("disable", False), ("enable", True)) * 5:
        assert browser.post(f"/api/cron-jobs/{job}/{word}").status_code == 200
        assert two.lists(browser)[2]["isEnabled"] is is_enabled


def test_an_answer_for_those_who_may_edit_is_not_given_to_those_who_may_not(two: Two) -> None:
    both_keep(two)
    two.psql.execute("UPDATE pgcron.cron_job SET ping_url = 'https://ping.example/x' WHERE name = 'job 00004'")
    admin = two.browsers[0]
    viewer = two.people.session(str(admin.http.base_url).rstrip("/"), "vic", "viewer")
    for _ in range(3):
        assert two.lists(admin)[3]["pingUrl"] == "https://ping.example/x"
        assert two.lists(viewer)[3]["pingUrl"] is None
