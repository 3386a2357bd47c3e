"""What changed among all jobs and among all runs: a bounded part of it, and how much more there is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.changed_jobs import JobChanges, Told, ids_of_jobs
from pgcron_admin.database import Connection
from pgcron_admin.live.events import News, event_of
from pgcron_admin.live.topics import Kind, Topic, ids_of
from pgcron_admin.queries.job_states import JobCounts, JobState, JobStateAndWhy, job_counts, states_and_why, states_of
from pgcron_admin.queries.run_states import RunState, runs_of
from pgcron_admin.wire import Answer

TOLD_MOST = 100
WHOLE_MOST = 200
# What keeps a job from running may change without the job: single jobs are read again every so many rounds.
WHY_EVERY = 10

# The newest, and those that run: bounded, however many runs there are. A run that ended since the last look was one of them, or newer
# than all of them.
NEWEST: LiteralString = "SELECT run_id FROM pgcron.runs ORDER BY run_id DESC LIMIT 300"
RUNNING: LiteralString = "SELECT run_id FROM pgcron.running LIMIT 2000"
MARKS: LiteralString = """
SELECT run_id, status, cancel_requested_at, progress FROM pgcron.runs WHERE run_id = ANY (%(ids)s)
"""


class JobsEvent(Answer):
    """jobs: those that changed; with isSnapshot all, when there are at most 200. more: how many others changed. removed: gone."""

    topic: str
    is_snapshot: bool
    counts: JobCounts
    jobs: Sequence[JobState]
    more: int
    removed: Sequence[UUID]


class JobEvent(Answer):
    """job: null when there is none, or no more."""

    topic: str
    job: JobStateAndWhy | None


class RunsEvent(Answer):
    """runs: those that began, changed or ended, the newest first; with isSnapshot the newest 100. more: at least so many others."""

    topic: str
    is_snapshot: bool
    runs: Sequence[RunState]
    more: int


class Jobs:
    """All jobs together, and single ones."""

    kinds: Collection[Kind] = (Kind.JOBS, Kind.JOB)

    def __init__(self) -> None:
        self._changes = JobChanges()
        self._known: set[UUID] | None = None
        self._last: dict[Topic, bytes] = {}
        self._round = self._count = 0

    async def look(self, connection: Connection, topics: Collection[Topic], fresh: Collection[Topic]) -> Sequence[News]:
        told = await self._changes.since_last(connection)
        self._round += 1
        news = await self._single(connection, topics, fresh, told)
        if (all_ := Topic(Kind.JOBS)) in topics:
            news.append(await self._together(connection, all_, told, whole=all_ in fresh))
        return news

    async def _single(
        self, connection: Connection, topics: Collection[Topic], fresh: Collection[Topic], told: Told
    ) -> list[News]:
        changed = set(told.changed)
        is_due = self._round % WHY_EVERY == 0 or told.count != self._count
        self._count = told.count
        wanted = [
            topic
            for topic in topics
            if topic.kind is Kind.JOB and (is_due or topic in fresh or topic.id in changed or topic not in self._last)
        ]
        if not wanted:
            return []
        found = {job.id: job for job in await states_and_why(connection, ids_of(wanted, Kind.JOB))}
        news = []
        for topic in wanted:
            now = event_of("job", JobEvent(topic=str(topic), job=found.get(topic.id) if topic.id else None))
            news.append(News(topic, now if self._last.get(topic) != now else None, now))
            self._last[topic] = now
        return news

    async def _together(self, connection: Connection, topic: Topic, told: Told, *, whole: bool) -> News:
        is_first = self._known is None
        changed, removed = await self._settled(connection, told)
        if is_first:
            changed = []
        if not (changed or removed or whole):
            return News(topic, None)
        counts = await job_counts(connection)
        change = snapshot = None
        if changed or removed:
            change = await _jobs_event(connection, topic, counts, changed[:TOLD_MOST], len(changed), removed)
        if whole:
            known = self._known or set()
            ids = sorted(known) if len(known) <= WHOLE_MOST else []
            snapshot = await _jobs_event(connection, topic, counts, ids, len(known))
        return News(topic, change, snapshot)

    async def _settled(self, connection: Connection, told: Told) -> tuple[list[UUID], list[UUID]]:
        """Which changed, and which are gone."""
        known = (self._known or set()).union(told.changed)
        removed: list[UUID] = []
        if self._known is None or len(known) != told.count:
            there = await ids_of_jobs(connection)
            removed, known = sorted(known - there), there
        self._known = known
        return [job for job in told.changed if job in known], removed

    def forget(self, topics: Collection[Topic]) -> None:
        for topic in topics:
            self._last.pop(topic, None)
            if topic.kind is Kind.JOBS:
                self._known = None


async def _jobs_event(
    connection: Connection, topic: Topic, counts: JobCounts, ids: Sequence[UUID], of: int, removed: Sequence[UUID] | None = None
) -> bytes:  # fmt: skip
    """removed: None for a snapshot."""
    jobs = await states_of(connection, ids)
    told = JobsEvent(
        topic=str(topic), is_snapshot=removed is None, counts=counts, jobs=jobs, more=of - len(ids), removed=removed or []
    )  # fmt: skip
    return event_of("jobs", told)


class Runs:
    """All runs together."""

    kinds: Collection[Kind] = (Kind.RUNS,)

    def __init__(self) -> None:
        self._known: dict[UUID, Any] | None = None

    async def look(self, connection: Connection, topics: Collection[Topic], fresh: Collection[Topic]) -> Sequence[News]:
        (topic,) = topics
        newest = await _ids(connection, NEWEST)
        still = [run for run, mark in (self._known or {}).items() if mark[0] == "RUNNING"]
        ids = {*newest, *await _ids(connection, RUNNING), *still}
        rows = await (await connection.execute(MARKS, {"ids": list(ids)})).fetchall()
        marks = {row["run_id"]: (row["status"], row["cancel_requested_at"], row["progress"]) for row in rows}
        known, self._known = self._known, marks
        changed = [] if known is None else sorted((run for run in marks if known.get(run) != marks[run]), reverse=True)
        change = await self._event(connection, topic, changed, is_snapshot=False) if changed else None
        whole = await self._event(connection, topic, newest[:TOLD_MOST], is_snapshot=True) if topic in fresh else None
        return [News(topic, change, whole)]

    async def _event(self, connection: Connection, topic: Topic, ids: Sequence[UUID], *, is_snapshot: bool) -> bytes:
        runs = await runs_of(connection, ids[:TOLD_MOST])
        more = max(len(ids) - TOLD_MOST, 0)
        return event_of("runs", RunsEvent(topic=str(topic), is_snapshot=is_snapshot, runs=runs, more=more))

    def forget(self, topics: Collection[Topic]) -> None:
        if topics:
            self._known = None


async def _ids(connection: Connection, query: LiteralString) -> list[UUID]:
    return [row["run_id"] for row in await (await connection.execute(query)).fetchall()]
