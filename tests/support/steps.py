"""Races as named steps: several real connections, each doing one thing when it is told to, and waiting where it must.

one, two = stage.actor(), stage.actor()
one.do(lock_the_job)
second = two.start(lock_the_job)   # goes on in the background …
two.waits_for_a_lock()             # … and is known to wait: no sleeping
one.do(commit)
second.result()
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.decide import Decision, decide
from pgcron_py.domain.job import Job
from pgcron_py.domain.limits import Room
from pgcron_py.domain.words import JobId, Reason, RunId, Status, WorkerId
from pgcron_py.storage import claim_writes, claims, runs, workers

T = TypeVar("T")
HANDLER = "tests:handler"
PATIENCE = 10.0


class Stage:
    """A database, its actors, and an event loop in a thread on which they act."""

    def __init__(self, superuser_url: str, worker_url: str) -> None:
        self.url, self.worker_url = superuser_url, worker_url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.audience = psycopg.connect(superuser_url, autocommit=True, row_factory=dict_row)
        self._actors: list[Actor] = []
        self._helper: Actor | None = None

    def actor(self, url: str | None = None) -> Actor:
        """A new connection; as the worker role unless told otherwise."""
        connection = self.on_stage(AsyncConnection.connect(url or self.worker_url, autocommit=True))
        self._actors.append(Actor(self, connection))
        return self._actors[-1]

    @property
    def helper(self) -> Actor:
        """Plans and registers workers for whoever sets the stage."""
        self._helper = self._helper or self.actor()
        return self._helper

    def on_stage(self, awaitable: Awaitable[T]) -> T:
        return self.begin(awaitable).result(PATIENCE)

    def begin(self, awaitable: Awaitable[T]) -> Future[T]:
        async def run() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    def close(self) -> None:
        for actor in self._actors:
            with suppress(Exception):
                self.on_stage(actor.connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.audience.close()

    # -- what the audience sees and sets up, as superuser

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        return self.audience.execute(query, values or None).fetchall()

    def row(self, query: str, *values: object) -> dict[str, Any]:
        (row,) = self.rows(query, *values)
        return row

    def do(self, statement: str, *values: object) -> None:
        self.audience.execute(statement, values or None)

    def job(self, name: str = "job", *, due: float | None = 0.0, schedule: str = "0 0 29 2 *", **columns: Any) -> UUID:
        """A planned job whose next occurrence was `due` seconds ago (None: far away)."""
        fields = {"name": name, "schedule": schedule, "handler": HANDLER, **columns}
        names, marks = ", ".join(fields), ", ".join(["%s"] * len(fields))
        values = [json.dumps(v) if isinstance(v, dict) else v for v in fields.values()]
        id_: UUID = self.row(f"INSERT INTO pgcron.cron_job ({names}) VALUES ({marks}) RETURNING id", *values)["id"]
        self.do(
            "UPDATE pgcron.cron_job SET covers_from = covers_from - interval '1 day', ledger_from = ledger_from - interval '1 day' WHERE id = %s",
            id_,
        )
        self.plan()
        if due is not None:
            self.make_due(id_, due)
        return id_

    def make_due(self, job: UUID, seconds: float = 0.0) -> None:
        """To the microsecond: an occurrence cut to milliseconds could lie before the end of a run that ended just now."""
        self.do(
            "UPDATE pgcron.cron_job j SET next_scheduled_for = due.at, next_run_at = due.at "
            "FROM (SELECT clock_timestamp() - %s * interval '1 s' AS at) due WHERE j.id = %s", seconds, job,
        )  # fmt: skip

    def plan(self) -> None:
        from structlog import get_logger

        from pgcron_workers.planner import Planner

        while self.helper.do(Planner(get_logger()).run_once):
            pass

    def worker(self, *, ttl: float = 30.0) -> WorkerId:
        """A registered worker with a lease."""
        id_ = WorkerId(uuid4())
        row = {
            "id": str(id_),
            "host": "test",
            "pid": 1,
            "version": "0",
            "handlers": [{"name": HANDLER}],
            "concurrency": 10,
        }
        self.helper.do(lambda c: workers.register(c, row, int(ttl * 1000)))
        return id_

    def lapse(self, worker: WorkerId) -> None:
        self.do(
            "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() - interval '1 s' WHERE worker_id = %s", worker
        )
        self.do("UPDATE pgcron.cron_reaper SET last_tick = clock_timestamp()")

    def broken_invariants(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM pgcron.check_invariants()")


class Actor:
    """One connection."""

    def __init__(self, stage: Stage, connection: AsyncConnection) -> None:
        self.stage, self.connection = stage, connection
        self.pid = connection.info.backend_pid

    def do(self, step: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        return self.stage.on_stage(step(self.connection))

    def start(self, step: Callable[[AsyncConnection], Awaitable[T]]) -> Future[T]:
        return self.stage.begin(step(self.connection))

    def say(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        async def step(connection: AsyncConnection) -> list[tuple[Any, ...]]:
            cursor = await connection.execute(statement, values or None)
            return await cursor.fetchall() if cursor.description else []

        return self.do(step)

    def start_saying(self, statement: str, *values: object) -> Future[Any]:
        return self.start(lambda connection: connection.execute(statement, values or None))

    def waits_for_a_lock(self) -> None:
        """Returns once this actor's statement waits for somebody's lock."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            row = self.stage.row("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", self.pid)
            if row["wait_event_type"] == "Lock":
                return
            time.sleep(0.005)
        raise AssertionError("it never waited for a lock")

    # -- the claim, step by step

    def begin_claim(
        self, worker: WorkerId, *, limit: int = 100, has_slots: bool = True
    ) -> tuple[datetime | None, list[Job]]:
        return self.do(lambda connection: self.claim_steps(connection, worker, limit, has_slots))

    @staticmethod
    async def claim_steps(
        connection: AsyncConnection, worker: WorkerId, limit: int = 100, has_slots: bool = True
    ) -> tuple[datetime | None, list[Job]]:
        """Up to the locks."""
        await claims.begin_claim(connection)
        view = await claims.look(connection, [HANDLER], None)
        now, jobs, _, _ = await claims.lock_by_rules(
            connection, worker, view, limit=limit, window=1000, has_slots=has_slots
        )
        return now, jobs

    def write_claim(
        self, worker: WorkerId, now: datetime, jobs: list[Job], *, leaves_conflicts: bool = False
    ) -> list[RunId]:
        decided = decisions(now, jobs)
        inserted = self.do(lambda c: claim_writes.write_claim(c, worker, decided, leaves_conflicts=leaves_conflicts))
        return [run.id for _, decision in decided for run in decision.runs if run.id in inserted]

    def commit(self) -> None:
        self.say("COMMIT")

    def rollback(self) -> None:
        self.say("ROLLBACK")

    def claim(self, worker: WorkerId, *, limit: int = 100) -> list[RunId]:
        """All steps at once."""
        now, jobs = self.begin_claim(worker, limit=limit)
        claimed = self.write_claim(worker, now, jobs) if now else []
        self.commit()
        return claimed

    def finish(self, worker: WorkerId, *finishes: runs.Finish) -> dict[RunId, str]:
        return self.do(lambda connection: runs.finish_runs(connection, worker, list(finishes)))


def decisions(
    now: datetime, jobs: list[Job], room: Room | None = None, may_start: bool = True
) -> list[tuple[Job, Decision]]:
    clock, room, decided = DatabaseClock(), room or Room(), []
    for job in jobs:
        decision = decide(job, now, lambda: RunId(clock.uuid7()), None, room.slots(job) if may_start else 0)
        if not decision.is_empty:
            room.take(job, len(decision.runs))
            decided.append((job, decision))
    return decided


def success(stage: Stage, run: RunId, **fields: Any) -> runs.Finish:
    job = stage.row("SELECT job_id FROM pgcron.cron_log WHERE id = %s", run)["job_id"]
    return runs.Finish(run, JobId(job), Status.SUCCESS, uuid4(), **{"duration": 5, **fields})


def failure(stage: Stage, run: RunId, reason: Reason = Reason.ERROR, **fields: Any) -> runs.Finish:
    job = stage.row("SELECT job_id FROM pgcron.cron_log WHERE id = %s", run)["job_id"]
    defaults = {"duration": 5, "error": "boom", "is_strike": reason.is_strike, "reason": reason}
    return runs.Finish(run, JobId(job), Status.FAILED, uuid4(), **{**defaults, **fields})
