"""Connections of transactional handlers after the server was away: the next run has one at once."""

from __future__ import annotations

import asyncio
import contextlib
import time

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from pgcron_workers.executors import pools as pools_module
from pgcron_workers.executors.pools import APPLICATION, Pools
from support.eventually import until

BROKEN = 6  # a wait that doubles after each of them would be of a minute
SOON = 5.0  # seconds


def break_all(db_url: str) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s", (APPLICATION,)
        ).fetchall()
    assert ended == [(True,)] * BROKEN


async def use_async(pools: Pools) -> None:
    async with pools.connection_async() as connection:
        await connection.execute("SELECT 1")


def test_after_a_restart_an_async_handler_has_a_connection_at_once(db_url: str) -> None:
    async def scenario() -> None:
        pools = Pools(db_url, BROKEN)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(BROKEN):
                await stack.enter_async_context(pools.connection_async())
        pool = await pools._open_async()
        await until(lambda: pool.get_stats()["pool_available"] == BROKEN)
        break_all(db_url)
        began = time.monotonic()
        await asyncio.gather(*(use_async(pools) for _ in range(BROKEN)))
        assert time.monotonic() - began < SOON
        assert pool.closed
        await pools.close_async()

    asyncio.run(scenario())


def test_after_a_restart_a_def_handler_has_a_connection_at_once(db_url: str) -> None:
    pools = Pools(db_url, BROKEN)
    with contextlib.ExitStack() as stack:
        for _ in range(BROKEN):
            stack.enter_context(pools.connection())
    while pools._open().get_stats()["pool_available"] < BROKEN:
        time.sleep(0.01)
    break_all(db_url)
    began = time.monotonic()
    with pools.connection() as connection:
        connection.execute("SELECT 1")
    assert time.monotonic() - began < SOON
    pools.close()


def test_who_waited_in_vain_leaves_no_long_wait_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's next try comes after twice as long as it was away; that of a new pool at once."""
    monkeypatch.setattr(pools_module, "WAIT", 0.3)
    nobody = "postgresql://postgres@127.0.0.1:1/none"

    async def scenario() -> None:
        pools = Pools(nobody, 1)
        first = await pools._open_async()
        with pytest.raises(PoolTimeout):
            await use_async(pools)
        assert first.closed
        assert await pools._open_async() is not first
        await pools.close_async()

    asyncio.run(scenario())
    pools = Pools(nobody, 1)
    first = pools._open()
    with pytest.raises(PoolTimeout), pools.connection():
        pass
    assert first.closed
    assert pools._open() is not first
    pools.close()
