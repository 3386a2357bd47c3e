"""The LISTEN connection: hints from the database, and the beat in between. Hints are never needed, only fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.words import JobId
from pgcron_workers.claimer import Claimer
from pgcron_workers.heartbeat import Heartbeat
from pgcron_workers.session import Connection, DatabaseWatch, Session

CHANNEL = "pgcron"
POLL = 0.8  # seconds between beats behind a transaction pooler, which can't pass notifications on


class Listener:
    """One round lasts until the next beat."""

    name = "listener"

    def __init__(
        self, session: Session, heartbeat: Heartbeat, claimer: Claimer, watch: DatabaseWatch, log: FilteringBoundLogger, on_outbox: Callable[[], None]
    ) -> None:  # fmt: skip
        self._session, self._heartbeat, self._claimer, self._watch, self._log = session, heartbeat, claimer, watch, log
        self._on_outbox = on_outbox
        self._listening: Connection | None = None
        self._next_beat = 0.0

    @property
    def is_listening(self) -> bool:
        """Whether notifications arrive."""
        return self._listening is not None and not self._listening.closed and not self._watch.is_pooled

    async def run_once(self) -> float:
        connection = await self._session.connected()
        if connection is not self._listening:
            await self._session.run(self._listen)
            self._listening = connection
            self._next_beat = 0.0
            self._claimer.hint()  # whatever was said while nobody listened
        if time.monotonic() >= self._next_beat:
            started = time.monotonic()
            delay = await self._session.run(self._heartbeat.run_once)
            self._next_beat = started + (min(delay, POLL) if self._watch.is_pooled else delay)
        seconds = max(0.0, self._next_beat - time.monotonic())
        await self._session.run(lambda it: self._hear(it, seconds), deadline=seconds + 5)
        return 0

    async def _listen(self, connection: Connection) -> None:
        if self._watch.is_pooled:
            self._log.warning(
                "behind_a_pooler",
                effect=f"changes are noticed within {POLL:g} s, not at once, at the price of a statement each {POLL:g} s",
                hint="give workers a direct connection",
            )
            return
        await connection.execute(f"LISTEN {CHANNEL}", prepare=False)

    async def _hear(self, connection: Connection, seconds: float) -> None:
        if self._watch.is_pooled:
            await asyncio.sleep(seconds)
            return
        async for notification in connection.notifies(timeout=seconds, stop_after=1):
            if notification.payload in ("fleet", f"worker {self._heartbeat.worker_id}"):
                self._next_beat = (
                    0.0  # paused or resumed; a run of mine to cancel, or me to drain: the beat tells which
                )
            elif notification.payload == "outbox":
                self._on_outbox()
            elif not notification.payload.startswith("worker "):
                self._claimer.hint(_job_id(notification.payload))


def _job_id(payload: str) -> JobId | None:
    try:
        return JobId(UUID(payload))
    except ValueError:  # somebody else's word, or of several jobs
        return None
