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

from psycopg import AsyncConnection
from structlog.typing import FilteringBoundLogger

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.decide import advance_after
from pgcron_py.domain.words import JobId, WorkerId
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.storage import claims, rules
from pgcron_workers.book import Book
from pgcron_workers.claiming import BATCH, Claiming, Starter
from pgcron_workers.giving_way import GivingWay
from pgcron_workers.lease import Lease
from pgcron_workers.loop import Alarm
from pgcron_workers.observer import NOBODY, Observer
from pgcron_workers.planner import Planner
from pgcron_workers.session import Session

AHEAD = 1.5  # seconds before a due instant at which what follows it is computed
PREPARED_MOST = 5000
NAMED_MOST = 100  # jobs of which a notification is heeded before everything is looked at
LONGEST_SLEEP = 60.0
SEEN = 0.01  # seconds past that, so that what is due is within it
QUIET = 0.5  # seconds without a claim, before old plans are made anew
GATHER = 0.005  # seconds
BACKOFF_FIRST, BACKOFF_MOST = 0.001, 0.5  # somebody else holds what is due
# Seconds before a due instant at which its claim begins: for the first run, for each other, and at most: that long an edit may wait.
# Times a factor that is learnt: networks and machines differ.
LEAD_FIRST, LEAD_EACH, LEAD_MOST = 0.006, 0.00012, 0.3
# A worker that others forestalled leaves them some time after the next instants, twice as much each time, unless more is due then than one
# is likely to take: of fifty workers a few rush for an occurrence. Some try all the same, so that it isn't always the same ones.
DEFERENCE_FIRST, DEFERENCE_MOST, FEW_DUE, TRIES_ALL_THE_SAME = 0.01, 0.5, 20, 0.1
FACTOR_FIRST, FACTOR_LEAST, FACTOR_MOST = 4.0, 0.7, 20.0


class Taken(Enum):
    """What a round of claims found for one kind of handler."""

    NOTHING = "nothing"
    SOME = "some"
    MORE = "more than fitted in one claim"
    FULL = "no free slot"
    GATHERING = "too few free slots for a claim"


class Claimer:
    """second: for claims beside those of the first session, while there is much to claim. starter: begins claimed runs.
    free_slots: how many more runs of `async def` (True) or `def` handlers fit; when few of the former are free, a claim waits a moment for more. mutex: shared with the reconciliation."""

    name = "claimer"

    def __init__(
        self, session: Session, second: Session, book: Book, lease: Lease, clock: DatabaseClock, log: FilteringBoundLogger,
        *, starter: Starter, free_slots: Callable[[bool], int], is_async: Callable[[str], bool], few: int,
        queues: list[str] | None, busy_share: float,
    ) -> None:  # fmt: skip
        self.alarm = Alarm()
        self.mutex = asyncio.Lock()
        self.handlers: list[str] = []
        self.is_draining = False
        self.is_paused = False
        self.observer: Observer = NOBODY
        self.claiming = Claiming(book, clock, log, starter)
        self._session, self._second, self._lease, self._clock = session, second, lease, clock
        self._free_slots, self._is_async, self._queues = free_slots, is_async, queues
        self._planner = Planner(log)
        self._view: claims.View | None = None
        self._is_stale = True
        self._named: list[JobId] = []
        self._prepared_for: datetime | None = None
        self._due_then = 1  # how many jobs that instant is known to have
        self._tried_ahead: datetime | None = None
        self._factor = FACTOR_FIRST
        self._deference = self._waits = 0.0  # seconds, see DEFERENCE_FIRST; and for this instant
        self._patient_for: datetime | None = None
        self._backoff = BACKOFF_FIRST
        self._gathered = False
        self._is_burst = False  # there was more than fitted in the last claims
        self._giving_way = GivingWay(log, busy_share)
        self._reserved = 0  # slots for claims that go on
        self._claimed = 0  # runs, in this round
        self._took = 0.0  # when the last claim ended
        self._runs_per_job = 1.0  # in the last claim: jobs of many requests need fewer locks
        self._few = few

    @property
    def worker_id(self) -> WorkerId | None:
        return self.claiming.worker_id

    def belongs_to(self, worker_id: WorkerId | None) -> None:
        """Under which id it claims from now on; None: not at all."""
        self.claiming.worker_id = worker_id

    def serves(self, handlers: list[str], release: str | None) -> None:
        """What it claims for: handlers of an application of this release."""
        self.handlers, self.claiming.release = handlers, release

    def tell(self, observer: Observer) -> None:
        """From now on this one hears of claims and plans."""
        self.observer = self._planner.observer = self.claiming.observer = observer

    def hint(self, job: JobId | None = None) -> None:
        """Something changed in the database: look again. Also when a look is under way, which may be too early to see it.
        job: of this one, for which a run may have been asked."""
        self._is_stale = True
        if job is not None and len(self._named) < NAMED_MOST:
            self._named.append(job)
        self.alarm.ring()

    def offer(self, view: claims.View) -> None:
        """A beat has looked already."""
        before, self._view = self._view, view
        if view.plan_pending or before is None or view.next_claim_at != before.next_claim_at:
            self.alarm.ring()

    async def run_once(self) -> float:
        if self.worker_id is None or not self._lease.may_claim or self.is_draining or self.is_paused:
            return 0.5
        if (rest := self._giving_way.rest) > 0 and not self._named:
            return rest
        async with self.mutex:
            return await self._session.run(self._round)

    async def _round(self, connection: AsyncConnection) -> float:
        if self._named:
            await self._take_named(connection)
        view = await self._look(connection) if self._view is None or self._is_stale else self._view
        if view.plan_pending and await self._planner.run_once(connection):
            await self._look(connection)
            return 0
        patience = self._patience(view)
        seconds = self._seconds_until(view) + patience
        if seconds <= 0.0005:
            return await self._take_what_is_left(connection) if patience else await self._take(connection, view)
        if seconds <= self._lead(view) and self._may_claim_ahead(view):
            return await self._take_ahead(connection, view)
        return await self._prepare(connection, view, seconds)

    def _patience(self, view: claims.View) -> float:
        """Seconds after the next due instant that this worker leaves to others."""
        if self._patient_for != view.next_claim_at:
            self._patient_for = view.next_claim_at
            self._waits = 0.0 if random.random() < TRIES_ALL_THE_SAME else self._deference * random.uniform(0.5, 1)
        is_much = self._prepared_for == view.next_claim_at and self._due_then > FEW_DUE
        return 0.0 if is_much or view.has_rules else self._waits

    def _defer(self) -> None:
        """Others were quicker."""
        self._deference = min(max(2 * self._deference, DEFERENCE_FIRST), DEFERENCE_MOST)

    async def _take_what_is_left(self, connection: AsyncConnection) -> float:
        self._waits = 0.0
        view = await self._look(connection)
        if self._seconds_until(view) <= 0:
            return await self._take(connection, view)
        self._defer()
        return 0

    def _may_claim_ahead(self, view: claims.View) -> bool:
        is_possible = not view.has_rules and self._tried_ahead != view.next_claim_at and not self._patience(view)
        return is_possible and (self._free_slots(True) > 0 or self._free_slots(False) > 0)

    async def _take_named(self, connection: AsyncConnection) -> None:
        """Before anything is looked for: most often somebody asked for a run, and waits for it."""
        named, self._named = dict.fromkeys(self._named), []
        kinds = [is_async for is_async in (True, False) if self._free_slots(is_async) > 0]
        most = min(map(self._free_slots, kinds), default=0)
        if most > 0 and not (self._view is not None and self._view.has_rules):
            handlers = [handler for handler in self.handlers if self._is_async(handler) in kinds]
            if await self.claiming.claim_asked(connection, list(named)[:most], handlers, self._queues):
                self._took = time.monotonic()

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
                await self._second.close()
            return min(seconds - AHEAD + SEEN, LONGEST_SLEEP)
        if seconds > 0.1 and self._prepared_for != view.next_claim_at:
            await self._session.rest(connection)
            await self._compute_what_follows(connection, view)
        lead = self._lead(view) if self._may_claim_ahead(view) else 0
        return max(self._seconds_until(view) + self._patience(view) - lead, 0.0002)

    async def _compute_what_follows(self, connection: AsyncConnection, view: claims.View) -> None:
        self._prepared_for = view.next_claim_at
        soon = await claims.upcoming(connection, view, ahead_ms=int(AHEAD * 1000), limit=PREPARED_MOST)
        self._due_then = sum(view.next_claim_at is not None and it.claim_at <= view.next_claim_at for it in soon)
        prepared = self.claiming.prepared = {}
        for index, it in enumerate(soon):
            if index % 100 == 99:
                await asyncio.sleep(0)
            with suppress(InvalidSchedule, UnknownTimeZone):
                prepared[it.timing.job_id, it.version, it.due] = advance_after(it.timing, it.timing.plan(), it.due)

    def _lead(self, view: claims.View) -> float:
        """Seconds before the next due instant at which to begin its claim."""
        due = self._due_then if self._prepared_for == view.next_claim_at else 1
        return min(self._factor * _work(min(due, max(self._free_slots(True), 0))), LEAD_MOST)

    async def _take_ahead(self, connection: AsyncConnection, view: claims.View) -> float:
        """Everything of the next claim but its COMMIT is done before the instant for which it is."""
        at = self._tried_ahead = view.next_claim_at
        assert at is not None
        kinds = [
            (part, slots)
            for is_async in (True, False)
            if (part := self._routes_of(view, is_async)).route_handlers and (slots := self._free_slots(is_async)) > 0
        ]
        claimed = await self.claiming.claim_ahead(connection, kinds, at, self._free_slots(True))
        if claimed == 0:
            self._defer()
            self._waits = self._deference * random.uniform(0.5, 1)
        elif claimed:
            self._deference = 0.0
            needed = self.claiming.took / _work(claimed)
            self._factor = min(max(1.2 * needed, 0.8 * self._factor, FACTOR_LEAST), FACTOR_MOST)
            self._took, self._backoff = time.monotonic(), BACKOFF_FIRST
            await self._look(connection)
        return 0

    async def _take(self, connection: AsyncConnection, view: claims.View) -> float:
        """A claim for each kind of handler that has something due: each has slots of its own."""
        rounds: list[Taken] = []
        began, self._claimed = time.monotonic(), 0
        for is_async in (True, False):
            if (part := self._routes_of(view, is_async)).route_handlers:
                rounds += await self._take_kind_twice(connection, part, is_async)
        if view.has_rules:
            rounds.append(await self._take_alone(connection, view))
        self._took = time.monotonic()
        self._is_burst = any(taken is Taken.MORE for taken in rounds)
        if self._is_burst:
            await self._giving_way.after(connection, began, self._claimed)
            return 0
        await self._look(connection)
        if any(taken is Taken.SOME for taken in rounds):
            self._backoff, self._deference = BACKOFF_FIRST, 0.0
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

    async def _take_kind_twice(self, connection: AsyncConnection, view: claims.View, is_async: bool) -> list[Taken]:
        """While there is more than fits in a claim, another one goes on beside it, on a connection of its own: the server
        works on one while this process works on the other."""
        if (
            not self._is_burst
            or view.has_rules
            or self.claiming.is_careful
            or self._free_slots(is_async) < 2 * self._few
        ):
            return [await self._take_kind(connection, view, is_async)]
        other = asyncio.ensure_future(self._second.run(lambda second: self._take_kind(second, view, is_async)))
        try:
            return [await self._take_kind(connection, view, is_async)]
        finally:
            try:
                await asyncio.wait({other})
            except asyncio.CancelledError:
                other.cancel()  # it must not go on when the mutex is let go
                raise
            other.result()

    async def _take_kind(self, connection: AsyncConnection, view: claims.View, is_async: bool) -> Taken:
        slots = self._free_slots(is_async) - self._reserved
        if is_async and 0 < slots < self._few and not self._gathered:
            self._gathered = True  # a slot at a time would be a claim at a time: let some more come free
            return Taken.GATHERING
        self._gathered = False
        limit = min(slots, BATCH) if slots > 0 else BATCH
        if self.claiming.one_by_one > 0:
            limit, self.claiming.one_by_one = 1, self.claiming.one_by_one - 1
        most_jobs = math.ceil(limit / self._runs_per_job)
        self._reserved += limit
        try:
            taken, locked = await self.claiming.claim(
                connection, view, limit, slots > 0, most_jobs=most_jobs, is_burst=self._is_burst
            )
        finally:
            self._reserved -= limit
        self._claimed += len(taken)
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
        _, locked = await self.claiming.claim(connection, view, 1, True, alone=job)
        if not locked:
            await rules.close_gate(connection, job, self.worker_id)
        return Taken.SOME if locked else Taken.NOTHING


def _work(runs: int) -> float:
    """Seconds that so many take to claim, more or less."""
    return LEAD_FIRST + LEAD_EACH * runs
