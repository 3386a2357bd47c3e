"""The audit as evidence: append-only, sealed over what is committed, verified, read back in time, reverted."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from support.steps import Stage

SEAL = "SELECT pgcron.seal_audit() AS n"
PROBLEMS = "SELECT * FROM pgcron.verify_audit()"


def changed(stage: Stage, *statements: str) -> None:
    for statement in statements:
        stage.do(statement)


@pytest.fixture
def history(stage: Stage) -> Stage:
    changed(
        stage,
        "SELECT pgcron.schedule('j', '0 3 * * *', 'h')",
        'SELECT pgcron.alter_job(\'j\', \'{"schedule": "0 4 * * *", "timeout_ms": 1000}\')',
        "SELECT pgcron.disable('j', 'stocktaking')",
    )
    return stage


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize(("table", "column"), [("pgcron.cron_audit", "action"), ("pgcron.cron_audit_seal", "hash")])
def test_nobody_changes_or_deletes_an_entry_the_owner_included(
    history: Stage, statement: str, table: str, column: str
) -> None:
    history.do(SEAL)
    for url in (history.url, history.worker_url):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as refusal:
            connection.execute(statement.format(table, column, column))
        assert refusal.value.sqlstate in ("PC010", "42501")


def test_the_chain_holds_what_is_committed_and_goes_on(history: Stage) -> None:
    assert history.row(SEAL) == {"n": 3}
    assert history.row(SEAL) == {"n": 0}
    history.do("SELECT pgcron.enable('j')")
    assert history.row(SEAL) == {"n": 1}
    assert history.rows("SELECT position FROM pgcron.cron_audit_seal ORDER BY 1") == [
        {"position": n} for n in (1, 2, 3, 4)
    ]
    assert history.rows(PROBLEMS) == []


def test_a_change_that_commits_late_is_sealed_then_and_holds_up_nobody(history: Stage) -> None:
    late = history.actor(history.url)
    late.say("BEGIN")
    late.say("SELECT pgcron.schedule('late', '@daily', 'h')")
    history.do("SELECT pgcron.schedule('soon', '@daily', 'h')")
    assert history.row(SEAL) == {"n": 4}
    late.commit()
    assert history.row(SEAL) == {"n": 1}
    assert history.rows(PROBLEMS) == []


def test_two_who_seal_at_once_do_not_wait_for_each_other(history: Stage) -> None:
    one, two = history.actor(), history.actor()
    one.say("BEGIN")
    assert one.say("SELECT pgcron.seal_audit()") == [(3,)]
    assert two.say("SELECT pgcron.seal_audit()") == [(0,)]
    one.commit()
    assert history.rows(PROBLEMS) == []


@pytest.mark.parametrize(
    ("forgery", "position", "problem"),
    [
        (
            "UPDATE pgcron.cron_audit SET actor = 'nobody' WHERE action = 'job_changed'",
            2,
            "changed after it was sealed",
        ),
        ("DELETE FROM pgcron.cron_audit WHERE action = 'job_disabled'", 3, "was deleted"),
        ("DELETE FROM pgcron.cron_audit_seal WHERE position = 2", 2, "seals 2 to 2 are missing"),
        ("UPDATE pgcron.cron_audit_seal SET hash = sha256('x') WHERE position = 1", 1, "changed after it was sealed"),
    ],
)
def test_a_forgery_past_the_triggers_is_found(history: Stage, forgery: str, position: int, problem: str) -> None:
    history.do(SEAL)
    changed(history, "SET session_replication_role = replica", forgery, "RESET session_replication_role")
    found = history.rows(PROBLEMS)
    assert problem in found[0]["problem"]
    assert found[0]["position"] == position


def test_the_state_at_an_instant_is_rebuilt(history: Stage) -> None:
    at = [row["at"] for row in history.rows("SELECT at FROM pgcron.cron_audit ORDER BY at")]
    history.do("SELECT pgcron.unschedule('j')")
    ask = "SELECT job, is_enabled, schedule FROM pgcron.state_at(%s)"
    assert history.rows(ask, at[0]) == [{"job": "j", "is_enabled": True, "schedule": "0 3 * * *"}]
    assert history.rows(ask, at[1]) == [{"job": "j", "is_enabled": True, "schedule": "0 4 * * *"}]
    assert history.rows(ask, at[2]) == [{"job": "j", "is_enabled": False, "schedule": "0 4 * * *"}]
    assert history.rows("SELECT * FROM pgcron.state_at(clock_timestamp())") == []


def entry(stage: Stage, action: str) -> Any:
    return stage.row("SELECT id FROM pgcron.cron_audit WHERE action = %s", action)["id"]


def test_a_change_is_reverted_and_that_is_an_entry_too(history: Stage) -> None:
    history.do("SELECT pgcron.revert(%s)", entry(history, "job_disabled"))
    history.do("SELECT pgcron.revert(%s)", entry(history, "job_changed"))
    row = history.row("SELECT schedule, timeout_ms, is_enabled FROM pgcron.cron_job")
    assert row == {"schedule": "0 3 * * *", "timeout_ms": None, "is_enabled": True}
    assert len(history.rows("SELECT FROM pgcron.cron_audit")) == 5


@pytest.mark.parametrize("action", ["job_created", "job_deleted"])
def test_what_can_not_be_reverted_says_what_to_do(history: Stage, action: str) -> None:
    history.do("SELECT pgcron.unschedule('j')")
    with psycopg.connect(history.url) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute("SELECT pgcron.revert(%s)", (entry(history, action),))
    assert refusal.value.sqlstate == "PC014"
    assert refusal.value.diag.message_hint
