"""What handlers say of their own end, and which exceptions are tried again: through real executors."""

from __future__ import annotations

from support.fleet import Fleet

OUTCOMES = """
from pgcron_py import Fail, Retry, Skip

@app.cron_job("skips", "@yearly", transactional=True)
async def skips(ctx: JobContext) -> None:
    await ctx.connection.execute("INSERT INTO effect (what) VALUES ('undone')")
    ctx.metadata["looked"] = True
    ctx.progress(0.5, "half")
    raise Skip("nothing new since yesterday")

@app.cron_job("skips-sync", "@yearly", transactional=True)
def skips_sync(ctx: JobContext) -> None:
    ctx.connection.execute("INSERT INTO effect (what) VALUES ('undone')")
    try:
        ctx.connection.execute("SELECT 1/0")
    except Exception:
        raise Skip("it can't be done today")

@app.cron_job("skips-plain", "@yearly")
def skips_plain() -> None:
    raise Skip

@app.cron_job("fails", "@yearly", max_attempts=5, backoff=0)
async def fails() -> None:
    raise Fail("the account is closed")

@app.cron_job("again", "@yearly", backoff=0)
def again(ctx: JobContext) -> int:
    if ctx.attempt < 3:
        raise Retry("not ready", after=0.05)
    return ctx.attempt

@app.cron_job("picky", "@yearly", max_attempts=5, backoff=0, retry_on=[ConnectionError], no_retry_on=["BrokenPipeError"])
async def picky(ctx: JobContext) -> None:
    raise (ConnectionResetError if ctx.attempt < 3 else BrokenPipeError)("gone")
"""


def run_all(fleet: Fleet, *names: str) -> None:
    fleet.planned()
    for name in names:
        fleet.do("SELECT pgcron.run_now(%s)", name)


def test_a_handler_says_how_its_run_ends(fleet: Fleet) -> None:
    fleet.app(OUTCOMES)
    worker = fleet.start()
    run_all(fleet, "skips", "skips-sync", "skips-plain", "fails", "again", "picky")
    (skip,) = fleet.ended("skips")
    assert (skip["status"], skip["skip_reason"], skip["metadata"]) == (
        "SUCCESS",
        "nothing new since yesterday",
        {"looked": True},
    )
    assert (skip["progress"]["fraction"], skip["progress"]["text"]) == (0.5, "half")
    assert fleet.ended("skips-sync")[0]["skip_reason"] == "it can't be done today"
    assert fleet.ended("skips-plain")[0]["skip_reason"] == "nothing to do"
    assert fleet.rows("SELECT * FROM effect") == []
    (failed,) = fleet.ended("fails")
    assert (failed["reason"], failed["error"], failed["stack_trace"], failed["is_strike"]) == (
        "error", "the account is closed", None, True,
    )  # fmt: skip
    again = fleet.ended("again", 3)
    assert [run["error"] for run in again] == ["not ready", "not ready", None]
    picky = fleet.ended("picky", 3)
    assert [run["is_strike"] for run in picky] == [False, False, True]
    assert worker.stop() == 0
    assert fleet.rows("SELECT 1 FROM pgcron.cron_request WHERE state = 'PENDING'") == []
    assert fleet.broken_invariants() == []


def test_a_memory_limit_ends_only_the_run_that_takes_more(fleet: Fleet) -> None:
    fleet.app("""
        def greedy(ctx: JobContext) -> int:
            held = [b"x" * 10_000_000 for _ in range(40)]
            return len(held)
        async def greedy_async(ctx: JobContext) -> int:
            await asyncio.sleep(0)
            return greedy(ctx)
        app.cron_job("greedy", "@yearly", memory_limit=100)(greedy)
        app.cron_job("greedy-async", "@yearly", memory_limit=100)(greedy_async)
        app.cron_job("large", "@yearly", memory_limit=800, handler="large")(lambda ctx: greedy(ctx))
        @app.cron_job("writes", "@yearly", transactional=True, memory_limit=200)
        async def writes(ctx: JobContext) -> None:
            await ctx.connection.execute("INSERT INTO effect (what) VALUES ('done')")
        @app.cron_job("fine", "@yearly")
        async def fine() -> None: ...
    """)
    worker = fleet.start()
    before = worker.async_executor()
    run_all(fleet, "greedy", "greedy-async", "large", "writes", "fine")
    for name in ("greedy", "greedy-async"):
        (run,) = fleet.ended(name)
        assert (run["status"], run["reason"], run["is_strike"]) == ("FAILED", "crashed", True)
        assert run["error"].startswith("more than its memory limit of 100 MiB")
    assert fleet.ended("large")[0]["result"] == 40
    assert fleet.ended("writes")[0]["status"] == fleet.ended("fine")[0]["status"] == "SUCCESS"
    fleet.do("SELECT pgcron.run_now('writes')")  # the next loop in the same process
    assert fleet.ended("writes", 2)[1]["status"] == "SUCCESS"
    assert worker.async_executor() == before
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []
