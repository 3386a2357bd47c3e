"""Writes how runs ended: whatever finished while the last write was under way goes in the next one."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from logging import DEBUG

import psycopg
from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.retry import Failure, retry
from pgcron_py.domain.words import JobId, Reason, RunId, Status, WorkerId
from pgcron_py.storage import runs
from pgcron_py.storage.runs import Finish, Outcome
from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES
from pgcron_workers.book import Book, KnownRun
from pgcron_workers.executors.base import RunEnd
from pgcron_workers.loop import Alarm
from pgcron_workers.observer import NOBODY, Observer
from pgcron_workers.session import Connection, Session

BATCH = 500
IDLE = 60.0
QUIET = 0.5  # seconds without a run that ended, before old plans are made anew


class Recorder:
    """on_free: a slot is free again. on_retry: a retry was asked for (there is something new to claim)."""

    name = "recorder"

    def __init__(
        self, session: Session, book: Book, log: FilteringBoundLogger, *, on_free: Callable[[], None], on_retry: Callable[[], None]
    ) -> None:  # fmt: skip
        self.alarm = Alarm()
        self.worker_id: WorkerId | None = None
        self.observer: Observer = NOBODY
        self.on_recorded: Callable[[RunId, Status], None] = lambda run_id, status: None
        self._session, self._book, self._log = session, book, log
        self._tells_all = log.is_enabled_for(DEBUG)
        self._on_free, self._on_retry = on_free, on_retry
        self._queue: deque[Finish] = deque()
        self._in_flight: list[Finish] = []
        self._wrote = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    def ended(self, end: RunEnd) -> None:
        """A run ended in the executor."""
        run = self._book.ended(end.run_id)
        if run is None:
            return  # given up meanwhile: the worker was declared dead and registered anew
        self._on_free()
        if end.is_recorded:
            self._book.forget(end.run_id)
            self.on_recorded(end.run_id, end.status)
            self._tell(run, end.status, end.reason, end.duration, end.error)
            return
        again = retry(run.policy, end.failure, run.attempt, random.random()) if end.failure is not None else None
        error = run.cancel_text if end.reason is Reason.CANCELLED and run.cancel_text else end.error
        trace = end.stack_trace
        if run.job.log_level == "none":
            error, trace = error and error.partition("\n")[0], None
        self._put(
            Finish(
                end.run_id, run.job.id, end.status, run.finish_token, end.reason,
                end.reason is not None and end.reason.is_strike and again is None,
                end.duration, error, trace, end.metadata or None, end.result, end.skip_reason, end.progress,
                again.after_ms if again else None, again.attempt if again else None,
            )
        )  # fmt: skip

    def _put(self, finish: Finish) -> None:
        self._queue.append(finish)
        self._idle.clear()
        self.alarm.ring()

    def forget_all(self) -> None:
        """The worker was declared dead: what waits here is not its own any more."""
        self._queue.clear()
        self._in_flight = []
        self._idle.set()

    async def flushed(self) -> None:
        """When nothing waits to be written."""
        await self._idle.wait()

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._in_flight)

    async def run_once(self) -> float:
        while self._queue and len(self._in_flight) < BATCH:
            self._in_flight.append(self._queue.popleft())
        if not self._in_flight:
            self._idle.set()
            if (busy := self._wrote + QUIET - time.monotonic()) > 0:
                return busy
            await self._session.run(self._session.rest)  # and opens the connection, before it is needed
            return 0 if self._queue else IDLE
        batch = self._in_flight
        try:
            outcomes = await self._session.run(lambda connection: self._write(connection, batch))
        except psycopg.Error as error:
            if error.sqlstate in RETRIED_SQLSTATES:
                raise
            self._log.warning("batch_refused", runs=len(batch), error=str(error).splitlines()[0])
            outcomes = await self._one_by_one(batch)
        self._settle(batch, outcomes)
        self._wrote = time.monotonic()
        return 0

    async def _write(self, connection: Connection, batch: list[Finish]) -> dict[RunId, Outcome]:
        """Of those that were not recorded."""
        assert self.worker_id is not None
        return await runs.finish_batch(connection, self.worker_id, batch)

    async def _one_by_one(self, batch: list[Finish]) -> dict[RunId, Outcome]:
        """One of them is not storable: the others must not suffer, and it must end all the same."""
        outcomes: dict[RunId, Outcome] = {}
        for finish in batch:
            try:
                outcomes |= await self._session.run(partial(self._write, batch=[finish]))
            except psycopg.Error as error:
                if error.sqlstate in RETRIED_SQLSTATES:
                    raise
                bare = Finish(
                    finish.id, finish.job_id, finish.status, finish.finish_token, finish.reason, finish.is_strike, finish.duration,
                    f"its result or error could not be stored: {str(error).splitlines()[0]}"[:1000],
                    retry_after_ms=finish.retry_after_ms, retry_attempt=finish.retry_attempt,
                )  # fmt: skip
                outcomes |= await self._session.run(partial(self._write, batch=[bare]))
        return outcomes

    def _settle(self, batch: list[Finish], outcomes: dict[RunId, Outcome]) -> None:
        """outcomes: of those that were not recorded."""
        if self._in_flight is batch:  # else all was given up meanwhile
            self._in_flight = []
        for finish in batch:
            run = self._book.forget(finish.id)
            self.on_recorded(finish.id, finish.status)
            if outcomes and outcomes.get(finish.id) == "lost":
                self._log.warning("lease_lost", run_id=str(finish.id), job_id=str(finish.job_id))
            elif run is not None:
                self._tell(run, finish.status, finish.reason, finish.duration, finish.error)
        if any(finish.retry_after_ms is not None for finish in batch):
            self._on_retry()
        if not self._queue and not self._in_flight:
            self._idle.set()

    def _tell(
        self, run: KnownRun, status: Status, reason: Reason | None, duration: int | None, error: str | None
    ) -> None:
        """The run's end is recorded: one line, and the metrics."""
        self.observer.ended(status, reason, duration)
        if status is Status.SUCCESS and not self._tells_all:
            return
        ids = {
            "run_id": str(run.run_id),
            "job_id": str(run.job.id),
            "job": run.job.timing.name,
            "duration_ms": duration,
        }
        if status is Status.SUCCESS:
            self._log.debug("run_succeeded", **ids)
        else:
            self._log.warning(
                "run_failed", **ids, reason=reason, attempt=run.attempt, error=(error or "").partition("\n")[0][:500]
            )


def orphaned(run: runs.RunningRun, token_of: Callable[[], RunId]) -> Finish:
    """The end of a run whose claim was committed although nobody here heard of it: it never began."""
    again = retry(run.policy, Failure(Reason.ORPHANED_CLAIM), run.attempt, 0)
    assert again is not None
    return Finish(
        run.id, JobId(run.job_id), Status.FAILED, token_of(), Reason.ORPHANED_CLAIM,
        error="the reply to the claim was lost: the run never began", retry_after_ms=again.after_ms, retry_attempt=again.attempt,
    )  # fmt: skip
