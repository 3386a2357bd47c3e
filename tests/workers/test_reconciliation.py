"""What a worker knows against what the database says is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from structlog import get_logger
from structlog.testing import capture_logs

from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.job import Job
from pgcron_py.domain.words import Reason, RunId, WorkerId
from pgcron_py.storage import runs
from pgcron_workers.book import Book, KnownRun
from pgcron_workers.heartbeat import Heartbeat
from pgcron_workers.lease import Lease
from pgcron_workers.loop import Alarm
from support.steps import HANDLER, Actor, Stage, failure, success


class WatchedLock(asyncio.Lock):
    """is_wanted: set once somebody has to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_wanted = asyncio.Event()

    async def acquire(self) -> bool:  # type: ignore[override]  # the stubs say Literal[True]
        if self.locked():
            self.is_wanted.set()
        return await super().acquire()


class Worker:
    """A claimed run, a book that may know it, and the heartbeat between them."""

    def __init__(self, stage: Stage) -> None:
        stage.job()
        self.id: WorkerId = stage.worker()
        self.actor: Actor = stage.actor()
        now, (self.job,) = self.actor.begin_claim(self.id)
        (self.run,) = self.actor.write_claim(self.id, now, [self.job])
        self.actor.commit()
        self.book, self.cancelled = Book(), list[tuple[list[RunId], Reason]]()
        self.claimer = SimpleNamespace(
            handlers=[HANDLER], mutex=WatchedLock(), is_paused=False, offer=lambda view: None, hint=lambda: None
        )
        executor: Any = SimpleNamespace(cancel=lambda runs, reason: self.cancelled.append((runs, reason)))
        claimer: Any = self.claimer
        self.heartbeat = Heartbeat(
            self.book, Lease(30), DatabaseClock(), claimer, executor, Alarm(), get_logger(),
            interval=6, queues=None, on_dead=unexpected, on_drain=unexpected,
        )  # fmt: skip
        self.heartbeat.worker_id = self.id

    def beat(self) -> None:
        self.actor.do(self.heartbeat.run_once)


def unexpected(*_: object) -> Any:
    raise AssertionError("this was not expected")


@pytest.fixture
def worker(stage: Stage) -> Worker:
    return Worker(stage)


def known(job: Job, run: RunId) -> KnownRun:
    return KnownRun(run, job, 1, uuid4())


def status(stage: Stage) -> dict[str, Any]:
    return stage.row("SELECT status, reason, is_strike FROM pgcron.cron_log")


def test_a_run_that_nobody_here_knows_never_began_and_is_asked_for_again(stage: Stage, worker: Worker) -> None:
    worker.beat()
    assert status(stage) == {"status": "FAILED", "reason": "orphaned_claim", "is_strike": False}
    assert stage.row("SELECT cause, attempt, state FROM pgcron.cron_request") == {
        "cause": "retry", "attempt": 1, "state": "PENDING",
    }  # fmt: skip
    assert stage.broken_invariants() == []


@pytest.mark.parametrize("note", [lambda b, j, r: b.register([r]), lambda b, j, r: b.enter([known(j, r)])])
def test_a_run_whose_claim_is_under_way_or_that_goes_on_here_is_left_alone(
    stage: Stage, worker: Worker, note: Callable[[Book, Job, RunId], None]
) -> None:
    note(worker.book, worker.job, worker.run)
    worker.beat()
    assert status(stage)["status"] == "RUNNING"
    assert worker.cancelled == []


def test_only_the_unknown_ones_of_several_runs_are_given_up(stage: Stage, worker: Worker) -> None:
    stage.job("second")
    worker.actor.claim(worker.id)
    worker.book.enter([known(worker.job, worker.run)])
    worker.beat()
    rows = stage.rows("SELECT id = %s AS is_known, status FROM pgcron.cron_log ORDER BY 1", worker.run)
    assert rows == [{"is_known": False, "status": "FAILED"}, {"is_known": True, "status": "RUNNING"}]


def test_the_reconciliation_waits_for_a_claim_between_its_commit_and_its_entry(stage: Stage, worker: Worker) -> None:
    stage.on_stage(worker.claimer.mutex.acquire())
    beating = worker.actor.start(worker.heartbeat.run_once)
    stage.on_stage(worker.claimer.mutex.is_wanted.wait())
    worker.book.enter([known(worker.job, worker.run)])
    stage.on_stage(_released(worker.claimer.mutex))
    beating.result(10)
    assert status(stage)["status"] == "RUNNING"


async def _released(mutex: asyncio.Lock) -> None:
    mutex.release()


def test_a_run_whose_end_is_recorded_while_the_rows_are_read_is_no_orphan(
    stage: Stage, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, read = stage.actor(), runs.running_of

    async def read_then_recorded(connection: Any, worker_id: WorkerId) -> list[runs.RunningRun]:
        rows = await read(connection, worker_id)
        await runs.finish_runs(other.connection, worker_id, [success(stage, worker.run)])
        return rows

    monkeypatch.setattr(runs, "running_of", read_then_recorded)
    with capture_logs() as logs:
        worker.beat()
    assert status(stage)["status"] == "SUCCESS"
    assert [line["event"] for line in logs] == []


def test_a_run_that_somebody_else_ended_is_cancelled_here(stage: Stage, worker: Worker) -> None:
    worker.book.enter([known(worker.job, worker.run)])
    worker.actor.finish(worker.id, failure(stage, worker.run, Reason.LOST))
    worker.beat()
    assert worker.cancelled == [([worker.run], Reason.LOST)]
