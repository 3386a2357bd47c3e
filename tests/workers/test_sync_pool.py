"""The pool of processes for `def` handlers, without a database: what it keeps and what it lets go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from pgcron_py.domain.words import Reason, RunId, Status
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.sync_pool import SyncPool

APP = """
import time
from pgcron_py import PgCron
app = PgCron("pool", release="1")
@app.handler("nap")
def nap() -> str:
    time.sleep(0.3)
    return "rested"
"""


class Client:
    """Submits runs and waits for their ends."""

    def __init__(self, **config: object) -> None:
        defaults = {"app": "pool_app", "database_url": "", "log_level": "warning", "cancel_grace": 0.5, "processes": 3}

        async def no_backend(run: RunId) -> None: ...

        self.pool = SyncPool(defaults | config, structlog.get_logger(), no_backend)
        self.pool.on_end = lambda end: self.waiting[end.run_id].set_result(end)
        self.waiting: dict[RunId, asyncio.Future[RunEnd]] = {}

    def submit(self, count: int) -> list[RunId]:
        orders = [
            Order(RunId(uuid4()), uuid4(), "j", "nap", {}, 1, 1, "schedule", None, None, None, uuid4())
            for _ in range(count)
        ]
        self.waiting |= {order.run_id: asyncio.get_running_loop().create_future() for order in orders}
        self.pool.submit(orders)
        return [order.run_id for order in orders]

    async def ends(self) -> list[RunEnd]:
        return list(await asyncio.wait_for(asyncio.gather(*self.waiting.values()), 30))


async def until(condition: object, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def app_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pool_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)


def test_processes_that_nobody_needs_any_more_are_let_go_but_for_one() -> None:
    async def scene() -> None:
        client = Client(idle_seconds=0.2)
        await client.pool.start()
        client.submit(3)
        assert {end.result for end in await client.ends()} == {"rested"}
        assert len(client.pool.pids) == 3
        await until(lambda: len(client.pool.pids) == 1)
        client.submit(1)
        assert (await client.ends())[-1].status is Status.SUCCESS
        await client.pool.stop()

    asyncio.run(scene())


def test_more_runs_than_processes_wait_their_turn_and_can_be_cancelled_meanwhile() -> None:
    async def scene() -> None:
        client = Client(processes=2)
        await client.pool.start()
        runs = client.submit(5)
        client.pool.cancel([runs[4]], Reason.CANCELLED)
        *others, last = await client.ends()
        assert [end.result for end in others] == ["rested"] * 4
        assert (last.status, last.reason) == (Status.FAILED, Reason.CANCELLED)
        assert len(client.pool.pids) == 2
        await client.pool.stop()

    asyncio.run(scene())
