"""What tells the admin of changes: the connection that listens, and the look at what changed since the last one."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from pgcron_admin.changed_jobs import JobChanges
from pgcron_admin.database import Database
from pgcron_admin.live.listener import Listener
from support.eventually import until
from support.proxy import proxied

ADD = "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || lpad(n::text, 5, '0'), '@yearly', 'h' FROM generate_series(1, %s) n"


@pytest.fixture
def connection(db_url: str) -> Any:
    with psycopg.connect(db_url, autocommit=True) as found:
        yield found


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

    asyncio.run(work())


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
                connection.execute("UPDATE pgcron.cron_job SET success_count = 1 WHERE name = 'job 00009'")
                assert await told() == (1, 10)
            assert await told() == (3, 10)
            assert await told() == (0, 10)
            connection.execute("UPDATE pgcron.cron_job SET success_count = 2")
            connection.execute("DELETE FROM pgcron.cron_job WHERE name = 'job 00001'")
            assert await told() == (9, 9)
        finally:
            await database.close()

    asyncio.run(work())
