"""PgQueuer: asyncpg, uvloop, a pool for the worker, batch_size as the order says (500 for drains, its default 10 else)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from protocol import Recorder, call_at_rate, main, until_told


async def setup(order: dict[str, Any]) -> None:
    connection = await asyncpg.connect(order["url"])
    await Queries(AsyncpgDriver(connection)).install()


async def fill(order: dict[str, Any]) -> None:
    connection = await asyncpg.connect(order["url"])
    queries, task = Queries(AsyncpgDriver(connection)), order["task"]
    for first in range(0, order["count"], 1000):
        keys = [str(number).encode() for number in range(first, min(first + 1000, order["count"]))]
        await queries.enqueue([task] * len(keys), keys, [0] * len(keys))


async def trigger(order: dict[str, Any]) -> None:
    connection = await asyncpg.connect(order["url"])
    queries = Queries(AsyncpgDriver(connection))
    await call_at_rate(order["count"], order["rate"], lambda key: queries.enqueue("noop", key.encode()))


def handlers(queuer: PgQueuer, recorder: Recorder) -> None:
    @queuer.entrypoint("noop")
    async def noop(job: Any) -> None:
        recorder.start(job.payload.decode())

    @queuer.entrypoint("sync")
    async def sync(job: Any) -> None:  # it takes no others, and advises this
        recorder.start(job.payload.decode())
        await asyncio.to_thread(time.sleep, 0.01)


def scheduled(queuer: PgQueuer, recorder: Recorder, name: str, cron: str) -> None:
    @queuer.schedule(name, cron)
    async def handler(schedule: Any) -> None:
        recorder.start(name)


async def work(order: dict[str, Any]) -> None:
    pool = await asyncpg.create_pool(order["url"], min_size=4, max_size=10)
    queuer, recorder = PgQueuer(AsyncpgPoolDriver(pool)), Recorder(order["tells"])
    handlers(queuer, recorder)
    for number in range(order["count"]):
        scheduled(queuer, recorder, f"schedule {number}", order["cron"])
    await until_told(asyncio.ensure_future(queuer.run(batch_size=500 if order["tells"] == "first" else 10)))


uvloop.install()
main({"setup": setup, "fill": fill, "trigger": trigger, "work": work})
