"""The fixtures of tests/conftest.py, so that a failure there is not looked for in the code under test."""

from __future__ import annotations

import os

import psycopg
import pytest


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]  # the tests' own text
    assert row is not None
    return row[0]


@pytest.mark.parametrize("round_", [1, 2])
def test_a_test_sees_nothing_of_the_one_before(db_url: str, round_: int) -> None:
    with psycopg.connect(db_url) as connection:
        connection.execute("CREATE TABLE mine (round int)")


def test_an_empty_database_is_empty(empty_db_url: str) -> None:
    assert value(empty_db_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgcron'") == 0


def test_a_clone_is_migrated(db_url: str) -> None:
    assert value(db_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgcron'") == 1


def test_the_login_roles_share_the_tests_clone(db_url: str, owner_url: str, worker_url: str, reader_url: str) -> None:
    database = value(db_url, "SELECT current_database()")
    for url, role in ((owner_url, "pgcron_owner"), (worker_url, "pgcron_worker"), (reader_url, "pgcron_reader")):
        assert value(url, "SELECT current_database()") == database
        assert value(url, f"SELECT pg_has_role(current_user, '{role}', 'member')") is True
        assert value(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


def test_the_server_is_the_one_that_was_asked_for(pg_admin_url: str) -> None:
    if "PGCRON_TEST_DSN" in os.environ:
        pytest.skip("any version may run there")
    major = os.environ.get("PGCRON_TEST_PG", "18")
    assert str(value(pg_admin_url, "SHOW server_version")).startswith(major)
