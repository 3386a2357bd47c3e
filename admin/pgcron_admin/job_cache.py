"""The list of jobs, kept in this process: as fresh as the next look, without reading all of it each time.

    cache = JobCache(database, listener)
    jobs = await cache.jobs()                        # all, by name

A definition that changes is heard of at once (the listener), and whoever asks then waits until it is read. What runs change is
looked for when the last look is half a second old; only the jobs that changed are read. None is older than 30 s. Where hints don't
come, behind a transaction pooler or while the connection that listens is broken, nothing is kept: the database answers.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, LiteralString, Protocol, TypeVar
from uuid import UUID

from pgcron_admin.changed_jobs import JobChanges, ids_of_jobs
from pgcron_admin.database import Database
from pgcron_admin.live.listener import Listener
from pgcron_admin.queries.job_states import STATES, JobState

KEPT_S = 30.0
LOOK_AFTER_S = 0.5
# Jobs this old are read again by the way, a part of them with each look: so the last moment comes for none, or few.
AGEING_S = 10.0
PART = 500


class Job(Protocol):
    @property
    def id(self) -> UUID: ...

    @property
    def name(self) -> str: ...


J = TypeVar("J", bound=Job)


class JobCache(Generic[J]):
    """statement: the jobs of %(ids)s. make: one of its rows as it is kept."""

    def __init__(
        self, database: Database, listener: Listener, statement: LiteralString, make: Callable[[Mapping[str, Any]], J]
    ) -> None:
        self._database, self._listener, self._statement, self._make = database, listener, statement, make
        self._changes = JobChanges()
        self._jobs: dict[UUID, J] = {}
        self._read_at: dict[UUID, float] = {}  # the oldest first
        self._ordered: Sequence[J] | None = None
        self._looked_at, self._heard = float("-inf"), -1
        self._looking: asyncio.Task[None] | None = None
        listener.tell(change=self._forget)

    async def jobs(self) -> Sequence[J]:
        """All jobs, by name in the order of code points. Raises DatabaseUnavailable."""
        self._listener.start()
        asked = _now()
        while self._listener.is_listening:
            # One look serves all who ask meanwhile; one that began after the question is fresh enough, whatever was heard since.
            if self._is_fresh() or self._looked_at >= asked:
                self._ordered = self._ordered or _by_name(self._jobs.values())
                return self._ordered
            if self._looking is None or self._looking.done():
                self._looking = asyncio.get_running_loop().create_task(self._look())
            await asyncio.shield(self._looking)
        return await self._uncached()

    def _is_fresh(self) -> bool:
        return self._heard == self._listener.heard and _now() - self._looked_at < LOOK_AFTER_S

    def _forget(self) -> None:
        """The connection that listens broke, or is there again: this may be another server, which never knew what we know."""
        self._changes = JobChanges()
        self._jobs, self._read_at, self._ordered = {}, {}, None
        self._looked_at = float("-inf")

    async def _look(self) -> None:
        began, heard, changes = _now(), self._listener.heard, self._changes
        try:
            async with self._database.read() as connection:
                told = await changes.since_last(connection)
                known = self._jobs.keys() | set(told.changed)
                there = known if len(known) == told.count else await ids_of_jobs(connection)
            found = await self._read({*told.changed, *self._aged(began), *(there - self._jobs.keys())} & there)
        except BaseException:
            self._forget()
            raise
        if changes is self._changes:  # else all was forgotten meanwhile
            self._keep(found, there, began)
            self._looked_at, self._heard = began, heard

    def _keep(self, found: Mapping[UUID, J], there: Collection[UUID], at: float) -> None:
        gone = self._jobs.keys() - there
        for job in [*gone, *found]:
            self._jobs.pop(job, None)
            self._read_at.pop(job, None)
        self._jobs.update(found)
        self._read_at.update(dict.fromkeys(found, at))
        if gone or found:
            self._ordered = None

    def _aged(self, now: float) -> Iterable[UUID]:
        """All that are too old, and some of those that are not young."""
        part = max(PART, len(self._jobs) // 30)
        for number, (job, at) in enumerate(self._read_at.items()):
            if now - at < AGEING_S or (number >= part and now - at < KEPT_S - LOOK_AFTER_S):
                return
            yield job

    async def _uncached(self) -> Sequence[J]:
        async with self._database.read() as connection:
            ids = await ids_of_jobs(connection)
        return _by_name((await self._read(ids)).values())

    async def _read(self, ids: Collection[UUID]) -> dict[UUID, J]:
        """In parts: ten thousand rows at once would hold up everybody in this process while they are made."""
        found: dict[UUID, J] = {}
        left = iter(sorted(ids))
        while part := list(itertools.islice(left, PART)):
            async with self._database.read() as connection:
                rows = await (await connection.execute(self._statement, {"ids": part})).fetchall()
            for row in rows:
                job = self._make(row)
                found[job.id] = job
        return found


def job_states(database: Database, listener: Listener) -> JobCache[JobState]:
    return JobCache(database, listener, STATES, lambda row: JobState(**row))


def _by_name(jobs: Iterable[J]) -> Sequence[J]:
    return sorted(jobs, key=lambda job: job.name)


def _now() -> float:
    return asyncio.get_running_loop().time()
