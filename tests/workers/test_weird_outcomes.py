"""Whatever handlers raise, return or leave in their context: their runs end, recorded, and what is stored is fit to be read."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from pgcron_py import JobContext, PgCron
from pgcron_py.domain.job import Job
from pgcron_py.domain.words import Reason, RunId, Status, WorkerId
from pgcron_workers.book import Book, KnownRun
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.frames import Decoder, encode
from pgcron_workers.executors.pools import Pools
from pgcron_workers.executors.runner import Runner
from pgcron_workers.executors.sanitise import keep_secret
from pgcron_workers.recorder import Recorder
from pgcron_workers.session import DatabaseWatch, Session
from support.operations import SILENT
from support.steps import Stage
from support.weird import SECRET, Weird

SEED = int(os.environ.get("PGCRON_SEED", "20260101"))
OUTCOMES = 100_000 if os.environ.get("PGCRON_PROOF") else 2_000
BATCH = 500
BEGIN = """
WITH job AS (UPDATE pgcron.cron_job SET run_seq = run_seq + %(n)s, running_count = running_count + %(n)s RETURNING id, run_seq - %(n)s AS before)
INSERT INTO pgcron.cron_log (job_id, seq, is_exclusive, cause, worker_id, handler, job_version, schedule)
SELECT job.id, job.before + n, false, 'manual', %(worker)s, 'weird', 1, 's' FROM job, generate_series(1, %(n)s) n RETURNING id"""

app = PgCron("weird", release="1.0")


def play(ctx: JobContext) -> Any:
    """As the seed in its arguments says."""
    weird = Weird(ctx.args["seed"])
    if weird.dice.random() < 0.3:
        ctx.metadata = weird.value()
    elif weird.dice.random() < 0.3:
        weird.hostile_keys(ctx.metadata)[weird.text()] = weird.value()
    if weird.dice.random() < 0.2:
        ctx.result(weird.value())
    if weird.dice.random() < 0.5:
        raise weird.error()
    return weird.value()


@app.handler("sync")
def sync_handler(ctx: JobContext) -> Any:
    return play(ctx)


@app.handler("async")
async def async_handler(ctx: JobContext) -> Any:
    return play(ctx)


class House:
    """A worker as far as ends of runs are concerned: runner, wire, book and recorder, on a real database."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.job_id = stage.job(
            is_exclusive=False, overlap_policy="allow_all", max_running=10_000, max_consecutive_failures=None
        )
        self.worker: WorkerId = stage.worker()
        actor = stage.actor()
        _, (self.job,) = actor.begin_claim(self.worker)
        actor.rollback()
        self.book = Book()
        self.runner = Runner(app, self.worker, Pools(stage.worker_url, 1))
        watch = DatabaseWatch(SILENT)
        self._session = Session(stage.worker_url, "recorder", watch)
        self.recorder = Recorder(self._session, self.book, SILENT, on_free=lambda: None, on_retry=lambda: None)
        self.recorder.worker_id = self.worker

    def begin(self, number: int) -> list[RunId]:
        cursor = self.stage.audience.execute(BEGIN, {"n": number, "worker": self.worker})
        runs = [RunId(row["id"]) for row in cursor.fetchall()]
        self.book.enter(_known(self.job, run) for run in runs)
        return runs

    async def perform(self, run: RunId, seed: int) -> RunEnd:
        """As an executor does it, to the other side of the wire."""
        handler = ("sync", "async")[seed % 2]
        order = Order(run, self.job_id, "job", handler, {"seed": seed}, 1, 1, "manual", None, None, None, uuid4())
        end = await self._end(order)
        assert end is not None, f"PGCRON_SEED={seed}: it escaped"
        (arrived,) = Decoder(RunEnd).feed(encode([end]))
        return arrived

    async def _end(self, order: Order) -> RunEnd | None:
        """None for an exception that escaped: it is not fit to be shown."""
        live = self.runner.prepare(order)
        try:
            return self.runner.perform_sync(live) if order.handler == "sync" else await self.runner.perform_async(live)
        except BaseException:
            return None

    async def record(self, ends: list[RunEnd]) -> None:
        for end in ends:
            self.recorder.ended(end)
        while self.recorder.waiting:
            await self.recorder.run_once()

    async def close(self) -> None:
        await self._session.close()


def _known(job: Job, run: RunId) -> KnownRun:
    return KnownRun(run, job, 1, uuid4())


@pytest.fixture
def house(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("WEIRD_TOKEN", SECRET)
    keep_secret()
    yield House(stage)
    monkeypatch.undo()
    keep_secret()


def stored(house: House) -> list[dict[str, Any]]:
    return house.stage.rows(
        "SELECT id, status, reason, error, stack_trace, metadata, result, to_jsonb(l)::text AS text FROM pgcron.cron_log l"
    )


def by_value(value: Any) -> Any:
    """jsonb keeps numbers exactly and gives 1e308 back as an integer."""
    return json.loads(json.dumps(value), parse_int=float)


def must_be_fit(row: dict[str, Any], end: RunEnd) -> None:
    assert (row["status"], row["reason"]) == (end.status, end.reason)
    assert (row["error"], row["stack_trace"]) == (end.error, end.stack_trace)
    assert by_value([row["metadata"], row["result"]]) == by_value([end.metadata or None, end.result])
    assert bool(row["error"]) is (end.status is Status.FAILED)
    assert SECRET not in row["text"]


@pytest.mark.timeout(0)
def test_no_outcome_of_a_handler_leaves_its_run_unrecorded(house: House) -> None:
    async def play_all() -> None:
        for first in range(SEED, SEED + OUTCOMES, BATCH):
            runs = house.begin(BATCH)
            ends = {run: await house.perform(run, first + index) for index, run in enumerate(runs)}
            await house.record(list(ends.values()))
            rows = {row["id"]: row for row in stored(house)}
            for index, (run, end) in enumerate(ends.items()):
                try:
                    must_be_fit(rows[run], end)
                except AssertionError as error:
                    raise AssertionError(f"PGCRON_SEED={first + index}: {error}") from error
            assert house.stage.broken_invariants() == []
            house.stage.do("DELETE FROM pgcron.cron_log")
        await house.close()

    asyncio.run(play_all())
    assert house.stage.row("SELECT success_count + failure_count AS n FROM pgcron.cron_job") == {"n": OUTCOMES}


UNFIT: dict[str, dict[str, Any]] = {
    "NUL in the error": {"error": "a\0b"},
    "a lone surrogate in the error": {"error": "\ud800"},
    "an error that is too long": {"error": "x" * 20_000},
    "NUL in the metadata": {"metadata": {"a": "\0"}},
    "NUL in the trace": {"stack_trace": "\0"},
}


def test_ends_that_no_database_takes_end_bare_and_harm_no_others(house: House) -> None:
    """They can't come out of an executor of ours; the recorder trusts none."""

    async def play_them() -> None:
        runs = house.begin(2 * len(UNFIT))
        bad = [RunEnd(run, Status.FAILED, Reason.ERROR, **{"error": "e", **unfit}) for run, unfit in zip(runs, UNFIT.values(), strict=False)]  # fmt: skip
        good = [RunEnd(run, Status.SUCCESS, result="fine") for run in runs[len(bad) :]]
        await house.record([end for pair in zip(bad, good, strict=True) for end in pair])
        await house.close()

    asyncio.run(play_them())
    failed = [row for row in stored(house) if row["status"] == "FAILED"]
    assert len(failed) == len(UNFIT)
    assert all("could not be stored" in row["error"] for row in failed)
    assert [row["result"] for row in stored(house) if row["status"] == "SUCCESS"] == ["fine"] * len(UNFIT)
    assert house.stage.broken_invariants() == []
