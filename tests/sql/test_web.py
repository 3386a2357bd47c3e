"""The web admin's tables: who reads and writes them, and whose word the audit takes for an address."""

from __future__ import annotations

import psycopg
import pytest

from support.steps import Stage


@pytest.mark.parametrize("role", ["t_reader", "t_operator", "t_worker"])
def test_readers_and_workers_see_no_hash(web_url: str, role: str) -> None:
    url = web_url.replace("t_web", role)
    for table in ("app_user", "app_session", "api_token", "app_link", "app_sign_in_throttle"):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SELECT FROM pgcron.{table}")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM pgcron.app_user",
        "UPDATE pgcron.app_preferences SET theme = 'dark'",
        "DELETE FROM pgcron.api_token",
        "INSERT INTO pgcron.app_role VALUES ('x', 'x')",
        "UPDATE pgcron.app_role_permission SET permission = 'cron.user.admin'",
        "DELETE FROM pgcron.cron_audit",
        "INSERT INTO pgcron.cron_audit (action) VALUES ('job_created')",
        "SELECT pgcron.write_app_audit('job_created', NULL, NULL)",
        "SELECT pgcron.record_refusal('job_created', '{}')",
    ],
)
def test_the_web_role_can_not(web_url: str, statement: str) -> None:
    with psycopg.connect(web_url) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)  # type: ignore[arg-type]  # from the list above
    assert refused.value.sqlstate in ("42501", "PC014")


ADDRESSES = "SELECT client_address FROM pgcron.cron_audit WHERE action LIKE 'job_%' ORDER BY at, id"


def test_the_audit_takes_the_address_of_a_client_from_the_web_admin(stage: Stage, web_url: str) -> None:
    stage.job("report", due=None)
    with psycopg.connect(web_url) as connection:
        connection.execute("SELECT pgcron.act_as('web:ana', NULL, NULL, '203.0.113.9')")
        connection.execute("SELECT pgcron.disable('report')")
    assert stage.rows(ADDRESSES)[-1] == {"client_address": "203.0.113.9"}


def test_the_audit_takes_no_address_from_others_nor_without_an_actor(
    stage: Stage, operator_url: str, web_url: str
) -> None:
    stage.job("report", due=None)
    for url, action in ((operator_url, "disable"), (web_url, "enable")):
        with psycopg.connect(url) as connection:
            connection.execute("SELECT set_config('pgcron.client_address', '203.0.113.9', true)")
            connection.execute(f"SELECT pgcron.{action}('report')")
    assert len(stage.rows(ADDRESSES)) >= 2
    assert "203.0.113.9" not in str(stage.rows(ADDRESSES))
