"""Who may write the commands of pgcron.sql: by table, by run now, by a retry."""

from __future__ import annotations

import psycopg
import pytest

from pgcron_py.errors import NotPermitted
from pgcron_py.storage.sqlstates import refusals_translated
from support.steps import Stage

INSERT = "INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES ('{}', '@yearly', '{}', '{{\"command\": \"SELECT 1\"}}')"

ALTER = "SELECT pgcron.alter_job('{}', '{}')"


def does(url: str, *statements: str) -> None:
    with refusals_translated(), psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_owners_may_and_the_web_may_not(stage: Stage, owner_url: str, web_url: str) -> None:
    does(owner_url, INSERT.format("sql", "pgcron.sql"), INSERT.format("mine", "mine"))
    does(owner_url, "UPDATE pgcron.cron_job SET args = '{\"command\": \"SELECT 2\"}' WHERE name = 'sql'")
    for statement in (
        ALTER.format("sql", '{"args": {"command": "DROP TABLE x"}}'),
        ALTER.format("mine", '{"handler": "pgcron.sql"}'),
        "SELECT pgcron.run_now('sql', '{\"command\": \"DROP TABLE x\"}')",
    ):
        with pytest.raises(NotPermitted, match="t_web may not write commands") as refusal:
            does(web_url, statement)
        assert refusal.value.hint == "GRANT pgcron_sql_author TO t_web"
    does(web_url, "SELECT pgcron.disable('sql')", ALTER.format("sql", '{"args": {"command": "SELECT 2"}}'))
    does(web_url, "SELECT pgcron.enable('sql')", "SELECT pgcron.run_now('sql', '{\"command\": \"SELECT 2\"}')")


def test_who_was_granted_it_may(stage: Stage, owner_url: str, web_url: str) -> None:
    does(owner_url, INSERT.format("sql", "pgcron.sql"))
    does(stage.url, "GRANT pgcron_sql_author TO t_web")
    try:
        does(web_url, ALTER.format("sql", '{"args": {"command": "SELECT 2"}}'))
    finally:
        does(stage.url, "REVOKE pgcron_sql_author FROM t_web")


def test_a_retry_repeats_the_command_that_ran_although_the_job_has_another_now(
    stage: Stage, owner_url: str, web_url: str
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
    does(web_url, "SELECT pgcron.retry_run((SELECT id FROM pgcron.cron_log))")
    assert stage.row("SELECT args FROM pgcron.cron_request")["args"] == {"command": "SELECT 1"}
