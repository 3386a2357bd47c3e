"""Adds ended runs to their days, then deletes what is older than its retention: in small batches, with pauses, so that
nobody's claim waits for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.words import JobId
from pgcron_py.storage import retention, statistics
from pgcron_workers.loop import Alarm
from pgcron_workers.session import Connection, Session

T = TypeVar("T")

EVERY = 3600.0  # seconds between passes, more or less: workers don't purge in step
LEAST, FIRST, MOST = 50, 500, 5000  # rows in a batch
BATCH_TIME = 0.05  # seconds: a batch that takes longer is followed by a smaller one


class Retention:
    """One pass an hour; any worker, none needs to know of the others: what is deleted is gone. days: 0 keeps everything
    but what jobs of their own want deleted."""

    name = "retention"

    def __init__(self, session: Session, days: int, log: FilteringBoundLogger) -> None:
        self.alarm = Alarm()
        self._session, self._days, self._log = session, days, log
        self._limit = FIRST
        self._has_waited = False

    async def run_once(self) -> float:
        if not self._has_waited:  # not while a fleet starts
            self._has_waited = True
            return EVERY * random.uniform(0.05, 0.5)
        counted = await self._count_runs()
        runs = await self._purge_runs(None) if self._days else 0
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
        total, after = 0, retention.BEGINNING
        while True:
            batch = partial(statistics.count_some_runs, after=after, limit=self._limit)
            counted, last = await self._paced(batch)
            total += counted
            if last is None:
                return total
            after = last

    async def _purge_runs(self, job: JobId | None) -> int:
        total, after = 0, retention.BEGINNING
        while True:
            batch = retention.Batch(self._days, after, self._limit, job)
            deleted, last = await self._paced(partial(retention.purge_runs, batch=batch))
            total += deleted
            if last is None:
                return total
            after = last

    async def _purge_rest(self) -> int:
        total = 0
        while deleted := await self._paced(partial(retention.purge_rest, days=self._days, limit=self._limit)):
            total += deleted
        return total

    async def _paced(self, batch: Callable[[Connection], Awaitable[T]]) -> T:
        """A batch, then a pause as long; the next one is smaller or larger, by the time that this one took."""
        started = time.monotonic()
        result = await self._session.run(batch)
        took = time.monotonic() - started
        if took > BATCH_TIME:
            self._limit = max(self._limit // 2, LEAST)
        elif took < BATCH_TIME / 3:
            self._limit = min(self._limit * 2, MOST)
        await asyncio.sleep(took)
        return result
