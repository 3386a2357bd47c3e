"""Workers behind pgbouncer in transaction mode, where all connections take turns on few backends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from support.bouncer import Bouncer, Neighbour, bouncer_for
from support.fleet import Fleet, Worker

UNTIDY = """
LEAVE = (
    "SET search_path = pg_catalog", "SET lock_timeout = '7min'", "SET pgcron.actor = 'mallory'", "CREATE TEMP TABLE mine (a int)",
    "LISTEN nobody", "SELECT pg_advisory_lock(77)", "SET ROLE pgcron_worker", "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
)

@app.handler("untidy-async", transactional=True)
async def untidy_async(ctx: JobContext, fails: bool = False) -> None:
    await ctx.connection.execute("INSERT INTO public.effect (what) VALUES ('async')")
    for statement in LEAVE:
        await ctx.connection.execute(statement)
    if fails:
        raise ValueError("after all that")

@app.handler("untidy-sync", transactional=True)
def untidy_sync(ctx: JobContext, fails: bool = False) -> None:
    ctx.connection.execute("INSERT INTO public.effect (what) VALUES ('sync')")
    for statement in LEAVE:
        ctx.connection.execute(statement)
    if fails:
        raise ValueError("after all that")

@app.handler("look", transactional=True)
async def look(ctx: JobContext) -> dict:
    row = await (await ctx.connection.execute(
        "SELECT backend_pid, backend_start FROM pgcron.cron_log WHERE id = %s", (ctx.run_id,))).fetchone()
    return {"marked": row[0], "began": str(row[1])}

@app.handler("endless", transactional=True)
def endless(ctx: JobContext) -> None:
    ctx.connection.execute("INSERT INTO effect (what) VALUES ('endless')")
    while True:
        time.sleep(0.1)
"""
JOB = "INSERT INTO pgcron.cron_job (name, schedule, handler, args, timeout_ms) VALUES (%s, '@yearly', %s, %s, %s)"


@pytest.fixture
def bouncer(fleet: Fleet) -> Iterator[Bouncer]:
    with bouncer_for(fleet.worker_url) as started:
        yield started


@pytest.fixture
def pooled(fleet: Fleet, bouncer: Bouncer) -> Worker:
    """All its connections share one backend."""
    url = bouncer.url(fleet.worker_url)
    fleet.app(UNTIDY)
    return fleet.start(url=url, PGCRON_SQL_CONNECTIONS=url)


def ran(fleet: Fleet, handler: str, timeout_ms: int | None = None, **args: object) -> dict[str, object]:
    """The ended run of a job of its own."""
    name = f"{handler} {json.dumps(args)}"
    fleet.do(JOB, name, handler, json.dumps(args), timeout_ms)
    fleet.do("SELECT pgcron.run_now(%s)", name)
    (run,) = fleet.ended(name)
    return run


def test_what_handlers_leave_in_their_session_is_not_seen_by_the_next_client(
    fleet: Fleet, bouncer: Bouncer, pooled: Worker
) -> None:
    neighbour = Neighbour(bouncer, fleet.worker_url)
    before = neighbour.sees()
    for handler in ("untidy-async", "untidy-sync"):
        assert ran(fleet, handler)["status"] == "SUCCESS"
        assert neighbour.finds_changed(before) == {}
        assert ran(fleet, handler, fails=True)["error"] == "ValueError: after all that"
        assert neighbour.finds_changed(before) == {}
    assert [row["what"] for row in fleet.rows("SELECT what FROM effect ORDER BY at")] == ["async", "sync"]
    assert ran(fleet, "pgcron.sql", 5000, command="SELECT 1")["status"] == "SUCCESS"
    assert ran(fleet, "pgcron.sql", 5000, command="VACUUM pg_catalog.pg_class")["status"] == "SUCCESS"
    assert neighbour.finds_changed(before) == {}
    neighbour.close()
    assert pooled.stop() == 0
    assert fleet.broken_invariants() == []


def test_the_backend_of_a_run_is_not_recorded_for_it_may_serve_a_stranger_when_it_is_ended(
    fleet: Fleet, bouncer: Bouncer, pooled: Worker
) -> None:
    neighbour = Neighbour(bouncer, fleet.worker_url)
    assert ran(fleet, "look")["result"] == {"marked": None, "began": "None"}
    assert "backend_pid" not in (ran(fleet, "pgcron.sql", command="SELECT 1")["metadata"] or {})
    timed_out = ran(fleet, "endless", 300)
    assert (timed_out["status"], timed_out["reason"]) == ("FAILED", "timeout")
    assert fleet.rows("SELECT * FROM effect") == []
    neighbour.close()


def test_a_direct_connection_records_the_backend_of_a_run(fleet: Fleet) -> None:
    fleet.app(UNTIDY)
    fleet.start()
    marked = ran(fleet, "look")["result"]
    assert isinstance(marked, dict)
    assert (marked["marked"] > 0, marked["began"] != "None") == (True, True)
