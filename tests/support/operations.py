"""What workers and people do to a job, as operations for support.interleaving: the product's own code."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog
from psycopg import AsyncConnection

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.words import JobId, Reason, RunId, Status, WorkerId
from pgcron_py.storage import claims, runs
from pgcron_workers.book import Book
from pgcron_workers.claimer import Claimer
from pgcron_workers.executors.base import Order
from pgcron_workers.lease import Lease
from pgcron_workers.planner import Planner
from pgcron_workers.reaper import Reaper
from support.interleaving import Operation
from support.steps import HANDLER

SILENT: Any = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class NobodyStarts:
    """The operations end where a run would begin."""

    def submit(self, orders: list[Order]) -> None: ...

    def make_ready(self, orders: list[Order]) -> None: ...

    def begin_ready(self) -> None: ...

    def forget_ready(self) -> None: ...


NO_SESSION: Any = None  # the operations bring their connection


def claimer_of(worker: WorkerId) -> Claimer:
    claimer = Claimer(
        NO_SESSION, NO_SESSION, Book(), Lease(30), DatabaseClock(), SILENT,
        starter=NobodyStarts(), free_slots=lambda is_async: 10, is_async=lambda handler: True, few=1, queues=None, busy_share=1.0,
    )  # fmt: skip
    claimer.belongs_to(worker)
    return claimer


def claim(worker: WorkerId) -> Operation:
    """The runs it claimed."""

    async def operation(connection: AsyncConnection) -> list[RunId]:
        view = await claims.look(connection, [HANDLER], None)
        taken, _ = await claimer_of(worker).claiming.claim(connection, view, 10, True)
        return [run.id for _, run in taken]

    return operation


def finish(worker: WorkerId, job: UUID, run: UUID, reason: Reason | None = None) -> Operation:
    """A SUCCESS, or a FAILED that is tried again at once; what became of it."""
    status = Status.SUCCESS if reason is None else Status.FAILED
    again = {} if reason is None else {"retry_after_ms": 0, "retry_attempt": 2}
    end = runs.Finish(RunId(run), JobId(job), status, uuid4(), reason, False, 5, reason and "boom", **again)

    async def operation(connection: AsyncConnection) -> dict[RunId, runs.Outcome]:
        await connection.execute("BEGIN; SET LOCAL lock_timeout = '1s'")
        outcomes = await runs.finish_runs(connection, worker, [end])
        await connection.execute("COMMIT")
        return outcomes

    return operation


def reap(worker: WorkerId) -> Operation:
    async def operation(connection: AsyncConnection) -> bool:
        return await Reaper(NO_SESSION, SILENT, lambda: None)._reap(connection, worker)

    return operation


def plan() -> Operation:
    async def operation(connection: AsyncConnection) -> int:
        return await Planner(SILENT).run_once(connection)

    return operation


@dataclass(frozen=True, slots=True)
class Said:
    """A transaction of one statement."""

    statement: str
    values: tuple[object, ...] = ()

    async def __call__(self, connection: AsyncConnection) -> None:
        await connection.execute("BEGIN")
        await connection.execute(self.statement, self.values or None)
        await connection.execute("COMMIT")


def beat(worker: WorkerId) -> Operation:
    return Said("SELECT pgcron.beat(%s, '{}', NULL)", (worker,))


def lapse(worker: WorkerId) -> Operation:
    """Time goes by without a beat of this one."""
    statement = "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() - interval '1 s' WHERE worker_id = %s"
    return Said(statement, (worker,))


edit = Said("UPDATE pgcron.cron_job SET schedule = CASE schedule WHEN '@yearly' THEN '@monthly' ELSE '@yearly' END")
run_now = Said("SELECT pgcron.run_now('job')")
ask = Said("INSERT INTO pgcron.cron_request (job_id) SELECT id FROM pgcron.cron_job WHERE name = 'job'")
enable, disable = Said("SELECT pgcron.enable('job')"), Said("SELECT pgcron.disable('job')")
delete = Said("DELETE FROM pgcron.cron_job")
