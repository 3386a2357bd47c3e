"""What handlers of every kind do, and what the rows say: real workers, real processes."""

from __future__ import annotations

import signal

import psycopg
import pytest

from pgcron_py.cli.failures import UNAVAILABLE
from support.fleet import Fleet, is_alive, wait_for

ALL_KINDS = """
@app.cron_job("async", "* * * * * *", args={"n": 2})
async def async_(ctx: JobContext, n: int) -> dict[str, int]:
    ctx.metadata["seq"] = ctx.seq
    await asyncio.sleep(0)
    return {"double": 2 * n}

@app.cron_job("sync", "* * * * * *")
def sync() -> str:
    return "done"

class Service:
    made = 0
    def __init__(self):
        Service.made += 1
    @app.cron_job("method", "* * * * * *")
    async def tidy(self, ctx: JobContext) -> int:
        return Service.made

@app.cron_job("transactional", "* * * * * *", transactional=True)
async def transactional(ctx: JobContext) -> None:
    await ctx.connection.execute("INSERT INTO effect (what) VALUES ('async')")

@app.cron_job("transactional-sync", "* * * * * *", transactional=True)
def transactional_sync(ctx: JobContext) -> None:
    ctx.connection.execute("INSERT INTO effect (what) VALUES ('sync')")
"""


def test_handlers_of_every_kind_run_and_are_recorded(fleet: Fleet) -> None:
    fleet.app(ALL_KINDS)
    worker = fleet.start()
    runs = {
        name: fleet.ended(name, 2)[-1] for name in ("async", "sync", "method", "transactional", "transactional-sync")
    }
    assert worker.stop() == 0
    assert {name: run["status"] for name, run in runs.items()} == dict.fromkeys(runs, "SUCCESS")
    assert runs["async"]["result"] == {"double": 4}
    assert runs["async"]["metadata"] == {"seq": 2}
    assert runs["sync"]["result"] == "done"
    assert runs["method"]["result"] == 1  # one instance per executor
    for kind, job in (("async", "transactional"), ("sync", "transactional-sync")):
        effects = fleet.row("SELECT count(*) AS n FROM effect WHERE what = %s", kind)["n"]
        assert fleet.row("SELECT success_count AS n FROM pgcron.cron_job WHERE name = %s", job)["n"] == effects
    assert fleet.broken_invariants() == []
    assert fleet.row("SELECT state FROM pgcron.cron_worker") == {"state": "GONE"}


POISON = """
class Unprintable(Exception):
    def __str__(self): raise RuntimeError("no")

def failing(name, error):
    @app.handler(name)
    async def raises_async(): raise error
    @app.handler(name + "-sync")
    def raises_sync(): raise error

failing("plain", ValueError("bad value"))
failing("nul", ValueError("a\\0b"))
failing("surrogate", ValueError("\\udcff"))
failing("exit", SystemExit(3))
failing("interrupt", KeyboardInterrupt())
failing("generator", GeneratorExit())
failing("base", type("Odd", (BaseException,), {})("odd"))
failing("cancelled", asyncio.CancelledError())
failing("unprintable", Unprintable())
failing("long", ValueError("x" * 1_000_000))
failing("timeout", TimeoutError())

@app.handler("nan")
async def nan(): return float("nan")
@app.handler("object")
async def object_(): return {"a": object(), 1: {2, 3}}
@app.handler("nul-result")
async def nul_result(ctx): ctx.metadata["k\\0"] = "\\udc00"; return "a\\0b"
@app.handler("huge")
async def huge(): return "x" * 2_000_000
@app.handler("deep")
async def deep():
    value = []
    for _ in range(100_000): value = [value]
    return value
@app.handler("wants-args")
async def wants(ctx, needed: int): ...
"""  # fmt: skip


def test_whatever_a_handler_raises_or_returns_its_run_ends_and_the_executor_lives(fleet: Fleet) -> None:
    fleet.app(POISON)
    names = [
        "plain",
        "nul",
        "surrogate",
        "exit",
        "interrupt",
        "generator",
        "base",
        "cancelled",
        "unprintable",
        "long",
        "timeout",
    ]
    fails = [*names, *(f"{name}-sync" for name in names), "wants-args", "unknown-handler"]
    returns = ["nan", "object", "nul-result", "huge", "deep"]
    for name in [*fails[:-1], *returns]:
        fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '@yearly', %s)", name, name)
    worker = fleet.start()
    executor = worker.async_executor()
    for name in [*fails[:-1], *returns]:
        wait_for(
            lambda n=name: not fleet.row("SELECT needs_plan FROM pgcron.cron_job WHERE name = %s", n)["needs_plan"],
            "planned",
        )
        fleet.do("SELECT pgcron.run_now(%s)", name)
    for name in fails[:-1]:
        (run,) = fleet.ended(name)
        assert (run["status"], run["reason"]) == ("FAILED", "error"), name
        assert run["error"]
    assert "bad value" in fleet.ended("plain")[0]["error"]
    assert "raises_async" in fleet.ended("plain")[0]["stack_trace"]
    assert "needed" in fleet.ended("wants-args")[0]["error"]
    for name in returns:
        assert fleet.ended(name)[0]["status"] == "SUCCESS", name
    assert worker.async_executor() == executor
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


BROKEN_TRANSACTIONS = """
from pgcron_py import Skip
@app.handler("commit", transactional=True)
async def commit(ctx): await ctx.connection.execute("INSERT INTO effect (what) VALUES ('x')"); await ctx.connection.commit()
@app.handler("raw-commit", transactional=True)
async def raw(ctx): await ctx.connection.execute("COMMIT; BEGIN; SAVEPOINT x")
@app.handler("skip-commit", transactional=True)
async def skip_commit(ctx):
    await ctx.connection.execute("COMMIT")
    raise Skip("too late to say so")
@app.handler("rollback", transactional=True)
def rollback(ctx): ctx.connection.rollback()
@app.handler("chain", transactional=True)
async def chain(ctx): await ctx.connection.execute("ROLLBACK AND CHAIN")
@app.handler("swallowed", transactional=True)
def swallowed(ctx):
    try: ctx.connection.execute("SELECT 1/0")
    except Exception: pass
@app.handler("raises", transactional=True)
async def raises(ctx):
    await ctx.connection.execute("INSERT INTO effect (what) VALUES ('raises')")
    raise ValueError("no")
@app.handler("deferred", transactional=True)
async def deferred(ctx):
    await ctx.connection.execute("CREATE TEMP TABLE t (x int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    await ctx.connection.execute("INSERT INTO t VALUES (1), (1)")
@app.handler("fine", transactional=True)
async def fine(ctx):
    async with ctx.connection.transaction():
        await ctx.connection.execute("INSERT INTO effect (what) VALUES ('fine')")
    await ctx.connection.execute("SET search_path = nowhere")
@app.handler("killed", transactional=True)
async def killed(ctx): await ctx.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
"""  # fmt: skip


def test_a_transactional_handler_can_not_split_its_effects_from_its_record(fleet: Fleet) -> None:
    fleet.app(BROKEN_TRANSACTIONS)
    expected = {
        "commit": "tx_broken", "raw-commit": "tx_broken", "skip-commit": "tx_broken", "rollback": "tx_broken", "chain": "tx_broken", "swallowed": "tx_broken",
        "raises": "error", "deferred": "error", "fine": None, "killed": "db_error",
    }  # fmt: skip
    for name in expected:
        fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '@yearly', %s)", name, name)
    worker = fleet.start()
    for name in expected:
        wait_for(
            lambda n=name: not fleet.row("SELECT needs_plan FROM pgcron.cron_job WHERE name = %s", n)["needs_plan"],
            "planned",
        )
        fleet.do("SELECT pgcron.run_now(%s)", name)
    assert {name: fleet.ended(name)[0]["reason"] for name in expected} == expected
    fleet.do("SELECT pgcron.run_now('fine')")  # on the same connection, clean again
    assert fleet.ended("fine", 2)[1]["status"] == "SUCCESS"
    assert fleet.row("SELECT count(*) AS n FROM effect WHERE what = 'fine'") == {"n": 2}
    assert fleet.rows("SELECT * FROM effect WHERE what = 'raises'") == []
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


def test_a_timeout_ends_an_async_run_and_says_so(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("slow", "* * * * * *", timeout=0.2, max_consecutive_failures=None)
        async def slow() -> None:
            await asyncio.sleep(60)
    """)
    fleet.start()
    run = fleet.ended("slow")[0]
    assert (run["reason"], run["error"]) == ("timeout", "timed out after 200 ms")
    assert 190 <= run["duration"] < 2000


def test_a_failed_run_is_tried_again_as_often_as_its_author_allows(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("flaky", "@yearly", max_attempts=3, backoff=0.05)
        async def flaky(ctx: JobContext) -> int:
            if ctx.attempt < 3:
                raise ValueError(f"attempt {ctx.attempt}")
            return ctx.attempt
    """)
    fleet.start()
    fleet.do("SELECT pgcron.run_now('flaky')")
    runs = fleet.ended("flaky", 3)
    assert [(run["attempt"], run["cause"], run["status"], run["is_strike"]) for run in runs] == [
        (1, "manual", "FAILED", False), (2, "retry", "FAILED", False), (3, "retry", "SUCCESS", False),
    ]  # fmt: skip
    assert fleet.broken_invariants() == []


def test_a_worker_drains_on_sigterm_and_ends_its_runs_first(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("slow", "* * * * * *")
        async def slow() -> None:
            await asyncio.sleep(1.5)
    """)
    worker = fleet.start()
    wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING'"), "a run goes on")
    assert worker.stop() == 0
    assert {row["status"] for row in fleet.rows("SELECT status FROM pgcron.cron_log")} == {"SUCCESS"}
    assert fleet.broken_invariants() == []


def test_a_second_signal_hurries_and_the_run_is_recorded_as_shutdown(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("slow", "* * * * * *")
        async def slow() -> None:
            await asyncio.sleep(60)
    """)
    worker = fleet.start()
    wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING'"), "a run goes on")
    worker.signal(signal.SIGTERM)
    worker.says('"draining"')
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(10) == 0
    assert fleet.row("SELECT status, reason, is_strike FROM pgcron.cron_log") == {
        "status": "FAILED",
        "reason": "shutdown",
        "is_strike": False,
    }
    assert fleet.broken_invariants() == []


def test_a_killed_supervisor_takes_its_executor_with_it(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("stubborn", "* * * * * *")
        def stubborn() -> None:
            time.sleep(60)
    """)
    worker = fleet.start()
    wait_for(lambda: fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING'"), "a run goes on")
    executors = worker.executor_pids()
    assert executors
    worker.signal(signal.SIGKILL)
    wait_for(lambda: not any(is_alive(pid) for pid in executors), "the executors are gone", 5)


def test_a_crashed_executor_fails_its_runs_at_once_and_is_replaced(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("crash", "* * * * * *", max_consecutive_failures=None)
        async def crash() -> None:
            os.kill(os.getpid(), signal.SIGSEGV)
        @app.cron_job("fine", "* * * * * *")
        async def fine() -> None: ...
    """)
    worker = fleet.start()
    run = fleet.ended("crash", 2)[0]
    assert (run["status"], run["reason"]) == ("FAILED", "crashed")
    assert "SIGSEGV" in run["error"]
    assert (run["completed_at"] - run["started_at"]).total_seconds() < 1
    assert fleet.ended("fine", 1)
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


@pytest.mark.long
def test_reboot_jobs_run_once_for_each_generation(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("boot", "@reboot")
        async def boot() -> None: ...
    """)
    one = fleet.start()
    fleet.ended("boot", 1)
    two = fleet.start()  # joins the generation
    one.stop()
    three = fleet.start()
    assert len(fleet.ended("boot", 1)) == 1
    two.stop()
    three.stop()  # the last one: the next opens a new generation
    fleet.start()
    assert len(fleet.ended("boot", 2)) == 2
    assert fleet.row("SELECT max(generation) AS n FROM pgcron.cron_generation") == {"n": 2}
    assert fleet.broken_invariants() == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('broken app')", "broken app"),
        ("@app.cron_job('j', '61 * * * *')\ndef f(): ...", "'j': Invalid cron expression"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        ("os._exit(7)", "exit code 7"),
    ],
)
def test_an_application_that_can_not_be_loaded_ends_the_worker_with_its_reason(
    fleet: Fleet, source: str, message: str
) -> None:
    fleet.app(source)
    worker = fleet.start(ready=False)
    assert worker.process.wait(20) == 1
    assert message in worker.log
    assert "Traceback (most recent call last)" not in worker.log.splitlines()[0]
    assert fleet.rows("SELECT * FROM pgcron.cron_worker") == []


def test_a_copied_database_is_refused_until_it_is_adopted(fleet: Fleet) -> None:
    fleet.app("")
    fleet.do("UPDATE pgcron.cron_meta SET system_identifier = '1'")
    worker = fleet.start(ready=False)
    assert worker.process.wait(20) == UNAVAILABLE
    assert "pgcron db adopt" in worker.log


def test_a_database_of_another_schema_version_is_refused(fleet: Fleet) -> None:
    fleet.app("")
    fleet.do("UPDATE pgcron.cron_meta SET schema_version = 99, min_worker_schema = 99")
    worker = fleet.start(ready=False)
    assert worker.process.wait(20) == UNAVAILABLE
    assert "too new" in worker.log


def test_a_database_without_the_schema_is_refused(fleet: Fleet, empty_db_url: str) -> None:
    fleet.app("")
    worker = fleet.start(ready=False, url=empty_db_url)
    assert worker.process.wait(20) == UNAVAILABLE
    assert "pgcron db upgrade" in worker.log


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_handlers_connection_notices_a_peer_that_is_gone_without_a_word(fleet: Fleet, kind: str) -> None:
    fleet.app(f"""
        @app.cron_job("settings", "@yearly", transactional=True)
        {kind} settings(ctx: JobContext) -> dict[str, str]:
            return ctx.connection.info.get_parameters()
    """)
    fleet.start()
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan"), "planned")
    fleet.do("SELECT pgcron.run_now('settings')")
    settings = fleet.ended("settings")[0]["result"]
    wanted = {"keepalives_idle": "5", "tcp_user_timeout": "10000", "connect_timeout": "5"}
    assert wanted.items() <= settings.items()


def test_a_worker_publishes_what_its_handlers_take_and_the_database_holds_others_to_it(fleet: Fleet) -> None:
    fleet.app(
        "@app.handler('report')\ndef report(days: int, to: str = 'all'):\n    '''Write the report.'''\n    return days * 2\n"
    )
    worker = fleet.start()
    row = fleet.row(
        "SELECT description, is_async, release, parameters -> 'required' AS required FROM pgcron.cron_handler"
    )
    assert row == {"description": "Write the report.", "is_async": False, "release": "1.0", "required": ["days"]}
    job = "INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES ('r', '@yearly', 'report', %s)"
    with pytest.raises(psycopg.Error, match="args lacks days"):
        fleet.do(job, "{}")
    fleet.do(job, '{"days": 21}')
    fleet.planned()
    assert worker.stop() == 0
    with pytest.raises(psycopg.Error, match=r"args.days is \"x\""):
        fleet.do("SELECT pgcron.run_now('r', '{\"days\": \"x\"}')")
    fleet.do("SELECT pgcron.run_now('r')")
    fleet.start()
    assert fleet.ended("r")[0]["result"] == 42
