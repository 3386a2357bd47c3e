"""What is told as a whole whenever it changed: the fleet, the workers, open alerts, single runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import LiteralString, Protocol
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.live.events import Lines, News, event_of
from pgcron_admin.live.topics import Kind, Topic, ids_of
from pgcron_admin.queries.alerts import AlertAnswer, open_alerts, unread_messages
from pgcron_admin.queries.kill_switch import FleetAnswer, fleet_of
from pgcron_admin.queries.run_states import RunState, runs_of
from pgcron_admin.wire import Answer

WORKERS_MOST = 500
ALERTS_MOST = 100

WORKERS: LiteralString = """
SELECT worker_id AS id, state, is_alive, host, pid, app, release, version, concurrency, running_count, started_at, beat_at, drain_requested_at, drain_reason, ended_at
FROM pgcron.workers WHERE state IN ('LIVE', 'DRAINING') OR ended_at > clock_timestamp() - interval '10 minutes'
ORDER BY started_at DESC, worker_id LIMIT %(limit)s
"""


class WorkerState(Answer):
    """isAlive: its lease has not lapsed. Those that ended are told for ten minutes."""

    id: UUID
    state: str
    is_alive: bool
    host: str
    pid: int
    app: str | None
    release: str | None
    version: str
    concurrency: int
    running_count: int
    started_at: datetime
    beat_at: datetime | None
    drain_requested_at: datetime | None
    drain_reason: str | None
    ended_at: datetime | None


class FleetEvent(Answer):
    topic: str
    fleet: FleetAnswer


class WorkersEvent(Answer):
    topic: str
    workers: Sequence[WorkerState]


class AlertsEvent(Answer):
    """alerts: those that are open, the newest hundred. unread: messages of the inbox."""

    topic: str
    alerts: Sequence[AlertAnswer]
    unread: int


class RunEvent(Answer):
    """run: null when there is none, or no more."""

    topic: str
    run: RunState | None


class Subject(Protocol):
    """A part of each round. kinds: of the topics that it looks at."""

    @property
    def kinds(self) -> Collection[Kind]: ...

    async def look(
        self, connection: Connection, topics: Collection[Topic], fresh: Collection[Topic]
    ) -> Sequence[News | Lines]:
        """topics: all that somebody follows, of these kinds. fresh: those of which somebody needs the whole."""

    def forget(self, topics: Collection[Topic]) -> None:
        """Nobody follows these any more."""


class Whole:
    """Subjects that are told as a whole: what differs from what was told last."""

    kinds: Collection[Kind] = ()

    def __init__(self) -> None:
        self._last: dict[Topic, bytes] = {}

    async def look(self, connection: Connection, topics: Collection[Topic], fresh: Collection[Topic]) -> Sequence[News]:
        told = await self.events(connection, topics)
        news = [News(topic, now if self._last.get(topic) != now else None, now) for topic, now in told.items()]
        self._last.update(told)
        return news

    async def events(self, connection: Connection, topics: Collection[Topic]) -> dict[Topic, bytes]:
        raise NotImplementedError

    def forget(self, topics: Collection[Topic]) -> None:
        for topic in topics:
            self._last.pop(topic, None)


class Fleet(Whole):
    kinds = (Kind.FLEET,)

    async def events(self, connection: Connection, topics: Collection[Topic]) -> dict[Topic, bytes]:
        return {
            topic: event_of("fleet", FleetEvent(topic=str(topic), fleet=await fleet_of(connection))) for topic in topics
        }


class Workers(Whole):
    kinds = (Kind.WORKERS,)

    async def events(self, connection: Connection, topics: Collection[Topic]) -> dict[Topic, bytes]:
        rows = await (await connection.execute(WORKERS, {"limit": WORKERS_MOST})).fetchall()
        workers = [WorkerState(**row) for row in rows]
        return {topic: event_of("workers", WorkersEvent(topic=str(topic), workers=workers)) for topic in topics}


class Alerts(Whole):
    kinds = (Kind.ALERTS,)

    async def events(self, connection: Connection, topics: Collection[Topic]) -> dict[Topic, bytes]:
        alerts, unread = await open_alerts(connection, ALERTS_MOST), await unread_messages(connection)
        return {
            topic: event_of("alerts", AlertsEvent(topic=str(topic), alerts=alerts, unread=unread)) for topic in topics
        }


class SingleRuns(Whole):
    kinds = (Kind.RUN,)

    async def events(self, connection: Connection, topics: Collection[Topic]) -> dict[Topic, bytes]:
        found = {run.id: run for run in await runs_of(connection, ids_of(topics, Kind.RUN))}
        return {
            topic: event_of("run", RunEvent(topic=str(topic), run=found.get(topic.id) if topic.id else None))
            for topic in topics
        }
