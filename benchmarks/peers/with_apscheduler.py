"""APScheduler 4 (pre-release): its SQLAlchemy data store and event broker on asyncpg, max_concurrent_jobs as the order says."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from apscheduler import AsyncScheduler, TaskDefaults
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
from apscheduler.eventbrokers.asyncpg import AsyncpgEventBroker
from apscheduler.triggers.cron import CronTrigger
from protocol import Recorder, call_at_rate, main, until_told
from sqlalchemy.ext.asyncio import create_async_engine

RECORDER: list[Recorder] = []
PARALLEL = TaskDefaults(max_running_jobs=None, job_executor="async", misfire_grace_time=None)


async def noop(key: str) -> None:
    RECORDER[0].start(key)


def sync(key: str) -> None:
    RECORDER[0].start(key)
    time.sleep(0.01)


def scheduler(order: dict[str, Any]) -> AsyncScheduler:
    engine = create_async_engine(order["url"].replace("postgresql://", "postgresql+asyncpg://"))
    return AsyncScheduler(
        SQLAlchemyDataStore(engine),
        AsyncpgEventBroker.from_async_sqla_engine(engine),
        max_concurrent_jobs=order.get("concurrency", 100),
        task_defaults=PARALLEL,
        cleanup_interval=None,
    )


async def configure(it: AsyncScheduler) -> None:
    await it.configure_task("noop", func=noop, job_executor="async", max_running_jobs=None)
    await it.configure_task("sync", func=sync, job_executor="threadpool", max_running_jobs=None)


async def setup(order: dict[str, Any]) -> None:
    async with scheduler(order) as it:
        await configure(it)


def cron_trigger(fields: str) -> CronTrigger:
    minute, hour, day, month, weekday, *seconds = fields.split()
    second = seconds[0] if seconds else 0
    return CronTrigger(
        second=second, minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone="UTC"
    )


async def schedule(order: dict[str, Any]) -> None:
    async with scheduler(order) as it:
        await configure(it)
        for number in range(order["count"]):
            key = f"schedule {number}"
            await it.add_schedule("noop", cron_trigger(order["cron"]), id=key, args=[key])


async def fill(order: dict[str, Any]) -> None:
    async with scheduler(order) as it:
        await configure(it)
        for number in range(order["count"]):
            await it.add_job(order["task"], args=[str(number)])


async def trigger(order: dict[str, Any]) -> None:
    async with scheduler(order) as it:
        await configure(it)
        await call_at_rate(order["count"], order["rate"], lambda key: it.add_job("noop", args=[key]))


async def work(order: dict[str, Any]) -> None:
    RECORDER.append(Recorder(order["tells"]))
    async with scheduler(order) as it:
        await configure(it)
        await until_told(asyncio.ensure_future(it.run_until_stopped()))


main({"setup": setup, "schedule": schedule, "fill": fill, "trigger": trigger, "work": work})
