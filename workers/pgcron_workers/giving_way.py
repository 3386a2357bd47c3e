"""A worker that drains a backlog leaves room for the other clients of a busy database.

A backlog is claimed as fast as it can be, and on a server with few processors that takes them from everybody else. So while others
commit much, a worker claims for a share of its time only, all workers together for that share of one's. How much others commit is read off the
server's counter of transactions that write: a claim or a record takes one for some hundred runs, and so hardly counts.
Who claims few has no backlog and never rests; what comes due while there is one waits for LONGEST at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg import AsyncConnection
from structlog.typing import FilteringBoundLogger

from pgcron_py.storage import claims

BUSY = 1000.0  # transactions that write, a second
LARGE = 100  # runs in a round of claims
EVERY = 0.2  # seconds between looks, while there is a backlog
LONGEST = 0.5  # seconds of rest, however many workers share and however slow a claim was
FORGOTTEN = 2.0  # seconds after which an earlier look says nothing about now


class GivingWay:
    """How long to rest between rounds of claims. share: of the time, for claims; 1: it never rests. clock: monotonic seconds."""

    def __init__(self, log: FilteringBoundLogger, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._share, self._clock = log, share, clock
        self._looked_at = -FORGOTTEN
        self._until = 0.0
        self._newest = 0
        self._workers = 1
        self._is_busy = False

    @property
    def rest(self) -> float:
        """Seconds that are left to others."""
        return max(self._until - self._clock(), 0.0)

    async def after(self, connection: AsyncConnection, began: float, runs: int) -> None:
        """After a round of claims that left a backlog. began: by the clock; runs: what it claimed."""
        if runs < LARGE or self._share >= 1:
            return
        now = self._clock()
        if now - self._looked_at >= EVERY:
            await self._look(connection, now)
        if self._is_busy:
            self._until = now + min((now - began) * (self._workers / self._share - 1), LONGEST)

    async def _look(self, connection: AsyncConnection, now: float) -> None:
        before, since = self._newest, now - self._looked_at
        self._newest, self._workers = await claims.load(connection)
        self._looked_at = now
        others = (self._newest - before) / since if since < FORGOTTEN else 0.0
        if (others > BUSY) is not self._is_busy:
            self._is_busy = not self._is_busy
            event = "gives_way" if self._is_busy else "claims_at_full_speed"
            self._log.info(event, transactions_a_second=round(others), workers=self._workers)
