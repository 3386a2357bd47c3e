"""Who may write the commands of pgcron.sql: by table, by run now, by a retry."""

from __future__ import annotations

import psycopg
import pytest

from pgcron_py.errors import NotPermitted
from pgcron_py.storage.sqlstates import refusals_translated
from support.steps import Stage

INSERT = "INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES ('{}', '@yearly', '{}', '{{\"command\": \"SELECT 1\"}}')"


def does(url: str, *statements: str) -> None:
    with refusals_translated(), psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_owners_may_and_workers_may_not(stage: Stage, owner_url: str, worker_url: str) -> None:
    does(owner_url, INSERT.format("sql", "pgcron.sql"), INSERT.format("mine", "mine"))
    does(owner_url, "UPDATE pgcron.cron_job SET args = '{\"command\": \"SELECT 2\"}' WHERE name = 'sql'")
    for statement in (
        "UPDATE pgcron.cron_job SET args = '{\"command\": \"DROP TABLE x\"}' WHERE name = 'sql'",
        "UPDATE pgcron.cron_job SET handler = 'pgcron.sql' WHERE name = 'mine'",
        "SELECT pgcron.run_now('sql', '{\"command\": \"DROP TABLE x\"}')",
    ):
        with pytest.raises(NotPermitted, match="t_worker may not write commands") as refusal:
            does(worker_url, statement)
        assert refusal.value.hint == "GRANT pgcron_sql_author TO t_worker"
    does(worker_url, "UPDATE pgcron.cron_job SET is_enabled = false WHERE name = 'sql'")
    does(worker_url, "UPDATE pgcron.cron_job SET is_enabled = true, args = args WHERE name = 'sql'")
    does(worker_url, "SELECT pgcron.run_now('sql', '{\"command\": \"SELECT 2\"}')")


def test_a_granted_worker_may(stage: Stage, owner_url: str, worker_url: str) -> None:
    does(owner_url, INSERT.format("sql", "pgcron.sql"))
    does(stage.url, "GRANT pgcron_sql_author TO t_worker")
    try:
        does(worker_url, "UPDATE pgcron.cron_job SET args = '{\"command\": \"SELECT 2\"}' WHERE name = 'sql'")
    finally:
        does(stage.url, "REVOKE pgcron_sql_author FROM t_worker")


def test_a_retry_repeats_the_command_that_ran_although_the_job_has_another_now(
    stage: Stage, owner_url: str, worker_url: str
) -> None:
    does(owner_url, INSERT.format("sql", "pgcron.sql"))
    stage.do(
        "INSERT INTO pgcron.cron_worker (id, host, pid, version, state, concurrency) VALUES ('019a0000-0000-7000-8000-000000000001', 'h', 1, '0', 'LIVE', 1)"
    )
    stage.do(
        "INSERT INTO pgcron.cron_log (job_id, seq, status, reason, cause, attempt, worker_id, started_at, completed_at, args, handler, job_version, schedule, finish_token, is_exclusive) "
        "SELECT id, 1, 'FAILED', 'error', 'manual', 1, '019a0000-0000-7000-8000-000000000001', clock_timestamp(), clock_timestamp(), args, handler, 1, schedule, gen_random_uuid(), true FROM pgcron.cron_job"
    )
    does(owner_url, "UPDATE pgcron.cron_job SET args = '{\"command\": \"SELECT 2\"}' WHERE name = 'sql'")
    does(worker_url, "SELECT pgcron.retry_run((SELECT id FROM pgcron.cron_log))")
    assert stage.row("SELECT args FROM pgcron.cron_request")["args"] == {"command": "SELECT 1"}
