"""Adds ended runs to their days, then deletes what is older than its retention: in small batches, with pauses, so that
nobody's claim waits for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.words import JobId
from pgcron_py.storage import retention, statistics
from pgcron_workers.loop import Alarm
from pgcron_workers.session import Connection, Session

EVERY = 3600.0  # seconds between passes, more or less: workers don't purge in step
LEAST, FIRST, MOST = 50, 50, 5000  # rows in a batch
# Seconds that a batch should take. While it lasts its jobs are nobody else's: a claim that meets one comes back after up to
# twice as long (measured with 50 jobs that fire each second: 50 ms made the p99 of the lag 3.5 times the usual).
BATCH_TIME = 0.015
PASSES = 5
HELD_TRIES, HELD_PAUSE = 10, 0.1  # for a job that somebody holds; seconds

# What a batch did, how many rows first.
Batched = TypeVar("Batched", bound=tuple[Any, ...])


class Retention:
    """One pass an hour; any worker, none needs to know of the others: what is deleted is gone. days: 0 keeps everything
    but what jobs of their own want deleted."""

    name = "retention"

    def __init__(self, session: Session, days: int, log: FilteringBoundLogger) -> None:
        self.alarm = Alarm()
        self._session, self._days, self._log = session, days, log
        self._limits: dict[str, int] = {}
        self._has_waited = False

    async def run_once(self) -> float:
        if not self._has_waited:  # not while a fleet starts
            self._has_waited = True
            return EVERY * random.uniform(0.05, 0.5)
        counted = await self._count_runs()
        runs = await self._purge_old() if self._days else 0
        for job in await self._session.run(retention.jobs_with_their_own):
            runs += await self._purge_runs(job)
        rest = await self._purge_rest() if self._days else 0
        if counted:
            self._log.debug("counted", runs=counted)
        if runs or rest:
            self._log.info("purged", runs=runs, others=rest, days=self._days)
        await self._session.close()  # nobody needs it for an hour
        return EVERY * random.uniform(0.8, 1.2)

    async def _count_runs(self) -> int:
        total, after, tries = 0, retention.BEGINNING, 0
        while True:
            batch = partial(statistics.count_some_runs, after=after, limit=self._limit("count"))
            counted, last, held = await self._paced("count", batch)
            total += counted
            if last is None:
                return total
            tries = tries + 1 if held is not None else 0
            if held is not None and tries < HELD_TRIES:
                await asyncio.sleep(HELD_PAUSE)
            after = held if held is not None and tries >= HELD_TRIES else last

    async def _purge_old(self) -> int:
        """Again while much was left behind: runs of jobs that were held or about to run."""
        total = 0
        for _ in range(PASSES):
            deleted = await self._purge_runs(None)
            total += deleted
            if deleted < MOST:
                break
        return total

    async def _purge_runs(self, job: JobId | None) -> int:
        total, after = 0, retention.BEGINNING
        while True:
            batch = retention.Batch(self._days, after, self._limit("runs"), job)
            deleted, last = await self._paced("runs", partial(retention.purge_runs, batch=batch))
            total += deleted
            if last is None:
                return total
            after = last

    async def _purge_rest(self) -> int:
        total = 0
        while True:
            batch = partial(retention.purge_rest, days=self._days, limit=self._limit("rest"))
            deleted, last = await self._paced("rest", batch)
            total += deleted
            if last is None:
                return total

    def _limit(self, kind: str) -> int:
        return self._limits.get(kind, FIRST)

    async def _paced(self, kind: str, batch: Callable[[Connection], Awaitable[Batched]]) -> Batched:
        """A batch, then a pause as long. The next one of its kind is smaller or larger, by the time that this one took; one
        that found little to do says nothing about the time of a full one."""
        limit = self._limit(kind)
        started = time.monotonic()
        result = await self._session.run(batch)
        took = time.monotonic() - started
        if took > BATCH_TIME:
            self._limits[kind] = max(int(limit * max(BATCH_TIME / took, 0.5)), LEAST)
        elif took < BATCH_TIME * 0.7 and result[0] >= limit / 2:
            self._limits[kind] = min(limit * 3 // 2, MOST)
        await asyncio.sleep(took)
        return result
