"""Claims due jobs at the instant they are due, and hands their runs to the executor."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from enum import Enum
from logging import DEBUG
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from structlog.typing import FilteringBoundLogger

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.decide import Advance, Decision, advance_after, decide, resolve_conflict
from pgcron_py.domain.job import Job, NewRun
from pgcron_py.domain.limits import Room
from pgcron_py.domain.words import JobId, RunId, WorkerId
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.storage import claim_writes, claims, plans, rules
from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES
from pgcron_workers.book import Book, KnownRun
from pgcron_workers.executors.base import Order
from pgcron_workers.lease import Lease
from pgcron_workers.loop import Alarm
from pgcron_workers.observer import NOBODY, Observer
from pgcron_workers.planner import Planner
from pgcron_workers.session import Session

BATCH = 200  # runs per claim: past 100 nothing is won
WINDOW = 1000  # due jobs looked at for order and for what others have not locked
AHEAD = 1.5  # seconds before a due instant at which what follows it is computed
PREPARED_MOST = 5000
DECIDE_LIMIT = 0.1  # seconds in one claim
LONGEST_SLEEP = 60.0
SEEN = 0.01  # seconds past that, so that what is due is within it
QUIET = 0.5  # seconds without a claim, before old plans are made anew
GATHER = 0.005  # seconds
SET_ASIDE = 60.0  # seconds
BACKOFF_FIRST, BACKOFF_MOST = 0.001, 0.5  # somebody else holds what is due

PreparedKey = tuple[JobId, int, datetime]
Decided = list[tuple[Job, Decision]]


class Taken(Enum):
    """What a round of claims found for one kind of handler."""

    NOTHING = "nothing"
    SOME = "some"
    MORE = "more than fitted in one claim"
    FULL = "no free slot"
    GATHERING = "too few free slots for a claim"


class Claimer:
    """submit: takes orders of claimed runs. free_slots: how many more runs of `async def` (True) or
    `def` handlers fit; when few of the former are free, a claim waits a moment for more. mutex: shared with the reconciliation."""

    name = "claimer"

    def __init__(
        self, session: Session, book: Book, lease: Lease, clock: DatabaseClock, log: FilteringBoundLogger,
        *, submit: Callable[[list[Order]], None], free_slots: Callable[[bool], int], is_async: Callable[[str], bool], few: int,
        queues: list[str] | None,
    ) -> None:  # fmt: skip
        self.alarm = Alarm()
        self.mutex = asyncio.Lock()
        self.worker_id: WorkerId | None = None
        self.handlers: list[str] = []
        self.release: str | None = None
        self.is_draining = False
        self.is_paused = False
        self.observer: Observer = NOBODY
        self._session, self._book, self._lease, self._clock, self._log = session, book, lease, clock, log
        self._submit, self._free_slots, self._is_async, self._queues = submit, free_slots, is_async, queues
        self._planner = Planner(log)
        self._view: claims.View | None = None
        self._is_stale = True
        self._prepared: dict[PreparedKey, Advance] = {}
        self._prepared_for: datetime | None = None
        self._backoff = BACKOFF_FIRST
        self._conflicts: set[JobId] = set()
        self._one_by_one = 0
        self._gathered = False
        self._took = 0.0  # when the last claim ended
        self._runs_per_job = 1.0  # in the last claim: jobs of many requests need fewer locks
        self._few = few
        self._set_aside: dict[JobId, float] = {}

    def tell(self, observer: Observer) -> None:
        """From now on this one hears of claims and plans."""
        self.observer = self._planner.observer = observer

    def hint(self) -> None:
        """Something changed in the database: look again. Also when a look is under way, which may be too early to see it."""
        self._is_stale = True
        self.alarm.ring()

    def offer(self, view: claims.View) -> None:
        """A beat has looked already."""
        before, self._view = self._view, view
        if view.plan_pending or before is None or view.next_claim_at != before.next_claim_at:
            self.alarm.ring()

    async def run_once(self) -> float:
        if self.worker_id is None or not self._lease.may_claim or self.is_draining or self.is_paused:
            return 0.5
        async with self.mutex:
            return await self._session.run(self._round)

    async def _round(self, connection: AsyncConnection) -> float:
        view = await self._look(connection) if self._view is None or self._is_stale else self._view
        if view.plan_pending and await self._planner.run_once(connection):
            await self._look(connection)
            return 0
        seconds = self._seconds_until(view)
        if seconds > 0.0005:
            return await self._prepare(connection, view, seconds)
        return await self._take(connection, view)

    async def _look(self, connection: AsyncConnection) -> claims.View:
        sent = time.monotonic()
        self._is_stale = False
        try:
            self._view = view = await claims.look(connection, self.handlers, self._queues)
        except BaseException:
            self._is_stale = True
            raise
        self._clock.measured(view.at, sent, time.monotonic())
        return view

    def _seconds_until(self, view: claims.View) -> float:
        return LONGEST_SLEEP if view.next_claim_at is None else self._clock.seconds_until(view.next_claim_at)

    async def _prepare(self, connection: AsyncConnection, view: claims.View, seconds: float) -> float:
        """Until the next due instant: sleep, then compute what follows, then sleep the rest."""
        if seconds > AHEAD:  # nearer, or `upcoming` would not see it yet
            if seconds > AHEAD + QUIET:
                busy = self._took + QUIET - time.monotonic()
                if busy > 0:  # what was claimed has just begun: let it have the machine
                    return busy
                await self._session.rest(connection)
            return min(seconds - AHEAD + SEEN, LONGEST_SLEEP)
        if seconds > 0.1 and self._prepared_for != view.next_claim_at:
            await self._session.rest(connection)
            self._prepared_for = view.next_claim_at
            soon = await claims.upcoming(connection, view, ahead_ms=int(AHEAD * 1000), limit=PREPARED_MOST)
            self._prepared = {}
            for index, (timing, version, due) in enumerate(soon):
                if index % 100 == 99:
                    await asyncio.sleep(0)
                with suppress(InvalidSchedule, UnknownTimeZone):
                    self._prepared[timing.job_id, version, due] = advance_after(timing, timing.plan(), due)
        return max(self._seconds_until(view), 0.0002)

    async def _take(self, connection: AsyncConnection, view: claims.View) -> float:
        """A claim for each kind of handler that has something due: each has slots of its own."""
        rounds = [
            await self._take_kind(connection, part, is_async)
            for is_async in (True, False)
            if (part := self._routes_of(view, is_async)).route_handlers
        ]
        if view.has_rules:
            rounds.append(await self._take_alone(connection, view))
        self._took = time.monotonic()
        if any(taken is Taken.MORE for taken in rounds):
            return 0
        await self._look(connection)
        if any(taken is Taken.SOME for taken in rounds):
            self._backoff = BACKOFF_FIRST
            return 0
        if any(taken is Taken.GATHERING for taken in rounds):
            return GATHER
        if any(taken is Taken.FULL for taken in rounds):
            return 1.0  # a freed slot rings
        if self._seconds_until(self._view or view) > 0:
            return 0
        self._backoff = min(self._backoff * 2, BACKOFF_MOST)
        return self._backoff * random.uniform(0.5, 1)

    def _routes_of(self, view: claims.View, is_async: bool) -> claims.View:
        routes = [
            (queue, handler)
            for queue, handler in zip(view.route_queues, view.route_handlers, strict=True)
            if self._is_async(handler) is is_async
        ]
        return replace(
            view, route_queues=[queue for queue, _ in routes], route_handlers=[handler for _, handler in routes]
        )

    async def _take_kind(self, connection: AsyncConnection, view: claims.View, is_async: bool) -> Taken:
        slots = self._free_slots(is_async)
        if is_async and 0 < slots < self._few and not self._gathered:
            self._gathered = True  # a slot at a time would be a claim at a time: let some more come free
            return Taken.GATHERING
        self._gathered = False
        limit = min(slots, BATCH) if slots > 0 else BATCH
        if self._one_by_one > 0:  # a batch was refused by the database: find the row that it can't take
            limit, self._one_by_one = 1, self._one_by_one - 1
        most_jobs = math.ceil(limit / self._runs_per_job)
        taken, locked = await self._claim(connection, view, limit, slots > 0, most_jobs=most_jobs)
        if taken:
            self._submit([self._order(job, run) for job, run in taken])
        self._runs_per_job = max(len(taken) / locked, 1) if locked else 1
        if locked >= most_jobs or len(taken) >= limit:
            return Taken.MORE
        return Taken.SOME if locked else Taken.FULL if slots <= 0 else Taken.NOTHING

    async def _take_alone(self, connection: AsyncConnection, view: claims.View) -> Taken:
        """A due job that runs alone: it is claimed when nothing else runs; until then the gate keeps others from starting."""
        assert self.worker_id is not None
        found = await rules.due_alone(connection, view.route_queues, view.route_handlers)
        if found is None:
            return Taken.NOTHING
        job, handler = found
        if self._free_slots(self._is_async(handler)) <= 0:
            return Taken.FULL
        taken, locked = await self._claim(connection, view, 1, True, alone=job)
        if taken:
            self._submit([self._order(job, run) for job, run in taken])
        elif not locked:
            await rules.close_gate(connection, job, self.worker_id)
        return Taken.SOME if locked else Taken.NOTHING

    async def _claim(
        self,
        connection: AsyncConnection,
        view: claims.View,
        limit: int,
        has_slots: bool,
        *,
        most_jobs: int | None = None,
        alone: JobId | None = None,
    ) -> tuple[list[tuple[Job, NewRun]], int]:
        """One claim: what was claimed, and how many jobs were locked and resolved. alone: the only job to claim, and only
        when nothing else runs."""
        assert self.worker_id is not None
        registered: list[RunId] = []
        started = time.monotonic()
        await claims.begin_claim(connection, alone=alone is not None)
        try:
            now, jobs, room, may_start = await claims.lock_by_rules(
                connection, self.worker_id, view, alone=alone, limit=limit, window=WINDOW, most_jobs=most_jobs, has_slots=has_slots,
                aside=self._aside(), release=self.release,
            )  # fmt: skip
            decided = await self._decide(connection, jobs, now, limit, room, may_start) if now else []
            await rules.spend(connection, room)
            runs = [(job, run) for job, decision in decided for run in decision.runs]
            registered = [run.id for _, run in runs]
            self._book.register(registered)
            if decided and not await self._write(connection, decided, registered):
                return [], len(jobs)
            await connection.execute("COMMIT", prepare=False)
            self._book.enter(KnownRun(run.id, job, run.attempt, uuid4()) for job, run in runs)
            self._tell(now, decided, runs, time.monotonic() - started)
            return runs, len(decided)
        except BaseException:
            with suppress(Exception):
                await connection.execute("ROLLBACK", prepare=False)
            raise
        finally:
            # Also when the reply to COMMIT was lost: these runs never begin here, and the reconciliation finds their rows.
            self._book.unregister(registered)

    def _tell(self, now: datetime | None, decided: Decided, runs: list[tuple[Job, NewRun]], seconds: float) -> None:
        if now is None:
            return
        self.observer.claim_took(seconds)
        self.observer.claimed(now, runs)
        self.observer.missed(miss for _, decision in decided for miss in decision.misses)
        if not self._log.is_enabled_for(DEBUG):
            return
        for job, run in runs:
            self._log.debug("run_claimed", run_id=str(run.id), job_id=str(job.id), job=job.timing.name, cause=run.cause)

    async def _write(self, connection: AsyncConnection, decided: Decided, run_ids: list[RunId]) -> bool:
        assert self.worker_id is not None
        try:
            inserted = await claim_writes.write_claim(connection, self.worker_id, decided)
        except psycopg.Error as error:
            if connection.broken or error.sqlstate in RETRIED_SQLSTATES or error.sqlstate == "57014":
                raise
            await connection.execute("ROLLBACK", prepare=False)
            if len(decided) == 1:
                self._put_aside(decided[0][0], error)
            self._one_by_one = len(decided) if len(decided) > 1 else self._one_by_one
            return False
        refused = [job for job, decision in decided if any(run.id not in inserted for run in decision.runs)]
        if not refused:
            return True
        await connection.execute("ROLLBACK", prepare=False)
        self._conflicts = {job.id for job in refused}
        self._log.error("occurrence_has_a_run", jobs=[job.timing.name for job in refused])
        return False

    async def _decide(
        self, connection: AsyncConnection, jobs: list[Job], now: datetime, limit: int, room: Room, may_start: bool
    ) -> Decided:
        decided: Decided = []
        started, runs = time.monotonic(), 0
        for job in jobs:
            if time.monotonic() - started > DECIDE_LIMIT or runs >= limit:
                break
            try:
                decision = self._decision(job, now, room.slots(job) if may_start else 0)
            except InvalidSchedule as error:
                await plans.refuse_schedule(connection, job.id, str(error))
                continue
            except Exception as error:
                self._put_aside(job, error)
                continue
            if decision.is_empty:
                continue
            runs += len(decision.runs)
            room.take(job, len(decision.runs))
            decided.append((job, decision))
        return decided

    def _aside(self) -> list[JobId]:
        now = time.monotonic()
        self._set_aside = {id_: until for id_, until in self._set_aside.items() if until > now}
        return list(self._set_aside)

    def _put_aside(self, job: Job, error: BaseException) -> None:
        """One job that can't be decided or written must not stop the others, nor be tried in a hot loop."""
        self._set_aside[job.id] = time.monotonic() + SET_ASIDE
        self._log.error("job_set_aside", job=job.timing.name, seconds=SET_ASIDE, error=repr(error))

    def _decision(self, job: Job, now: datetime, slots: int | None) -> Decision:
        if job.id in self._conflicts:
            self._conflicts.discard(job.id)
            return resolve_conflict(job, now)
        prepared = None
        if job.next_scheduled_for is not None:
            prepared = self._prepared.pop((job.id, job.version, job.next_scheduled_for), None)
        return decide(job, now, self._new_id, prepared, slots)

    def _new_id(self) -> RunId:
        return RunId(self._clock.uuid7())

    def _order(self, job: Job, run: NewRun) -> Order:
        args = job.args if run.request is None or run.request.args is None else run.request.args
        return Order(
            run.id, job.id, job.timing.name, job.handler, args, run.seq, run.attempt, run.cause, run.scheduled_for, job.timeout_ms,
            job.memory_limit_mib, self._book.runs[run.id].finish_token, job.timing if run.scheduled_for else None,
        )  # fmt: skip
