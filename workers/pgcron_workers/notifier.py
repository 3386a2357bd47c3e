"""Delivers notifications: takes what is due, has it sent by another process, enters how it went. No run ever waits for it."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from uuid import UUID

from structlog.typing import FilteringBoundLogger

from pgcron_py.storage import notifications
from pgcron_py.storage.notifications import Delivery
from pgcron_workers.loop import Alarm
from pgcron_workers.sender import Sender
from pgcron_workers.session import Connection, Session

EVERY = 15.0  # seconds between rounds that nobody asked for, more or less
SOONEST = 1.0  # what is due now and was not taken belongs to somebody: don't ask in a circle
AT_ONCE = 16  # deliveries on their way at a time


class Notifier:
    """At most one delivery of each channel is on its way, so a receiver that hangs delays its own messages only."""

    name = "notifier"

    def __init__(self, session: Session, sender: Sender, log: FilteringBoundLogger) -> None:
        self.alarm = Alarm()
        self._session, self._sender, self._log = session, sender, log
        self._on_their_way: dict[UUID, asyncio.Task[None]] = {}
        self._sent: list[tuple[Delivery, str | None]] = []

    @property
    def is_idle(self) -> bool:
        return not self._on_their_way and not self._sent

    async def run_once(self) -> float:
        await self._settle()
        taken = await self._take() if len(self._on_their_way) < AT_ONCE else 0
        if taken:
            return 0
        seconds = await self._session.run(notifications.seconds_to_next)
        if self.is_idle and (seconds is None or seconds > SOONEST):
            await self._session.close()  # most fleets are well most of the time
        pause = EVERY * random.uniform(0.8, 1.2)
        return pause if seconds is None else min(pause, max(seconds, SOONEST))

    async def _take(self) -> int:
        take = partial(notifications.take, limit=AT_ONCE - len(self._on_their_way), busy=self._on_their_way.keys())
        deliveries = await self._session.run(take)
        for delivery in deliveries:
            self._on_their_way[delivery.lane] = asyncio.create_task(self._send(delivery), name="delivery")
        return len(deliveries)

    async def _send(self, delivery: Delivery) -> None:
        self._sent.append((delivery, await self._sender.failure_of(delivery.order())))
        self._on_their_way.pop(delivery.lane, None)
        self.alarm.ring()

    async def _settle(self) -> None:
        while self._sent:
            delivery, error = self._sent[0]
            outcome = await self._session.run(partial(_settled, delivery=delivery, error=error))
            self._sent.pop(0)
            facts = {
                "kind": delivery.kind, "delivery": str(delivery.id), "event": delivery.message.get("event"), "attempt": delivery.attempt,
                "job": delivery.message.get("job"),
            }  # fmt: skip
            if error is None:
                self._log.debug("notification_delivered", **_named(facts))
            else:
                self._log.warning("notification_not_delivered", **_named(facts), error=error, outcome=outcome)

    async def close(self) -> None:
        for task in self._on_their_way.values():
            task.cancel()
        await self._sender.close()


async def _settled(connection: Connection, delivery: Delivery, error: str | None) -> notifications.Outcome:
    return await notifications.settle(connection, delivery, error)


def _named(facts: dict[str, object]) -> dict[str, object]:
    """structlog's own `event` is the line's name."""
    return {{"event": "about"}.get(name, name): value for name, value in facts.items() if value is not None}
