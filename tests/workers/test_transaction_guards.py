"""The two marks by which a transactional run knows that its transaction is still the one it began: each suffices alone."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from pgcron_py import JobContext, PgCron
from pgcron_py.domain.words import Reason, Status
from pgcron_workers.executors import runner, transactions
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.pools import Pools
from pgcron_workers.executors.runner import Runner
from support.steps import HANDLER, Stage

EFFECT = "INSERT INTO effect VALUES (1)"


def performed(stage: Stage, *statements: str, is_async: bool) -> RunEnd:
    """The end of a claimed run whose handler says `statements`."""
    app = PgCron("test", release="1.0")

    @app.handler("sync", transactional=True)
    def handler(ctx: JobContext) -> None:
        for statement in statements:
            ctx.connection.execute(statement)

    @app.handler("async", transactional=True)
    async def async_handler(ctx: JobContext) -> None:
        for statement in statements:
            await ctx.connection.execute(statement)

    stage.do("CREATE TABLE effect (x int); GRANT ALL ON effect TO PUBLIC")
    job, worker = stage.job(handler=HANDLER), stage.worker()
    (run,) = stage.actor().claim(worker)
    order = Order(run, job, "job", "async" if is_async else "sync", {}, 1, 1, "schedule", None, None, None, uuid4())
    pools = Pools(stage.worker_url, 1)
    performer = Runner(app, worker, pools)
    return asyncio.run(_async_end(performer, pools, order)) if is_async else _sync_end(performer, pools, order)


async def _async_end(performer: Runner, pools: Pools, order: Order) -> RunEnd:
    try:
        return await performer.perform_async(performer.prepare(order))
    finally:
        await pools.close_async()


def _sync_end(performer: Runner, pools: Pools, order: Order) -> RunEnd:
    try:
        return performer.perform_sync(performer.prepare(order))
    finally:
        pools.close()


@pytest.fixture(params=[False, True], ids=["def", "async def"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_effects_and_record_are_one_commit(stage: Stage, is_async: bool) -> None:
    end = performed(stage, EFFECT, is_async=is_async)
    assert (end.status, end.is_recorded) == (Status.SUCCESS, True)
    assert stage.row("SELECT status FROM pgcron.cron_log") == {"status": "SUCCESS"}
    assert len(stage.rows("SELECT * FROM effect")) == 1


def test_a_commit_that_ends_the_transaction_is_seen_by_the_connections_state(stage: Stage, is_async: bool) -> None:
    assert performed(stage, EFFECT, "COMMIT", is_async=is_async).reason is Reason.TX_BROKEN


def test_the_savepoint_alone_shows_that_another_transaction_was_begun(
    stage: Stage, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_same_transaction", lambda before, after: None)
    assert performed(stage, EFFECT, "COMMIT; BEGIN", is_async=is_async).reason is Reason.TX_BROKEN


def test_the_transactions_id_alone_shows_it_to_a_handler_that_guessed_the_savepoint(
    stage: Stage, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions.secrets, "token_hex", lambda size: "guessed")
    end = performed(stage, EFFECT, "COMMIT; BEGIN; SAVEPOINT pgcron_guessed", is_async=is_async)
    assert end.reason is Reason.TX_BROKEN
