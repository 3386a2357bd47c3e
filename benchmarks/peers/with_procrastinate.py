"""procrastinate: concurrency 30, psycopg's pool, LISTEN on, successful jobs kept (its default)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import procrastinate
from protocol import Recorder, call_at_rate, main, until_told


def application(order: dict[str, Any]) -> procrastinate.App:
    return procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=order["url"], min_size=4, max_size=12),
    )


def tasks(app: procrastinate.App, recorder: Recorder | None) -> dict[str, Any]:
    @app.task(name="noop")
    async def noop(key: str) -> None:
        recorder.start(key)  # type: ignore[union-attr]

    @app.task(name="sync")
    def sync(key: str) -> None:
        recorder.start(key)  # type: ignore[union-attr]
        time.sleep(0.01)

    return {"noop": noop, "sync": sync}


def periodic(app: procrastinate.App, recorder: Recorder, name: str, cron: str) -> None:
    @app.periodic(cron=cron)
    @app.task(name=name)
    async def scheduled(timestamp: int) -> None:
        recorder.start(name)


async def setup(order: dict[str, Any]) -> None:
    app = application(order)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def fill(order: dict[str, Any]) -> None:
    app = application(order)
    task = tasks(app, None)[order["task"]]
    async with app.open_async():
        for first in range(0, order["count"], 1000):
            last = min(first + 1000, order["count"])
            await task.batch_defer_async(*({"key": str(number)} for number in range(first, last)))


async def trigger(order: dict[str, Any]) -> None:
    app = application(order)
    task = tasks(app, None)["noop"]
    async with app.open_async():
        await call_at_rate(order["count"], order["rate"], lambda key: task.defer_async(key=key))


async def work(order: dict[str, Any]) -> None:
    app, recorder = application(order), Recorder(order["tells"])
    tasks(app, recorder)
    for number in range(order["count"]):
        periodic(app, recorder, f"schedule {number}", order["cron"])
    async with app.open_async():
        running = app.run_worker_async(concurrency=order["concurrency"], install_signal_handlers=False)
        await until_told(asyncio.ensure_future(running))


main({"setup": setup, "fill": fill, "trigger": trigger, "work": work})
