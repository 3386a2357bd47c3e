"""One claim: a transaction that locks due jobs, decides, writes their runs, and hands them to the executor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from logging import DEBUG
from typing import Protocol
from uuid import uuid4

import psycopg
from psycopg import AsyncConnection
from structlog.typing import FilteringBoundLogger

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.decide import Advance, Decision, decide, resolve_conflict
from pgcron_py.domain.job import Job, NewRun
from pgcron_py.domain.limits import Room
from pgcron_py.domain.words import JobId, RunId, WorkerId
from pgcron_py.errors import InvalidSchedule
from pgcron_py.storage import claim_writes, claims, plans, rules
from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES
from pgcron_workers.book import Book, KnownRun
from pgcron_workers.executors.base import Order
from pgcron_workers.observer import NOBODY, Observer

BATCH = 400  # runs that are written at a time: 5 % faster than 200
WINDOW = 1000  # due jobs looked at for order and for what others have not locked
DECIDE_LIMIT = 0.1  # seconds in one claim
SET_ASIDE = 60.0  # seconds
LAST_WORD = (
    0.003  # seconds before its instant at which a claim ahead of time sends its COMMIT; the server holds it back
)

PreparedKey = tuple[JobId, int, datetime]
Decided = list[tuple[Job, Decision]]
Runs = list[tuple[Job, NewRun]]


class Starter(Protocol):
    """Of an executor, what a claim needs."""

    def submit(self, orders: list[Order]) -> None: ...

    def make_ready(self, orders: list[Order]) -> None: ...

    def begin_ready(self) -> None: ...

    def forget_ready(self) -> None: ...


class _Refused(Exception):
    """The database refused what was decided: nothing is written, and it is known what to do about it."""


class Claiming:
    """prepared: what follows an occurrence, computed before it was due."""

    def __init__(self, book: Book, clock: DatabaseClock, log: FilteringBoundLogger, starter: Starter) -> None:
        self.worker_id: WorkerId | None = None
        self.release: str | None = None
        self.observer: Observer = NOBODY
        self.prepared: dict[PreparedKey, Advance] = {}
        self.took = 0.0  # seconds for the last claim ahead, without the wait for its instant
        self.one_by_one = 0  # after a batch was refused: as many claims of one, to find the job that can't be written
        self._book, self._clock, self._log, self._starter = book, clock, log, starter
        self._has_conflict = False
        self._conflicts: set[JobId] = set()
        self._set_aside: dict[JobId, float] = {}

    async def claim(
        self,
        connection: AsyncConnection,
        view: claims.View,
        limit: int,
        has_slots: bool,
        *,
        most_jobs: int | None = None,
        is_burst: bool = False,
        alone: JobId | None = None,
    ) -> tuple[Runs, int]:
        """Claims what is due: what began, and how many jobs were locked and resolved. is_burst: there is known to be more than that.
        alone: the only job to claim, and only when nothing else runs."""
        worker, started = self._worker, time.monotonic()
        async with self._transaction(connection, alone=alone is not None) as registered:
            now, jobs, room, may_start = await claims.lock_by_rules(
                connection, worker, view, alone=alone, limit=limit, window=WINDOW, narrow=_narrow(most_jobs or limit) if is_burst else None, most_jobs=most_jobs, has_slots=has_slots,
                aside=self._aside(), release=self.release,
            )  # fmt: skip
            decided = await self._decide(connection, jobs, now, limit, room, may_start) if now else []
            await rules.spend(connection, room)
            runs = [(job, run) for job, decision in decided for run in decision.runs]
            registered += [run.id for _, run in runs]
            if decided:
                try:
                    await self._write(connection, decided)
                except _Refused:
                    return [], len(jobs)
            await connection.execute("COMMIT", prepare=False)
            known = _known(runs)
            self._book.enter(known)
            if known:
                self._starter.submit([_order(it, run) for it, (_, run) in zip(known, runs, strict=True)])
            self._tell(now, decided, runs, time.monotonic() - started)
            return runs, len(decided)

    async def claim_asked(
        self, connection: AsyncConnection, jobs: Iterable[JobId], handlers: list[str], queues: list[str] | None
    ) -> Runs:
        """Claims what was just asked for of these jobs by hand, in one statement; what begins."""
        started = time.monotonic()
        asked = {job: self._new_id() for job in jobs}
        registered = list(asked.values())
        self._book.register(registered)
        try:
            found = await claims.claim_asked(connection, self._worker, asked, handlers, queues, self.release)
            runs = [(job, run) for _, job, run in found]
            known = _known(runs)
            self._book.enter(known)
            if known:
                self._starter.submit([_order(it, run) for it, (_, run) in zip(known, runs, strict=True)])
                self._tell(found[0][0], [], runs, time.monotonic() - started)
            return runs
        except psycopg.Error:
            if connection.broken or connection.closed:
                raise
            return []  # the claim that follows knows what to do about it
        finally:
            self._book.unregister(registered)

    async def claim_ahead(
        self, connection: AsyncConnection, kinds: Sequence[tuple[claims.View, int]], at: datetime, most: int
    ) -> int | None:
        """Claims what is due at an instant to come, and begins it then: everything is done before, the claim is written and
        the executor is ready, but for the COMMIT. How many runs began; None when people did something that comes first.

        kinds: routes, and how many runs of theirs there is room for; most: of all of them together.
        """
        started = time.monotonic()
        decided: Decided = []
        known: list[KnownRun] = []
        runs: Runs = []
        try:
            async with self._transaction(connection) as registered:
                for view, room in kinds:
                    async for part in self._written_ahead(
                        connection, view, min(room, most - len(runs)), at, registered
                    ):
                        begins = [(job, run) for job, decision in part for run in decision.runs]
                        enters = _known(begins)
                        self._starter.make_ready([_order(it, run) for it, (_, run) in zip(enters, begins, strict=True)])
                        decided, known, runs = decided + part, known + enters, runs + begins
                if not decided:
                    await connection.execute("ROLLBACK", prepare=False)
                    return 0
                self.took = time.monotonic() - started
                await asyncio.sleep(max(self._clock.seconds_until(at) - LAST_WORD, 0))
                await claims.commit_at(connection, at)
                self._book.enter(known)
                self._starter.begin_ready()
        except (_Refused, psycopg.errors.SerializationFailure):
            self._starter.forget_ready()
            return None
        except BaseException:
            self._starter.forget_ready()
            raise
        self._tell(at, decided, runs, self.took)
        return len(runs)

    async def _written_ahead(
        self, connection: AsyncConnection, view: claims.View, most: int, at: datetime, registered: list[RunId]
    ) -> AsyncIterator[Decided]:
        """A batch after another, until there is no more, or no more room, or no more time."""
        while most > 0:
            limit = min(BATCH, most)
            _, jobs = await claims.lock_due_jobs(
                connection, self._worker, view, limit=limit, window=WINDOW, aside=self._aside(), release=self.release, ahead=at
            )  # fmt: skip
            decided = await self._decide(connection, jobs, at, limit, Room(), True)
            ids = [run.id for _, decision in decided for run in decision.runs]
            registered += ids
            if decided:
                await self._write(connection, decided, ahead=at)
                yield decided
            most -= len(ids)
            if len(jobs) < limit or len(decided) < len(jobs) or self._clock.seconds_until(at) < 0:
                return

    @asynccontextmanager
    async def _transaction(self, connection: AsyncConnection, *, alone: bool = False) -> AsyncIterator[list[RunId]]:
        """Of one claim; gives the list for its runs, which is registered in the book."""
        registered: list[RunId] = []
        self._book.register(registered)
        try:
            await claims.begin_claim(connection, alone=alone)
            yield registered
        except BaseException:
            with suppress(Exception):
                await connection.execute("ROLLBACK", prepare=False)
            raise
        finally:
            # Also when the reply to COMMIT was lost: these runs never begin here, and the reconciliation finds their rows.
            self._book.unregister(registered)

    @property
    def is_careful(self) -> bool:
        """Whether something was refused, and the claims that follow find out what."""
        return self.one_by_one > 0 or self._has_conflict or bool(self._conflicts)

    @property
    def _worker(self) -> WorkerId:
        assert self.worker_id is not None
        return self.worker_id

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

    async def _write(self, connection: AsyncConnection, decided: Decided, ahead: datetime | None = None) -> None:
        """Raises _Refused, after a rollback."""
        if self._has_conflict:
            self._has_conflict = False
            await self._find_conflicts(connection, decided)
        try:
            await claim_writes.write_claim(connection, self._worker, decided, ahead=ahead)
        except psycopg.Error as error:
            if connection.broken or error.sqlstate in RETRIED_SQLSTATES or error.sqlstate == "57014":
                raise
            if isinstance(error, psycopg.errors.UniqueViolation) and not self.is_careful:
                self._has_conflict = True  # the next claim finds out whose
            elif len(decided) == 1:
                self._put_aside(decided[0][0], error)
            else:
                self.one_by_one = len(decided)
            await connection.execute("ROLLBACK", prepare=False)
            raise _Refused from error

    async def _find_conflicts(self, connection: AsyncConnection, decided: Decided) -> None:
        """Raises _Refused, after a rollback, when there are any: the next claim resolves them by name."""
        self._conflicts = await claim_writes.conflicting(connection, decided)
        if self._conflicts:
            names = [job.timing.name for job, _ in decided if job.id in self._conflicts]
            self._log.error("occurrence_has_a_run", jobs=names)
            await connection.execute("ROLLBACK", prepare=False)
            raise _Refused

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
            prepared = self.prepared.get((job.id, job.version, job.next_scheduled_for))
        return decide(job, now, self._new_id, prepared, slots)

    def _new_id(self) -> RunId:
        return RunId(self._clock.uuid7())


def _narrow(jobs: int) -> int:
    """Entries to look at for so many jobs: some will be locked by others. When it was too few, the next claim looks at WINDOW."""
    return 4 * jobs + 20


def _known(runs: Runs) -> list[KnownRun]:
    """Of one claim: a token for all of them will do, for it is looked for by the run's id."""
    token = uuid4()
    return [KnownRun(run.id, job, run.attempt, token) for job, run in runs]


def _order(known: KnownRun, run: NewRun) -> Order:
    job = known.job
    args = job.args if run.request is None or run.request.args is None else run.request.args
    return Order(
        run.id, job.id, job.timing.name, job.handler, args, run.seq, run.attempt, run.cause, run.scheduled_for, job.timeout_ms,
        job.memory_limit_mib, known.finish_token, job.timing if run.scheduled_for else None,
    )  # fmt: skip
