"""Faults, one at a time and together, on real workers: nothing is lost, nothing runs twice, and everybody recovers."""

from __future__ import annotations

import random
import signal
import socket
import statistics
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from support.bouncer import bouncer_for
from support.fleet import Fleet, wait_for
from support.proxy import Proxy, socket_of

pytestmark = pytest.mark.long

QUICK = {"PGCRON_LEASE_TTL": "4", "PGCRON_BEAT": "0.8"}

MANY_JOBS = """
for index in range(200):
    def make(index):
        async def handler(ctx: JobContext) -> None:
            await asyncio.sleep(0.05 * (index % 5))
            await ctx.connection.execute("INSERT INTO effect (what) VALUES (%s)", (str(ctx.run_id),))
        def quick() -> int:
            return index
        return (handler, True) if index % 4 == 0 else (quick, False)
    function, transactional = make(index)
    app.cron_job(f"job {index}", "* * * * * *" if index % 10 == 0 else "*/3 * * * * *", transactional=transactional,
                 handler=f"h{index % 4}-{index % 5}-{index}", max_consecutive_failures=None, idempotent=index % 3 == 0)(function)
"""  # fmt: skip


def everything_is_accounted_for(fleet: Fleet) -> None:
    """No invariant is broken, nothing runs on, nothing is overdue, and effects are those of successes."""
    wait_for(
        lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING' LIMIT 1"),
        "nothing is RUNNING",
        30,
    )
    assert fleet.broken_invariants() == []
    assert (
        fleet.rows(
            "SELECT e.what FROM effect e LEFT JOIN pgcron.cron_log l ON l.id::text = e.what AND l.status = 'SUCCESS' WHERE l.id IS NULL"
        )
        == []
    )
    assert fleet.rows("SELECT what FROM effect GROUP BY what HAVING count(*) > 1") == []
    successes = fleet.row(
        "SELECT count(*) AS n FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id "
        "WHERE l.status = 'SUCCESS' AND (substr(j.name, 5))::int % 4 = 0"
    )["n"]
    assert fleet.row("SELECT count(*) AS n FROM effect")["n"] == successes


def nothing_is_overdue(fleet: Fleet) -> bool:
    return not fleet.rows(
        "SELECT name FROM pgcron.cron_job WHERE is_enabled AND next_run_at < clock_timestamp() - interval '2 s' LIMIT 1"
    )


@pytest.mark.timeout(180)
def test_two_workers_with_200_jobs_survive_a_kill_a_stop_past_the_lease_and_a_restart_of_the_server(own_server) -> None:
    server, fleet = own_server
    fleet.app(MANY_JOBS)
    fleet.environment |= QUICK
    one, two = fleet.start(), fleet.start()
    wait_for(
        lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_log WHERE status = 'SUCCESS'")["n"] > 300,
        "the fleet is at work",
    )

    one.signal(signal.SIGKILL)
    wait_for(
        lambda: fleet.rows("SELECT 1 FROM pgcron.cron_worker WHERE state = 'DEAD'"), "the killed worker is reaped", 12
    )
    three = fleet.start()

    two.signal_tree(signal.SIGSTOP)
    wait_for(
        lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_worker WHERE state = 'DEAD'")["n"] == 2,
        "the stopped one is reaped",
        12,
    )
    two.signal_tree(signal.SIGCONT)
    two.says('"declared_dead"')
    wait_for(
        lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_worker WHERE state = 'LIVE'")["n"] == 2,
        "it is back under a new id",
    )

    server.restart("immediate")
    wait_for(lambda: nothing_is_overdue(fleet), "claims go on after the restart", 15)
    assert "database_away" in three.log
    assert three.log.count('"database_away"') <= 3  # a line for each change of state, not for each try

    for worker in (two, three):
        assert worker.stop() == 0
    everything_is_accounted_for(fleet)


def test_a_lost_run_of_a_handler_that_is_not_idempotent_is_not_repeated(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("once", "@yearly", max_attempts=5)
        async def once(ctx: JobContext) -> None:
            await asyncio.sleep(60)
    """)
    fleet.environment |= QUICK
    one, _ = fleet.start(), fleet.start()
    fleet.do("SELECT pgcron.run_now('once')")
    row = wait_for(
        lambda: fleet.rows(
            "SELECT w.pid FROM pgcron.cron_log l JOIN pgcron.cron_worker w ON w.id = l.worker_id WHERE l.status = 'RUNNING'"
        ),
        "it runs",
    )[0]
    next(worker for worker in fleet.workers if worker.pid == row["pid"]).signal(signal.SIGKILL)
    (run,) = fleet.ended("once", 1, seconds=12)
    assert (run["reason"], run["is_strike"]) == ("lost", True)
    assert fleet.rows("SELECT * FROM pgcron.cron_request WHERE state = 'PENDING'") == []
    assert fleet.broken_invariants() == []
    assert one


def test_the_backend_of_a_lost_transactional_run_is_ended_and_its_locks_with_it(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("holder", "@yearly", transactional=True)
        def holder(ctx: JobContext) -> None:
            ctx.connection.execute("INSERT INTO effect (what) VALUES ('held')")
            ctx.connection.execute("SELECT pg_sleep(120)")
    """)
    fleet.environment |= QUICK
    fleet.start()
    fleet.do("SELECT pgcron.run_now('holder')")
    (run,) = wait_for(
        lambda: fleet.rows(
            "SELECT backend_pid FROM pgcron.cron_log WHERE status = 'RUNNING' AND backend_pid IS NOT NULL"
        ),
        "it runs",
    )
    fleet.workers[0].signal_tree(signal.SIGSTOP)  # its backend goes on in the server
    fleet.start()
    (lost,) = fleet.ended("holder", 1, seconds=15)
    assert lost["reason"] == "lost"
    assert fleet.rows("SELECT 1 FROM pg_stat_activity WHERE pid = %s", run["backend_pid"]) == []
    assert fleet.rows("SELECT * FROM effect") == []


PLAIN = """
@app.cron_job("plain", "@yearly")
async def plain(ctx: JobContext) -> None:
    with open("ran", "a") as f: print(ctx.run_id, file=f)
@app.cron_job("effect", "@yearly", transactional=True)
async def effect(ctx: JobContext) -> None:
    await ctx.connection.execute("INSERT INTO effect (what) VALUES ('done')")
"""


LONG = """
@app.cron_job("long", "@yearly")
async def long(): await asyncio.sleep(600)
"""


SOON = "UPDATE pgcron.cron_job SET schedule = to_char(clock_timestamp() + interval '3 s', 'FMSS FMMI FMHH24 * * *') WHERE name = 'plain' RETURNING id"
BACKFILL = "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) SELECT id, 'backfill', '2026-01-01' FROM pgcron.cron_job WHERE name = 'plain'"


def lose_the_reply_to_a_claim(fleet: Fleet, through: Proxy, how: str) -> None:
    """Of each kind there is. Once it has happened."""
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan"), "planned")
    time.sleep(0.3)  # the planner's own COMMIT has its reply
    if how == "asked for by hand":  # one statement, with the job's id; no other has it before
        through.swallow_reply_to(fleet.row("SELECT id FROM pgcron.cron_job WHERE name = 'plain'")["id"].hex.encode())
        fleet.do("SELECT pgcron.run_now('plain')")
    elif how == "ahead of time":
        for _ in range(4):
            fleet.do(SOON)
            at = fleet.row("SELECT next_run_at AS at FROM pgcron.cron_job WHERE name = 'plain'")["at"]
            through.swallow_reply_to(f"claim_stands('{at:%Y-%m-%dT%H:%M:%S}".encode())
            if through.has_swallowed(6):
                return
            fleet.ended("plain")  # at its time: the worker had no processor in the few milliseconds before it
            fleet.do("DELETE FROM pgcron.cron_log")
            (fleet.folder / "ran").unlink()
    else:
        through.swallow_reply_to(b"COMMIT")
        fleet.do(BACKFILL)
    assert through.has_swallowed(10)


@pytest.mark.parametrize("how", ["asked for by hand", "ahead of time", "at its time"])
def test_a_claim_whose_commit_got_no_reply_is_found_and_its_occurrence_runs_once(fleet: Fleet, proxy, how: str) -> None:
    through, url = proxy
    fleet.app(PLAIN)
    fleet.environment |= QUICK
    fleet.start(url=url)
    lose_the_reply_to_a_claim(fleet, through, how)
    first, second = fleet.ended("plain", 2)
    assert (first["reason"], first["is_strike"], second["status"], second["attempt"]) == (
        "orphaned_claim",
        False,
        "SUCCESS",
        1,
    )
    assert (fleet.folder / "ran").read_text().split() == [str(second["id"])]
    assert fleet.broken_invariants() == []


def test_a_worker_that_leaves_right_after_such_a_claim_leaves_no_run_behind(fleet: Fleet, proxy) -> None:
    through, url = proxy
    fleet.app(PLAIN)
    worker = fleet.start(url=url)  # its next beat, which would find the run, is seconds away
    lose_the_reply_to_a_claim(fleet, through, "asked for by hand")
    assert worker.stop() == 0
    (run,) = fleet.ended("plain", 1)
    assert run["reason"] == "orphaned_claim"
    assert fleet.row("SELECT state FROM pgcron.cron_worker")["state"] == "GONE"
    assert fleet.broken_invariants() == []


def test_a_finish_whose_reply_was_lost_is_recorded_once(fleet: Fleet, proxy) -> None:
    through, url = proxy
    fleet.app(PLAIN)
    fleet.environment |= QUICK
    worker = fleet.start(url=url)
    through.swallow_reply_to(b'{"SUCCESS"}')  # not its name: that is sent once, before the first run ends
    fleet.do("SELECT pgcron.run_now('plain')")
    assert through.has_swallowed(10)
    (run,) = fleet.ended("plain", 1)
    assert run["status"] == "SUCCESS"
    worker.says('"database_back"')  # who asks again is told that it is recorded already
    assert worker.stop() == 0
    assert fleet.row("SELECT success_count, failure_count FROM pgcron.cron_job WHERE name = 'plain'") == {
        "success_count": 1,
        "failure_count": 0,
    }
    assert fleet.broken_invariants() == []


def test_a_transactional_run_cut_off_before_its_commit_leaves_no_effect_and_is_db_error(fleet: Fleet, proxy) -> None:
    through, url = proxy
    fleet.app(PLAIN)
    fleet.environment |= QUICK
    worker = fleet.start(url=url)
    through.swallow_reply_to(b"finish_run(")  # the statement before COMMIT: the transaction rolls back
    fleet.do("SELECT pgcron.run_now('effect')")
    assert through.has_swallowed(10)
    (run,) = fleet.ended("effect", 1)
    assert run["reason"] == "db_error"
    assert fleet.rows("SELECT * FROM effect") == []
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


def test_a_transactional_commit_whose_reply_was_lost_is_a_success(fleet: Fleet, proxy) -> None:
    through, url = proxy
    fleet.app("""
        @app.cron_job("effect", "@yearly", transactional=True)
        async def effect(ctx: JobContext) -> None:
            await ctx.connection.execute("INSERT INTO effect (what) VALUES ('done')")
            await asyncio.sleep(1.5)
    """)
    fleet.environment |= QUICK
    worker = fleet.start(url=url)
    fleet.do("SELECT pgcron.run_now('effect')")
    wait_for(
        lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE backend_pid IS NOT NULL"), "its handler is at work"
    )
    through.swallow_reply_to(b"COMMIT")  # the claim's is over: the next one is the handler's
    assert through.has_swallowed(10)
    (run,) = fleet.ended("effect", 1)
    assert run["status"] == "SUCCESS"
    assert fleet.rows("SELECT what FROM effect") == [{"what": "done"}]
    assert worker.stop() == 0
    assert fleet.row("SELECT success_count, failure_count FROM pgcron.cron_job") == {
        "success_count": 1,
        "failure_count": 0,
    }
    assert fleet.broken_invariants() == []


def test_an_outage_longer_than_the_lease_allows_ends_running_handlers_as_db_error(fleet: Fleet, proxy) -> None:
    through, url = proxy
    fleet.app("""
        @app.cron_job("long", "@yearly")
        async def long(ctx: JobContext) -> None:
            await asyncio.sleep(60)
    """)
    fleet.environment |= QUICK
    fleet.start(url=url)
    fleet.do("SELECT pgcron.run_now('long')")
    wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING'"), "it runs")
    through.fall_silent()
    time.sleep(3.5)  # past 80 % of the lease, before its end
    through.cut_all()
    through.fall_silent(False)
    (run,) = fleet.ended("long", 1)
    assert (run["reason"], run["is_strike"]) == ("db_error", False)
    assert fleet.broken_invariants() == []


def test_killed_backends_are_replaced_and_nothing_is_lost(fleet: Fleet) -> None:
    fleet.app(MANY_JOBS)
    fleet.environment |= QUICK
    worker = fleet.start()
    dice = random.Random(7)
    for _ in range(12):
        time.sleep(0.2)
        pids = [
            row["pid"]
            for row in fleet.rows(
                "SELECT pid FROM pg_stat_activity WHERE usename = 't_worker' AND datname = current_database()"
            )
        ]
        if pids:
            fleet.do("SELECT pg_terminate_backend(%s)", dice.choice(pids))
    count = fleet.row("SELECT count(*) AS n FROM pgcron.cron_log")["n"]
    wait_for(lambda: fleet.row("SELECT count(*) AS n FROM pgcron.cron_log")["n"] > count + 50, "it works on")
    assert worker.stop() == 0
    everything_is_accounted_for(fleet)


def test_a_worker_waits_for_a_database_that_is_not_there_yet(fleet: Fleet) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    parts = urlsplit(fleet.worker_url)
    fleet.app(PLAIN)
    worker = fleet.start(
        ready=False, url=f"postgresql://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}{parts.path}"
    )
    worker.says('"database_away"')
    time.sleep(1)
    assert worker.log.count('"database_away"') == 1
    proxy = Proxy(socket_of(fleet.worker_url), port)
    try:
        worker.says('"worker_ready"')
        assert '"database_back"' in worker.log
        assert worker.stop() == 0
    finally:
        proxy.close()


def latencies(fleet: Fleet, change: str, seen: str, count: int) -> list[float]:
    """Seconds from the COMMIT of `change` (with %s = job name) to the row that `seen` finds."""
    found = []
    with psycopg.connect(fleet.url, autocommit=True) as connection:
        for index in range(count):
            connection.execute(change, (f"job {index}",))
            started = time.monotonic()
            while not connection.execute(seen, (f"job {index}",)).fetchone():
                assert time.monotonic() - started < 10
            found.append(time.monotonic() - started)
    return found


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (
            "UPDATE pgcron.cron_job SET schedule = '0 0 1 1 *' WHERE name = %s",
            "SELECT 1 FROM pgcron.cron_job WHERE name = %s AND NOT needs_plan",
        ),
        (
            "SELECT pgcron.run_now(%s)",
            "SELECT 1 FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = %s",
        ),
    ],
)
def test_a_change_in_psql_takes_effect_within_200_ms(fleet: Fleet, change: str, seen: str) -> None:
    fleet.app("@app.handler('h')\nasync def h(): ...\n")
    fleet.start()
    fleet.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || n, '0 0 2 1 *', 'h' FROM generate_series(0, 39) n"
    )
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan LIMIT 1"), "planned")
    assert statistics.quantiles(latencies(fleet, change, seen, 40), n=20)[-1] < 0.2


def test_disabling_in_psql_stops_a_per_second_job_at_once(fleet: Fleet) -> None:
    fleet.app("@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n")
    fleet.start()
    fleet.ended("tick", 2)
    fleet.do("UPDATE pgcron.cron_job SET is_enabled = false")
    count = fleet.row("SELECT run_seq AS n FROM pgcron.cron_job")["n"]
    time.sleep(2.2)
    assert fleet.row("SELECT run_seq AS n FROM pgcron.cron_job")["n"] == count
    assert fleet.broken_invariants() == []


def test_behind_a_transaction_pooler_workers_poll_and_say_so(fleet: Fleet) -> None:
    with bouncer_for(fleet.worker_url, pool_size=4) as bouncer:
        fleet.app("@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n" + PLAIN + LONG)
        worker = fleet.start(url=bouncer.url(fleet.worker_url))
        worker.says('"behind_a_pooler"')
        fleet.ended("tick", 3)
        fleet.do("SELECT pgcron.run_now('effect')")
        assert fleet.ended("effect", 1)[0]["status"] == "SUCCESS"
        fleet.do("SELECT pgcron.run_now('long')")
        run = wait_for(
            lambda: fleet.rows("SELECT id FROM pgcron.cron_log WHERE status = 'RUNNING' AND cause = 'manual'"),
            "it runs",
        )
        started = time.monotonic()
        fleet.do("SELECT pgcron.cancel_run(%s)", run[0]["id"])
        assert fleet.ended("long", 1)[0]["reason"] == "cancelled"
        assert time.monotonic() - started < 2  # the beat that tells it comes each 0.8 s
        assert worker.stop() == 0
        assert fleet.broken_invariants() == []


@pytest.mark.parametrize("table", ["cron_reaper", "cron_lease"])
def test_a_worker_that_starts_while_a_table_is_locked_waits_for_it(fleet: Fleet, table: str) -> None:
    fleet.app(PLAIN)
    with psycopg.connect(fleet.url) as somebody:
        somebody.execute(f"LOCK TABLE pgcron.{table} IN ACCESS EXCLUSIVE MODE")
        worker = fleet.start(ready=False)
        waiting = "SELECT 1 FROM pg_stat_activity WHERE usename = 't_worker' AND wait_event_type = 'Lock'"
        wait_for(lambda: fleet.rows(waiting), "it waits for the lock")
        wait_for(lambda: not fleet.rows(waiting), "its own limit ends that")
        assert worker.process.poll() is None
    worker.says('"worker_ready"')
    assert worker.stop() == 0
