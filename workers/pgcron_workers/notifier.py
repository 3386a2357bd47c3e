"""Delivers notifications: takes what is due, has it sent by another process, enters how it went. No run ever waits for it."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.job import Job, NewRun
from pgcron_py.domain.words import JobId, Reason, Status
from pgcron_py.storage import notifications
from pgcron_py.storage.notifications import Delivery
from pgcron_py.storage.workers import Glance
from pgcron_workers.loop import Alarm
from pgcron_workers.observer import Observer
from pgcron_workers.sender import Sender
from pgcron_workers.session import Session

EVERY = 15.0  # seconds between looks while no beat says whether one is needed, more or less
ANYHOW = 300.0  # seconds between looks whatever the beats say
SOONEST = 1.0  # what is due now and was not taken belongs to somebody: don't ask in a circle
AT_ONCE = 16  # deliveries on their way at a time
STARTS_KEPT = 1000


class Notifier(Observer):
    """Of each lane (a channel, or the pings of a job) at most one is on its way: a receiver that hangs delays its own messages only.

    The ends of runs are pinged from the database, at least once; their starts from here, at most once: a late one would be wrong.
    While the beats say that there is nothing to do, it asks the database nothing.
    """

    name = "notifier"

    def __init__(self, session: Session, sender: Sender, log: FilteringBoundLogger) -> None:
        self.alarm = Alarm()
        self._session, self._sender, self._log = session, sender, log
        self._on_their_way: dict[UUID, asyncio.Task[None]] = {}
        self._sent: list[tuple[Delivery, str | None]] = []
        self._starts: deque[tuple[JobId, dict[str, Any]]] = deque(maxlen=STARTS_KEPT)
        self._pinged: dict[JobId, str] = {}
        self._pings: int | None = None  # what the ping URLs came to when they were read
        self._last_look = time.monotonic()
        self._next_look, self._next_take = self._last_look + EVERY, math.inf
        self._idle = asyncio.Event()

    # -- what the other duties tell

    def ring(self) -> None:
        """Something is due."""
        self._next_take = 0.0
        self.alarm.ring()

    def told(self, glance: Glance) -> None:
        """A beat knows whether there is anything to do."""
        now = time.monotonic()
        if glance.look_due or glance.pings != self._pings or now - self._last_look > ANYHOW:
            self._pings, self._next_look = glance.pings, now
        elif self._next_look > now:
            self._next_look = now + EVERY * random.uniform(1, 1.2)
        if glance.delivery_in is not None:
            self._next_take = min(self._next_take, now + max(glance.delivery_in, 0))
        if min(self._next_look, self._next_take) <= now:
            self.alarm.ring()

    def claimed(self, now: datetime, runs: Iterable[tuple[Job, NewRun]]) -> None:
        if not self._pinged:
            return
        for job, run in runs:
            if (url := self._pinged.get(job.id)) is not None:
                ping = {"ping": "start", "run_id": str(run.id)}
                self._starts.append((job.id, {"kind": "ping", "key": f"start {run.id}", "url": url, "message": ping}))
                self.alarm.ring()

    def ended(self, status: Status, reason: Reason | None, duration_ms: int | None) -> None:
        if self._pinged:
            self.ring()

    # -- rounds

    async def run_once(self) -> float:
        await self._settle()
        if time.monotonic() >= self._next_look:
            self._pinged, seconds = await self._session.run(notifications.look)
            self._last_look = time.monotonic()
            self._next_look = self._last_look + EVERY * random.uniform(1, 1.2)
            self._expect(seconds, 0)
        self._send_starts()
        if time.monotonic() >= self._next_take and await self._take_due():
            return 0
        if not self._on_their_way and not self._sent:
            self._idle.set()
        return max(min(self._next_look, self._next_take) - time.monotonic(), 0.001)

    async def _take_due(self) -> bool:
        """Whether there may be more."""
        self._next_take = math.inf  # before the question: who rings meanwhile is heard
        try:
            if await self._take():
                self._next_take = 0.0
                return True
            self._expect(await self._session.run(notifications.seconds_to_next), SOONEST)
        except BaseException:
            self._next_take = 0.0
            raise
        return False

    def _expect(self, seconds: float | None, soonest: float) -> None:
        if seconds is not None:
            self._next_take = min(self._next_take, time.monotonic() + max(seconds, soonest))

    async def _settle(self) -> None:
        while self._sent:
            delivery, error = self._sent[0]
            outcome = await self._session.run(partial(notifications.settle, delivery=delivery, error=error))
            self._sent.pop(0)
            facts = {
                "kind": delivery.kind, "delivery": str(delivery.id), "attempt": delivery.attempt, "outcome": outcome,
                "about": delivery.message.get("event") or delivery.message.get("ping"), "job": delivery.message.get("job"),
            }  # fmt: skip
            if error is None:
                self._log.debug("notification_delivered", **facts)
            else:
                self._log.warning("notification_not_delivered", error=error, **facts)

    def _send_starts(self) -> None:
        waiting = [self._starts.popleft() for _ in range(len(self._starts))]
        for job, order in waiting:
            if job in self._on_their_way or len(self._on_their_way) >= AT_ONCE:
                self._starts.append((job, order))
            else:
                self._begin(job, self._send_start(order))

    async def _take(self) -> int:
        room = AT_ONCE - len(self._on_their_way)
        if room <= 0:
            return 0
        busy = {*self._on_their_way, *(job for job, _ in self._starts)}
        deliveries = await self._session.run(partial(notifications.take, limit=room, busy=busy))
        for delivery in deliveries:
            self._begin(delivery.lane, self._send(delivery))
        return len(deliveries)

    def _begin(self, lane: UUID, work: Any) -> None:
        task = self._on_their_way[lane] = asyncio.create_task(work, name="delivery")

        def over(_: asyncio.Task[None]) -> None:
            del self._on_their_way[lane]
            self.ring()

        task.add_done_callback(over)

    async def _send(self, delivery: Delivery) -> None:
        self._sent.append((delivery, await self._sender.failure_of(delivery.order())))

    async def _send_start(self, order: dict[str, Any]) -> None:
        if (error := await self._sender.failure_of(order)) is not None:
            self._log.warning("start_not_pinged", run_id=order["message"]["run_id"], error=error)

    async def finished(self) -> None:
        """When everything that is due has been sent and settled."""
        self._idle.clear()
        self.ring()
        await self._idle.wait()

    async def close(self) -> None:
        for task in list(self._on_their_way.values()):
            task.cancel()
        await self._sender.close()
