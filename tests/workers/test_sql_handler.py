"""`pgcron.sql` on real workers: what it runs, what it tells, and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from support.fleet import Fleet, wait_for

NO_APP = """
@app.handler("mine")
async def mine(): ...
"""
JOB = "INSERT INTO pgcron.cron_job (name, schedule, handler, args, timeout_ms, max_attempts) VALUES (%s, '@yearly', 'pgcron.sql', %s, %s, %s)"
BACKEND = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgcron ' || %s || '%%' AND state = 'active'"


@pytest.fixture
def sql_author(fleet: Fleet) -> Iterator[None]:
    """The workers' login role may write commands."""
    fleet.do("GRANT pgcron_sql_author TO t_worker")
    yield
    fleet.do("REVOKE pgcron_sql_author FROM t_worker")


def sql_fleet_of(fleet: Fleet) -> Fleet:
    fleet.app(NO_APP)
    fleet.environment["PGCRON_SQL_CONNECTIONS"] = f"{fleet.worker_url} boss={fleet.url}"
    fleet.start()
    return fleet


@pytest.fixture(scope="module")
def module_sql_fleet(module_fleet: Fleet) -> Fleet:
    return sql_fleet_of(module_fleet)


@pytest.fixture
def sql_fleet(module_sql_fleet: Fleet) -> Fleet:
    module_sql_fleet.begin_anew()
    return module_sql_fleet


def ran(
    fleet: Fleet, command: str, *, connection: str | None = None, timeout_ms: int | None = None, **more: int
) -> dict:
    """The run of a job with this command."""
    args = {"command": command} | ({"connection": connection} if connection else {})
    fleet.do(JOB, "j", json.dumps(args), timeout_ms, more.get("max_attempts", 1))
    fleet.planned()
    fleet.do("SELECT pgcron.run_now('j')")
    (run,) = fleet.ended("j")
    return run


def output(fleet: Fleet, count: int) -> list[str]:
    """The first lines of the only run, once they are stored."""
    lines = "SELECT text FROM pgcron.cron_log_line ORDER BY line_no"
    wait_for(lambda: len(fleet.rows(lines)) >= count, "the output is stored")
    return [row["text"] for row in fleet.rows(lines)]


def test_statements_are_one_transaction_and_tell_rows_and_notices(sql_fleet: Fleet) -> None:
    run = ran(
        sql_fleet,
        "INSERT INTO effect (what) VALUES ('a'), ('b'); SELECT * FROM effect;"
        "DO $$ BEGIN RAISE WARNING 'low on %', 'tea' USING HINT = 'buy some'; END $$; DELETE FROM effect WHERE what = 'a'",
    )
    assert (run["status"], run["error"]) == ("SUCCESS", None)
    assert run["result"] == {"rows": 5, "statements": 4, "tags": ["INSERT 0 2", "SELECT 2", "DO", "DELETE 1"]}
    told = output(sql_fleet, 6)
    assert [line for line in told if ":" not in line] == run["result"]["tags"]
    assert [line for line in told if ":" in line] == ["WARNING:  low on tea", "HINT:  buy some"]  # maybe a tag early
    assert [row["what"] for row in sql_fleet.rows("SELECT what FROM effect")] == ["b"]


def test_an_error_undoes_the_whole_command_and_is_told_without_a_trace_of_ours(sql_fleet: Fleet) -> None:
    run = ran(sql_fleet, "INSERT INTO effect (what) VALUES ('a'); SELECT 1 / 0")
    assert (run["status"], run["reason"], run["stack_trace"]) == ("FAILED", "error", None)
    assert run["error"] == "DivisionByZero: division by zero"
    assert run["result"] == {"rows": 1, "statements": 1, "tags": ["INSERT 0 1"]}
    assert sql_fleet.rows("SELECT * FROM effect") == []


@pytest.mark.parametrize(
    "command", ["VACUUM (ANALYZE) effect", "CREATE INDEX CONCURRENTLY ON effect (what)", "CALL twice()"]
)
def test_what_cannot_run_in_a_transaction_runs(sql_fleet: Fleet, command: str) -> None:
    sql_fleet.do(
        "CREATE OR REPLACE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO effect (what) VALUES ('1'); COMMIT; "
        "INSERT INTO effect (what) VALUES ('2'); END $$"
    )
    run = ran(sql_fleet, command, connection="boss")
    assert (run["status"], run["error"]) == ("SUCCESS", None)
    assert run["result"]["tags"] == [command.split(" (")[0].split(" CONC")[0].split(" twice")[0]]


def test_a_command_that_lacks_its_commit_fails(sql_fleet: Fleet) -> None:
    run = ran(sql_fleet, "BEGIN; INSERT INTO effect (what) VALUES ('a')")
    assert run["status"] == "FAILED"
    assert "lacks a COMMIT" in run["error"]
    assert sql_fleet.rows("SELECT * FROM effect") == []


def test_it_runs_as_the_role_of_its_connection_with_the_jobs_timeout_and_says_who_it_is(sql_fleet: Fleet) -> None:
    command = "INSERT INTO effect (what) SELECT concat_ws(' ', current_user, current_setting('statement_timeout'), current_setting('application_name'))"
    run = ran(sql_fleet, command, timeout_ms=90_000)
    assert run["status"] == "SUCCESS", run["error"]
    assert sql_fleet.row("SELECT what FROM effect") == {"what": f"t_worker 91s pgcron {run['id']} j"}


def test_a_timeout_ends_the_statement_in_the_database(sql_fleet: Fleet) -> None:
    run = ran(sql_fleet, "SELECT pg_sleep(600)", timeout_ms=500)
    assert (run["status"], run["reason"]) == ("FAILED", "timeout")
    assert sql_fleet.rows(BACKEND, run["id"]) == []


def test_a_cancel_ends_the_statement_in_the_database_within_the_grace_time(sql_fleet: Fleet) -> None:
    sql_fleet.do(JOB, "j", json.dumps({"command": "SELECT pg_sleep(600)"}), None, 1)
    sql_fleet.planned()
    sql_fleet.do("SELECT pgcron.run_now('j')")
    (run,) = wait_for(lambda: sql_fleet.rows("SELECT id FROM pgcron.cron_log WHERE status = 'RUNNING'"), "it runs")
    wait_for(lambda: sql_fleet.rows(BACKEND, str(run["id"])), "its statement runs")
    began = time.monotonic()
    sql_fleet.do("SELECT pgcron.cancel_run(%s, 'enough')", run["id"])
    (ended,) = sql_fleet.ended("j")
    assert time.monotonic() - began < 1
    assert (ended["status"], ended["reason"]) == ("FAILED", "cancelled")
    assert sql_fleet.rows(BACKEND, str(run["id"])) == []


def test_a_killed_worker_leaves_no_statement_behind(fleet: Fleet) -> None:
    sql_fleet = sql_fleet_of(fleet)
    sql_fleet.do(JOB, "j", json.dumps({"command": "SELECT pg_sleep(600)"}), None, 1)
    sql_fleet.planned()
    sql_fleet.do("SELECT pgcron.run_now('j')")
    (run,) = wait_for(lambda: sql_fleet.rows("SELECT id FROM pgcron.cron_log WHERE status = 'RUNNING'"), "it runs")
    wait_for(lambda: sql_fleet.rows(BACKEND, str(run["id"])), "its statement runs")
    sql_fleet.workers[0].process.kill()
    wait_for(lambda: not sql_fleet.rows(BACKEND, str(run["id"])), "its statement has ended", 5)


def test_many_rows_take_no_memory(sql_fleet: Fleet) -> None:
    sql_fleet.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, args, memory_limit_mib) VALUES ('j', '@yearly', 'pgcron.sql', %s, 32)",
        json.dumps({"command": "SELECT repeat('x', 1000) FROM generate_series(1, 200000)"}),
    )
    sql_fleet.planned()
    sql_fleet.do("SELECT pgcron.run_now('j')")
    (run,) = sql_fleet.ended("j")
    assert (run["status"], run["result"]["rows"]) == ("SUCCESS", 200_000), run["error"]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ({"command": "SELECT 1", "connection": "elsewhere"}, "no connection is named 'elsewhere' here (boss, default)"),
        ({"command": " "}, "the command is empty"),
        ({"command": "COPY effect TO STDOUT"}, "COPY FROM STDIN and TO STDOUT"),
        ({"command": "COPY effect FROM STDIN"}, "COPY FROM STDIN and TO STDOUT"),
    ],
)
def test_what_it_cannot_do_it_says_and_never_tries_again(sql_fleet: Fleet, args: dict, error: str) -> None:
    sql_fleet.do(JOB, "j", json.dumps(args), None, 3)
    sql_fleet.planned()
    sql_fleet.do("SELECT pgcron.run_now('j')")
    (run,) = sql_fleet.ended("j")
    assert error in run["error"]
    assert run["stack_trace"] is None
    assert sql_fleet.rows("SELECT FROM pgcron.cron_request WHERE state = 'PENDING'") == []


def test_a_password_of_a_connection_is_never_seen(fleet: Fleet) -> None:
    fleet.app(NO_APP)
    secret = "correct-horse-battery"
    fleet.environment["PGCRON_SQL_CONNECTIONS"] = f"away=postgresql://x:{secret}@127.0.0.1:1/db {fleet.url}"
    fleet.start()
    assert ran(fleet, f"DO $$ BEGIN RAISE NOTICE '{secret}'; END $$")["status"] == "SUCCESS"
    assert output(fleet, 1)[0] == "NOTICE:  [redacted]"
    assert secret not in fleet.workers[0].log


def test_a_worker_without_connections_does_not_offer_it_and_leaves_its_jobs_to_others(fleet: Fleet) -> None:
    fleet.app(NO_APP)
    fleet.start()
    assert fleet.rows("SELECT name FROM pgcron.cron_handler") == [{"name": "mine"}]
    fleet.start(PGCRON_SQL_CONNECTIONS=fleet.worker_url)
    assert ran(fleet, "SELECT 1")["status"] == "SUCCESS"
    published = fleet.row("SELECT description, parameters FROM pgcron.cron_handler WHERE name = 'pgcron.sql'")
    assert published["parameters"]["required"] == ["command"]
    assert published["description"].startswith("Runs SQL")


DECLARED = """
from pgcron_workers.handlers.sql import run_sql
app.cron_job("tidy", "@yearly", args={"command": "INSERT INTO effect (what) VALUES ('declared')"})(run_sql)
"""


def test_code_declares_a_job_of_it(fleet: Fleet, sql_author: None) -> None:
    fleet.app(DECLARED)
    fleet.start(PGCRON_SQL_CONNECTIONS=fleet.worker_url)
    fleet.planned()
    fleet.do("SELECT pgcron.run_now('tidy')")
    (run,) = fleet.ended("tidy")
    assert (run["handler"], run["status"]) == ("pgcron.sql", "SUCCESS")


def test_a_worker_that_is_no_author_of_sql_declares_none(fleet: Fleet) -> None:
    fleet.app(DECLARED)
    worker = fleet.start(ready=False, PGCRON_SQL_CONNECTIONS=fleet.worker_url)
    assert worker.process.wait(30) != 0
    assert "role t_worker may not write commands for pgcron.sql" in worker.log
    assert "GRANT pgcron_sql_author TO t_worker" in worker.log
    assert "Traceback" not in worker.log
    assert fleet.rows("SELECT name FROM pgcron.cron_job") == []


@pytest.mark.parametrize("text", ["plain-words", "mysql://x", "a=postgresql:///x a=postgresql:///y"])
def test_connections_that_cannot_be_read_are_refused_at_start_without_telling_them(fleet: Fleet, text: str) -> None:
    fleet.app(NO_APP)
    worker = fleet.start(ready=False, PGCRON_SQL_CONNECTIONS=text)
    assert worker.process.wait(30) != 0
    assert "sql_connections (PGCRON_SQL_CONNECTIONS)" in worker.log
    assert "Traceback" not in worker.log
    assert text not in worker.log
