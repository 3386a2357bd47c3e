"""A job run inline behaves like one in a worker, as far as its handler can tell."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from pgcron_py import InvalidDeclaration, JobContext, PgCron, PgCronError
from pgcron_py.errors import InvalidArguments, JobNotFound
from pgcron_py.testing import arun_job, run_job

app = PgCron("inline", factory=lambda cls: cls("made"))
AT = datetime(2026, 5, 1, tzinfo=UTC)


@app.cron_job("typed", "@daily", args={"day": "2026-05-01"})
def typed(ctx: JobContext, day: date) -> tuple[Any, ...]:
    ctx.metadata["day"] = str(day)
    return day, ctx.job_name, ctx.scheduled_for, ctx.attempt, ctx.cause, ctx.args


@app.cron_job("async", "@daily")
async def async_(ctx: JobContext) -> str:
    await asyncio.sleep(0)
    return ctx.cause


@app.cron_job("fails", "@daily")
async def fails(ctx: JobContext) -> None:
    ctx.metadata["got"] = "far"
    raise LookupError("nothing there")


@app.cron_job("exits", "@daily")
def exits() -> None:
    raise SystemExit(3)


@app.cron_job("writes", "@daily", transactional=True)
def writes(ctx: JobContext, fail: bool = False) -> None:
    ctx.connection.execute("INSERT INTO it VALUES (1)")
    if fail:
        raise LookupError


@app.cron_job("commits", "@daily", transactional=True)
def commits(ctx: JobContext) -> None:
    ctx.connection.commit()


@app.cron_job("awrites", "@daily", transactional=True)
async def awrites(ctx: JobContext) -> None:
    await ctx.connection.execute("INSERT INTO it VALUES (2)")


class Service:
    def __init__(self, how: str) -> None:
        self.how = how

    @app.cron_job("method", "@daily")
    def tidy(self) -> str:
        return self.how


@app.handler("bare")
def bare(n: int = 1) -> int:
    return n


def test_a_handler_gets_typed_arguments_and_a_context() -> None:
    run = run_job(app, "typed", scheduled_for=AT, attempt=2)
    assert run.result == (date(2026, 5, 1), "typed", AT, 2, "manual", {"day": "2026-05-01"})
    assert run.metadata == {"day": "2026-05-01"}
    assert (run.status, run.error) == ("SUCCESS", None)


def test_arguments_can_be_given_and_must_fit() -> None:
    assert run_job(app, "typed", args={"day": "2027-01-01"}).result[0] == date(2027, 1, 1)
    assert run_job(app, "bare", args={"n": 5}).result == 5
    with pytest.raises(InvalidDeclaration, match="'day' is 'never'"):
        run_job(app, "typed", args={"day": "never"})


def test_coroutines_and_methods_run() -> None:
    assert run_job(app, "async").result == "manual"
    assert run_job(app, "method").result == "made"


def test_in_a_running_loop_the_other_function_is_asked_for() -> None:
    async def test() -> None:
        with pytest.raises(InvalidArguments) as refusal:
            run_job(app, "async")
        assert "arun_job" in (refusal.value.hint or "")
        assert (await arun_job(app, "async")).result == "manual"
        assert (await arun_job(app, "bare")).result == 1

    asyncio.run(test())


def test_errors_go_through_or_into_the_result() -> None:
    with pytest.raises(LookupError, match="nothing there"):
        run_job(app, "fails")
    run = run_job(app, "fails", catch=True)
    assert (run.status, repr(run.error), run.metadata) == ("FAILED", "LookupError('nothing there')", {"got": "far"})
    assert isinstance(run_job(app, "exits", catch=True).error, SystemExit)


def test_an_unknown_job_is_told_with_those_that_are_known() -> None:
    with pytest.raises(JobNotFound) as refusal:
        run_job(app, "nope")
    assert "typed" in (refusal.value.hint or "")


def test_transactional_effects_are_kept_undone_and_never_committed_by_the_handler(pgcron_database: str) -> None:
    with pytest.raises(InvalidArguments, match="transactional"):
        run_job(app, "writes")
    with psycopg.connect(pgcron_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE it (n int)")
        run_job(app, "writes", connection=connection)
        run_job(app, "writes", args={"fail": True}, connection=connection, catch=True)
        with pytest.raises(psycopg.ProgrammingError, match="commit"):
            run_job(app, "commits", connection=connection)
        asyncio.run(_awrites(pgcron_database))
        assert connection.execute("SELECT n FROM it ORDER BY n").fetchall() == [(1,), (2,)]


async def _awrites(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await arun_job(app, "awrites", connection=connection)


def test_others_have_no_connection() -> None:
    other = PgCron("other")

    @other.cron_job("nosy", "@daily")
    def nosy(ctx: JobContext) -> None:
        _ = ctx.connection

    with pytest.raises(PgCronError, match="no connection"):
        run_job(other, "nosy", connection=object())
