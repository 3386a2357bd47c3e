"""Runs that an executor made ready before their claim was committed: they begin together, or never."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from pgcron_py.domain.words import Reason, RunId, Status
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.pool import ExecutorPool

APP = """
import asyncio, os, pathlib, time
from pgcron_py import PgCron
app = PgCron("ready", release="1")
@app.handler("shared")
async def shared() -> float:
    return time.monotonic()
@app.handler("own")
def own() -> float:
    return time.monotonic()
@app.handler("mark")
async def mark() -> None:
    pathlib.Path("marked").touch()
@app.handler("slow")
async def slow() -> float:
    began = time.monotonic()
    sum(range(400_000))
    return began
@app.handler("waits")
async def waits() -> None:
    await asyncio.sleep(60)
"""


class Client:
    """Hands orders out and waits for their ends."""

    def __init__(self) -> None:
        async def no_backend(run: RunId) -> None: ...

        config = {"app": "ready_app", "database_url": "", "connections": 1, "log_level": "warning", "cancel_grace": 0.5, "processes": 2}  # fmt: skip
        self.pool = ExecutorPool(config, structlog.get_logger(), no_backend)
        self.pool.on_end = lambda end: self.ends.put_nowait(end)
        self.ends: asyncio.Queue[RunEnd] = asyncio.Queue()

    def orders(self, *handlers: str) -> list[Order]:
        return [Order(RunId(uuid4()), uuid4(), "j", it, {}, 1, 1, "schedule", None, None, None, uuid4()) for it in handlers]  # fmt: skip

    async def ended(self, count: int) -> list[RunEnd]:
        return [await asyncio.wait_for(self.ends.get(), 30) for _ in range(count)]


@pytest.fixture(autouse=True)
def app_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ready_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)


async def with_client(scene: object) -> None:
    client = Client()
    await client.pool.start()
    try:
        await scene(client)  # type: ignore[operator]
    finally:
        await client.pool.stop()


def test_they_begin_when_they_are_told_to(tmp_path: Path) -> None:
    async def scene(client: Client) -> None:
        loop = asyncio.get_running_loop()
        client.pool.make_ready(client.orders("shared", "own"))
        client.pool.make_ready(client.orders("shared"))
        client.pool.submit(client.orders("shared"))  # which comes after them in the channel
        (other,) = await client.ended(1)
        told = loop.time()  # time.monotonic(), in every process of the host
        client.pool.begin_ready()
        ends = await client.ended(3)
        assert {end.status for end in ends} == {Status.SUCCESS}
        assert other.result < told < min(end.result for end in ends)

    asyncio.run(with_client(scene))


def test_they_never_begin_when_their_claim_came_to_nothing(tmp_path: Path) -> None:
    async def scene(client: Client) -> None:
        client.pool.make_ready(client.orders("mark", "own"))
        client.pool.forget_ready()
        client.pool.begin_ready()
        client.pool.make_ready(client.orders("shared", "own"))
        client.pool.begin_ready()
        assert len(await client.ended(2)) == 2
        assert client.ends.empty()

    asyncio.run(with_client(scene))
    assert not Path("marked").exists()


def test_those_whose_process_died_meanwhile_begin_in_the_next_one() -> None:
    async def scene(client: Client) -> None:
        orders = client.orders("shared", "shared")
        client.pool.make_ready(orders)
        await client.pool.kill(Reason.LOST)
        client.pool.begin_ready()
        ends = await client.ended(2)
        assert {(end.run_id, end.status) for end in ends} == {(order.run_id, Status.SUCCESS) for order in orders}

    asyncio.run(with_client(scene))


def test_an_order_that_can_not_be_performed_ends_when_the_others_begin() -> None:
    async def scene(client: Client) -> None:
        client.pool.make_ready(client.orders("shared", "nobody"))
        client.pool.begin_ready()
        ends = await client.ended(2)
        assert sorted(end.status for end in ends) == [Status.FAILED, Status.SUCCESS]
        assert "handler 'nobody' is not in application" in "".join(end.error or "" for end in ends)

    asyncio.run(with_client(scene))


@pytest.mark.parametrize("is_made_ready", [False, True])
def test_one_that_is_cancelled_in_the_breath_in_which_it_begins_ends_as_any_other(is_made_ready: bool) -> None:
    async def scene(client: Client) -> None:
        (order,) = client.orders("waits")
        if is_made_ready:
            client.pool.make_ready([order])
            client.pool.begin_ready()
        else:
            client.pool.submit([order])
        client.pool.cancel([order.run_id], Reason.CANCELLED)
        (end,) = await client.ended(1)
        assert (end.reason, end.error) == (Reason.CANCELLED, "stopped: cancelled")  # its process was not ended for it

    asyncio.run(with_client(scene))


def test_the_first_lines_of_all_come_before_what_follows_any_of_them_and_durations_are_each_ones_own() -> None:
    async def scene(client: Client) -> None:
        client.pool.make_ready(client.orders(*["slow"] * 20))
        client.pool.begin_ready()
        ends = await client.ended(20)
        span = max(end.result for end in ends) - min(end.result for end in ends)
        assert sum(end.duration for end in ends) / 1000 < 2 * span + 0.05  # they don't contain one another

    asyncio.run(with_client(scene))
