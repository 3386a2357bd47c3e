"""The database away, silent, slow or restarted: 503 within three seconds, and no restart of the admin afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from pgcron_admin.database import Database
from pgcron_admin.principal import anonymous
from pgcron_py.errors import DatabaseUnavailable, PgCronError
from pgcron_py.storage.sqlstates import ERROR_OF_SQLSTATE, REFUSALS, http_status
from support.admin import People, admin_process, as_program
from support.proxy import Proxy, proxied

WITHIN_S = 3.0


@pytest.fixture
def behind_proxy(web_url: str, db_url: str) -> Iterator[tuple[Proxy, httpx.Client]]:
    """A program with a token, whose admin reaches the database through a proxy."""
    token = People(db_url).token("watcher", "super_admin", scopes=["cron.user.admin"])
    with proxied(web_url) as (proxy, url), admin_process(url, "--dev", PGCRON_ADMIN_POOL_SIZE="3") as server:
        program = as_program(server.url, token)
        assert program.get("/api/users").status_code == 200
        yield proxy, program


def unavailable(program: httpx.Client) -> None:
    began = time.monotonic()
    answer = program.get("/api/users")
    seconds = time.monotonic() - began
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert seconds < WITHIN_S
    assert program.get("/health/live").status_code == 200


def available_again(program: httpx.Client) -> None:
    deadline = time.monotonic() + 20
    while program.get("/api/users").status_code != 200:
        assert time.monotonic() < deadline, "it did not recover by itself"


def test_a_database_that_is_gone_is_503_at_once_and_the_admin_recovers_by_itself(behind_proxy: Any) -> None:
    proxy, program = behind_proxy
    proxy.fall_silent()
    proxy.cut_all()
    for _ in range(3):
        unavailable(program)
    proxy.calm()
    available_again(program)


def test_a_database_that_falls_silent_in_the_middle_is_503_within_three_seconds(behind_proxy: Any) -> None:
    proxy, program = behind_proxy
    proxy.stall_replies()
    unavailable(program)
    proxy.calm()
    proxy.cut_all()
    available_again(program)


def test_connections_that_broke_while_they_waited_are_nobodys_error(behind_proxy: Any, db_url: str) -> None:
    _, program = behind_proxy
    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(lambda _: program.get("/api/users").status_code, range(30))) == {200}
    with psycopg.connect(db_url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 't_web' AND datname = current_database()"
        ).fetchall()
    assert ended
    assert [program.get("/api/users").status_code for _ in range(6)] == [200] * 6


def test_a_database_that_is_slow_is_503_by_the_limit_of_statements(behind_proxy: Any, db_url: str) -> None:
    _, program = behind_proxy
    with psycopg.connect(db_url) as holder:
        holder.execute("LOCK TABLE pgcron.app_user IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        answer = program.get("/api/users")
        assert answer.status_code == 503, answer.text
        assert time.monotonic() - began < WITHIN_S
    assert program.get("/api/users").status_code == 200


def test_a_statement_past_its_limit_is_told_as_such(web_url: str) -> None:
    async def sleep() -> None:
        database = Database(web_url, 1)
        try:
            with pytest.raises(DatabaseUnavailable, match="statement timeout"):
                async with database.read() as connection:
                    await connection.execute("SELECT pg_sleep(60)")
            async with database.read() as connection:
                row = await (await connection.execute("SELECT current_setting('lock_timeout') AS l")).fetchone()
                assert row == {"l": "1s"}
        finally:
            await database.close()

    asyncio.run(sleep())


async def fail_in_the_middle(database: Any) -> None:
    async with database.transaction(anonymous(None, "request-2")) as connection:
        await connection.execute("INSERT INTO pgcron.app_user (name, role) VALUES ('half', 'viewer')")
        raise RuntimeError("in the middle")


def test_nothing_of_a_transaction_is_left_for_the_next_user_of_the_connection(web_url: str, db_url: str) -> None:
    async def use() -> None:
        database = Database(web_url, 1)
        settings = "SELECT current_setting('pgcron.actor', true) AS actor, current_setting('statement_timeout') AS t, current_setting('TimeZone') AS z"
        try:
            async with database.transaction(anonymous("192.0.2.1", "request-1"), reason="to see") as connection:
                row = await (await connection.execute(settings)).fetchone()
                assert row == {"actor": "web:anonymous", "t": "5s", "z": "UTC"}
            with pytest.raises(RuntimeError):
                await fail_in_the_middle(database)
            connection = await database.pool.getconn()
            row = await (await connection.execute(settings)).fetchone()
            assert row is not None
            assert not row["actor"]
            assert row["t"] == "0"
            await database.pool.putconn(connection)
            async with database.read() as connection:
                row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
                assert row == {"transaction_read_only": "on"}
        finally:
            await database.close()

    asyncio.run(use())
    with psycopg.connect(db_url) as connection:
        assert connection.execute("SELECT FROM pgcron.app_user WHERE name = 'half'").fetchall() == []


def test_each_error_of_ours_has_one_status_and_each_sqlstate_one_error() -> None:
    states = [row.sqlstate for row in REFUSALS if row.sqlstate]
    assert len(states) == len(set(states)) == len(ERROR_OF_SQLSTATE)
    assert len({row.error for row in REFUSALS}) == len(REFUSALS)
    for row in REFUSALS:
        assert http_status(row.error.__new__(row.error)) == row.http_status


def test_an_error_below_one_of_ours_has_its_status() -> None:
    class Special(PgCronError):
        pass

    assert http_status(Special("x")) == 500


def test_a_database_without_the_schema_says_what_to_run(empty_db_url: str) -> None:
    with admin_process(empty_db_url, "--dev") as server:
        answer = as_program(server.url, "pgc_0000000000000000_" + "A" * 43).get("/api/users")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_not_ready")
        assert "pgcron db upgrade" in answer.json()["hint"]
