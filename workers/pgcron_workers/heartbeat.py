"""The beat: renews the lease, measures the clock, and compares what the database says is mine with what I know."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

from structlog.typing import FilteringBoundLogger

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.words import Reason, RunId, Status, WorkerId
from pgcron_py.storage import runs, workers
from pgcron_workers.book import Book
from pgcron_workers.claimer import Claimer
from pgcron_workers.executors.base import Executor
from pgcron_workers.lease import Lease
from pgcron_workers.loop import Alarm
from pgcron_workers.observer import NOBODY, Observer
from pgcron_workers.recorder import orphaned
from pgcron_workers.session import Connection


class Heartbeat:
    """Beats on the listener's connection, so that each beat proves that connection alive.

    on_dead: this worker was declared dead; whether it goes on under another id. on_drain: somebody asked it to drain.
    """

    name = "heartbeat"

    def __init__(
        self, book: Book, lease: Lease, clock: DatabaseClock, claimer: Claimer, executor: Executor, reaper_alarm: Alarm,
        log: FilteringBoundLogger, *, interval: float, queues: list[str] | None,
        on_dead: Callable[[], Awaitable[bool]], on_drain: Callable[[], None],
    ) -> None:  # fmt: skip
        self.worker_id: WorkerId | None = None
        self.interval = interval
        self.observer: Observer = NOBODY
        self._book, self._lease, self._clock, self._claimer, self._executor = book, lease, clock, claimer, executor
        self._reaper_alarm, self._log, self._queues = reaper_alarm, log, queues
        self._on_dead, self._on_drain = on_dead, on_drain
        self._was_paused = False
        self.on_glance: Callable[[workers.Glance], None] = lambda _: None
        self.requests_waiting = 0  # in the whole fleet, at the last beat

    async def run_once(self, connection: Connection) -> float:
        assert self.worker_id is not None
        sent = time.monotonic()
        beat = await workers.beat(connection, self.worker_id, self._claimer.handlers, self._queues)
        self._clock.measured(beat.at, sent, time.monotonic())
        if beat.state not in ("LIVE", "DRAINING") or beat.lease_until is None:
            return 0 if await self._on_dead() else self.interval
        self._lease.acknowledged(sent)
        if beat.state == "DRAINING":
            self._on_drain()
        self._heed(beat)
        self._cancel(beat.cancels)
        await self._reconcile(connection, beat, sent)
        return self.interval

    def _heed(self, beat: workers.Beat) -> None:
        if beat.paused != self._was_paused:
            self._log.warning("fleet_paused" if beat.paused else "fleet_resumed")
            self._claimer.hint()
        self._was_paused = self._claimer.is_paused = beat.paused
        self.requests_waiting = beat.requests_waiting
        self._claimer.offer(beat.view)
        self.on_glance(beat.glance)
        if beat.reap_pending:
            self._reaper_alarm.ring()

    def _cancel(self, cancels: list[workers.Cancel]) -> None:
        """Runs that somebody wants ended; each is asked once, and forced once."""
        for cancel in cancels:
            run = self._book.runs.get(cancel.run_id)
            if run is None or (run.cancel_text is not None and run.is_forced >= cancel.is_forced):
                continue
            run.cancel_text, run.is_forced = cancel.text, cancel.is_forced
            self._log.info("cancel_requested", run_id=str(cancel.run_id), by=cancel.by, reason=cancel.reason)
            self._executor.cancel([cancel.run_id], Reason.CANCELLED, force=cancel.is_forced)

    async def _reconcile(self, connection: Connection, beat: workers.Beat, sent: float) -> None:
        taken = self._book.taken_away(beat.running, sent)
        if taken:
            self._log.warning("runs_taken_away", runs=[str(run_id) for run_id in taken])
            self._executor.cancel(taken, Reason.LOST)
        if not self._book.unknown_among(beat.running):
            return
        async with self._claimer.mutex:  # no claim is between its COMMIT and its entry in the book
            assert self.worker_id is not None
            mine = await runs.running_of(connection, self.worker_id)
            unknown = set(self._book.unknown_among(run.id for run in mine))
            finishes = [orphaned(run, lambda: RunId(uuid4())) for run in mine if run.id in unknown]
            if not finishes:
                return
            outcomes = await runs.finish_runs(connection, self.worker_id, finishes)
            orphans = [run_id for run_id, outcome in outcomes.items() if outcome == "recorded"]
            if orphans:  # not those whose ends were recorded, and forgotten here, since their rows were read
                self._log.warning("orphaned_claims", runs=[str(run_id) for run_id in orphans])
                for _ in orphans:
                    self.observer.ended(Status.FAILED, Reason.ORPHANED_CLAIM, None)
                self._claimer.hint()
