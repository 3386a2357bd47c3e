"""The list of jobs that a process keeps: what others change in the database, against what it gives."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from pgcron_admin import job_cache
from pgcron_admin.changed_jobs import JobChanges
from pgcron_admin.database import Database
from pgcron_admin.job_cache import JobCache, job_states
from pgcron_admin.live.listener import Listener
from pgcron_admin.queries.job_states import JobState
from support.bouncer import bouncer_for
from support.proxy import proxied

ADD = "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || lpad(n::text, 5, '0'), '@yearly', 'h' FROM generate_series(1, %s) n"


@asynccontextmanager
async def cache_on(url: str, *, listens: bool = True) -> AsyncIterator[tuple[JobCache[JobState], Listener]]:
    database, listener = Database(url), Listener(url)
    cache = job_states(database, listener)
    try:
        listener.start()
        await until(lambda: listener.is_listening is listens)
        yield cache, listener
    finally:
        await listener.close()
        await database.close()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.005)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await work()

    asyncio.run(all_of_it())


@pytest.fixture
def connection(db_url: str) -> Any:
    with psycopg.connect(db_url, autocommit=True) as found:
        yield found


def counted(cache: JobCache[JobState], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each read of the cache asks for, from now on."""
    asked: list[int] = []
    read = cache._read

    async def reading(ids: Any) -> Any:
        asked.append(len(ids))
        return await read(ids)

    monkeypatch.setattr(cache, "_read", reading)
    return asked


def names(jobs: Sequence[JobState]) -> list[str]:
    return [job.name for job in jobs]


def test_jobs_come_by_name_and_only_those_that_changed_are_read_again(
    web_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(ADD, (1200,))

    async def work() -> None:
        async with cache_on(web_url) as (cache, listener):
            asked = counted(cache, monkeypatch)
            first = await cache.jobs()
            assert names(first) == [f"job {n:05}" for n in range(1, 1201)]
            assert await cache.jobs() is first
            heard = listener.heard
            connection.execute("UPDATE pgcron.cron_job SET schedule = '@daily' WHERE name = 'job 00007'")
            await until(lambda: listener.heard > heard)
            assert (await cache.jobs())[6].schedule == "@daily"
            assert asked == [1200, 1]

    run(work)


def test_new_renamed_and_deleted_jobs_are_seen(web_url: str, connection: Any) -> None:
    connection.execute(ADD, (3,))

    async def work() -> None:
        async with cache_on(web_url) as (cache, listener):
            assert len(await cache.jobs()) == 3
            heard = listener.heard
            with connection.transaction():
                connection.execute("DELETE FROM pgcron.cron_job WHERE name = 'job 00001'")
                connection.execute("UPDATE pgcron.cron_job SET name = 'a first one' WHERE name = 'job 00003'")
                connection.execute(
                    "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('z last', '@daily', 'h')"
                )
            await until(lambda: listener.heard > heard)
            assert names(await cache.jobs()) == ["a first one", "job 00002", "z last"]

    run(work)


def test_what_a_run_changes_without_a_word_is_seen_within_a_second(web_url: str, connection: Any) -> None:
    connection.execute(ADD, (2,))

    async def work() -> None:
        async with cache_on(web_url) as (cache, listener):
            await cache.jobs()
            heard = listener.heard
            for number in range(1, 4):
                connection.execute(
                    "UPDATE pgcron.cron_job SET success_count = success_count + 1 WHERE name = 'job 00001'"
                )
                await asyncio.sleep(
                    job_cache.LOOK_AFTER_S
                )  # as old as it may be, and half a second less than is promised
                assert (await cache.jobs())[0].success_count == number
            assert listener.heard == heard, "nobody said anything"

    run(work)


def test_many_who_ask_at_once_are_served_by_one_look(
    web_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(ADD, (50,))

    async def work() -> None:
        async with cache_on(web_url) as (cache, _):
            asked = counted(cache, monkeypatch)
            found = await asyncio.gather(*(cache.jobs() for _ in range(100)))
            assert asked == [50]
            assert all(jobs is found[0] for jobs in found)

    run(work)


def test_one_who_gives_up_stops_nobody_else(web_url: str, connection: Any) -> None:
    connection.execute(ADD, (50,))

    async def work() -> None:
        async with cache_on(web_url) as (cache, _):
            impatient, patient = asyncio.create_task(cache.jobs()), asyncio.create_task(cache.jobs())
            await asyncio.sleep(0)
            impatient.cancel()
            assert len(await patient) == 50

    run(work)


def test_a_storm_of_changes_keeps_nobody_waiting_for_ever(web_url: str, db_url: str, connection: Any) -> None:
    connection.execute(ADD, (20,))

    async def work() -> None:
        storm = await psycopg.AsyncConnection.connect(db_url, autocommit=True)

        async def blow() -> None:
            while True:
                await storm.execute(
                    "UPDATE pgcron.cron_job SET description = clock_timestamp()::text WHERE name = 'job 00001'"
                )

        async with cache_on(web_url) as (cache, _), storm:
            blowing = asyncio.create_task(blow())
            try:
                async with asyncio.timeout(10):
                    for _ in range(20):
                        assert len(await cache.jobs()) == 20
            finally:
                blowing.cancel()
                await asyncio.gather(blowing, return_exceptions=True)

    run(work)


def test_a_long_transaction_does_not_hide_what_others_change_nor_have_all_read_again(
    web_url: str, db_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(ADD, (30,))

    async def work() -> None:
        async with cache_on(web_url) as (cache, listener):
            with psycopg.connect(db_url) as long:
                long.execute("SELECT pg_current_xact_id()")
                long.execute(
                    "SAVEPOINT inner_one"
                )  # its rows carry the id of a subtransaction, which snapshots don't name
                long.execute("UPDATE pgcron.cron_job SET success_count = 7 WHERE name = 'job 00001'")
                connection.execute("UPDATE pgcron.cron_job SET success_count = 8 WHERE name = 'job 00002'")
                await cache.jobs()
                asked = counted(cache, monkeypatch)
                for _ in range(3):
                    heard = listener.heard
                    connection.execute("UPDATE pgcron.cron_job SET schedule = schedule || ' ' WHERE name = 'job 00003'")
                    await until(lambda before=heard: listener.heard > before)  # type: ignore[misc]  # bound now
                    jobs = await cache.jobs()
                    assert [job.success_count for job in jobs[:2]] == [0, 8]
                assert asked == [1, 1, 1]
                long.commit()
            await asyncio.sleep(job_cache.LOOK_AFTER_S)
            assert (await cache.jobs())[0].success_count == 7

    run(work)


def test_no_row_is_kept_for_longer_than_half_a_minute(
    web_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(ADD, (40,))
    monkeypatch.setattr(job_cache, "PART", 10)

    async def work() -> None:
        async with cache_on(web_url) as (cache, _):
            await cache.jobs()
            asked = counted(cache, monkeypatch)
            monkeypatch.setattr(job_cache, "AGEING_S", 0.0)  # now all are old enough to be read by the way
            for _ in range(4):
                cache._looked_at = float("-inf")
                await cache.jobs()
            assert asked == [10, 10, 10, 10]
            monkeypatch.setattr(job_cache, "KEPT_S", 0.0)
            cache._looked_at = float("-inf")
            await cache.jobs()
            assert asked[4:] == [40]

    run(work)


def test_behind_a_pooler_nothing_is_kept(pg_admin_url: str, web_url: str, connection: Any) -> None:
    connection.execute(ADD, (2,))

    async def work() -> None:
        with bouncer_for(pg_admin_url) as bouncer:
            async with cache_on(bouncer.url(web_url), listens=False) as (cache, _):
                assert len(await cache.jobs()) == 2
                for number in range(1, 6):
                    connection.execute(
                        "UPDATE pgcron.cron_job SET success_count = %s WHERE name = 'job 00001'", (number,)
                    )
                    assert (await cache.jobs())[0].success_count == number

    run(work)


def test_while_the_connection_that_listens_is_broken_nothing_is_kept_and_afterwards_all_is_read_again(
    web_url: str, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute(ADD, (5,))

    async def work() -> None:
        with proxied(web_url) as (proxy, url):
            database, listener = Database(web_url), Listener(url)
            cache = job_states(database, listener)
            try:
                await cache.jobs()
                await until(lambda: listener.is_listening)
                await cache.jobs()
                proxy.fall_silent()
                proxy.cut_all()
                await until(lambda: not listener.is_listening)
                for number in range(1, 4):
                    connection.execute(
                        "UPDATE pgcron.cron_job SET schedule = %s WHERE name = 'job 00001'", (f"{number} * * * *",)
                    )
                    assert (await cache.jobs())[0].schedule == f"{number} * * * *"
                proxy.calm()
                await until(lambda: listener.is_listening)
                asked = counted(cache, monkeypatch)
                assert (await cache.jobs())[0].schedule == "3 * * * *"
                assert asked == [5]
            finally:
                await listener.close()
                await database.close()

    run(work)


def test_a_connection_that_hears_nothing_any_more_is_found_out(web_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgcron_admin.live import listener as module

    monkeypatch.setattr(module, "PROBE_EVERY_S", 0.2)
    monkeypatch.setattr(module, "SEND_WITHIN_S", 0.3)

    async def work() -> None:
        with proxied(web_url) as (proxy, url):
            listener = Listener(url)
            try:
                listener.start()
                await until(lambda: listener.is_listening)
                await asyncio.sleep(1)
                assert listener.is_listening, "its own hints come"
                proxy.stall_replies()  # half-open: no packet says that nobody is there
                await until(lambda: not listener.is_listening)
                proxy.calm()
                proxy.cut_all()
                await until(lambda: listener.is_listening)
            finally:
                await listener.close()

    run(work)


OTHER_PROCESS = """
import asyncio, sys
from pgcron_admin.database import Database
from pgcron_admin.job_cache import job_states
from pgcron_admin.live.listener import Listener
from pgcron_admin.serving import configure_logs
from pgcron_py.settings import load_settings

async def main():
    configure_logs(load_settings())
    listener = Listener(sys.argv[1])
    cache = job_states(Database(sys.argv[1]), listener)
    await cache.jobs()
    while not listener.is_listening:
        await asyncio.sleep(0.01)
    await cache.jobs()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print((await cache.jobs())[0].schedule, flush=True)

asyncio.run(main())
"""


def test_two_processes_give_no_definition_that_is_older_than_a_tenth_of_a_second(web_url: str, connection: Any) -> None:
    connection.execute(ADD, (100,))
    processes = [
        subprocess.Popen([sys.executable, "-c", OTHER_PROCESS, web_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]  # fmt: skip

    def asked(process: subprocess.Popen[str]) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("?\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        ages: list[float] = []
        for number in range(30):
            schedule = f"{number} * * * *"
            connection.execute("UPDATE pgcron.cron_job SET schedule = %s WHERE name = 'job 00001'", (schedule,))
            committed = time.monotonic()
            for process in processes:
                while asked(process) != schedule:
                    assert time.monotonic() < committed + 20
            ages.append(time.monotonic() - committed)
        # Of the worst this machine decides, when it does something else meanwhile.
        assert statistics.median(ages) < 0.1, sorted(ages)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_changes_are_told_once_and_of_a_savepoint_too(web_url: str, db_url: str, connection: Any) -> None:
    connection.execute(ADD, (10,))

    async def work() -> None:
        database, changes = Database(web_url), JobChanges()

        async def told() -> tuple[int, int]:
            async with database.read() as reader:
                found = await changes.since_last(reader)
            return len(found.changed), found.count

        try:
            assert await told() == (10, 10)
            assert await told() == (0, 10)
            with psycopg.connect(db_url) as other, other.transaction():
                with other.transaction():
                    other.execute("UPDATE pgcron.cron_job SET success_count = 1 WHERE name <= 'job 00003'")
                assert await told() == (0, 10)
            assert await told() == (3, 10)
            assert await told() == (0, 10)
            connection.execute("UPDATE pgcron.cron_job SET success_count = 2")
            connection.execute("DELETE FROM pgcron.cron_job WHERE name = 'job 00001'")
            assert await told() == (9, 9)
        finally:
            await database.close()

    run(work)
