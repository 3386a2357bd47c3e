"""`pgcron` behind pgbouncer in transaction mode, where all clients take turns on one backend."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgcron_py.app import database
from support.bouncer import Bouncer, Neighbour, bouncer_for
from support.commands import (
    CHANGING,
    MAKING,
    READING,
    WITHOUT_A_DATABASE,
    all_commands,
    exit_codes_of,
    files_in,
    filled,
    input_of,
    name_of,
)

LINE = "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, at, text) VALUES (%s, %s, 'stdout', clock_timestamp(), %s)"


@pytest.fixture(scope="module")
def bouncer(pg_admin_url: str) -> Iterator[Bouncer]:
    with bouncer_for(pg_admin_url) as started:
        yield started


@pytest.fixture
def pooled_url(bouncer: Bouncer, db_url: str) -> str:
    return bouncer.url(db_url)


@pytest.fixture
def neighbour(bouncer: Bouncer, db_url: str) -> Iterator[Neighbour]:
    opened = Neighbour(bouncer, db_url)
    yield opened
    opened.close()


def test_the_list_of_commands_is_complete() -> None:
    listed = {name_of(line) for line in (*MAKING, *READING, *CHANGING)}
    assert listed | WITHOUT_A_DATABASE == all_commands()


def test_every_command_works_and_leaves_nothing_to_the_next_client(
    pgcron: Any, pooled_url: str, neighbour: Neighbour, connection: psycopg.Connection, worker: Any,
    failure: dict[str, object], tmp_path: Path,
) -> None:  # fmt: skip
    files_in(tmp_path)
    before = neighbour.sees()

    def perform(lines: tuple[str, ...]) -> None:
        for line in lines:
            done = pgcron(*filled(line, connection, tmp_path, pooled_url), url=pooled_url, input=input_of(line))
            assert done.code in exit_codes_of(line), (line, done.out, done.err)
            assert neighbour.finds_changed(before) == {}, line

    perform(MAKING)
    worker.ran("nightly", **failure)
    worker.begin("nightly")
    perform(READING)
    perform(CHANGING)


def test_what_another_client_left_changes_nothing(
    pgcron: Any, job: str, pooled_url: str, neighbour: Neighbour, connection: psycopg.Connection
) -> None:
    def shown(url: str | None = None) -> object:
        return pgcron("jobs", "show", job, "--json", url=url).json | {"week": "which ends now"}

    here = shown()
    neighbour.leaves(
        "SET search_path = pg_temp", "SET TimeZone = 'Asia/Tokyo'", "SET DateStyle = 'German'", "SET IntervalStyle = 'iso_8601'",
        "SET bytea_output = 'escape'", "SET lock_timeout = '1h'", "SET statement_timeout = '1h'", "SET pgcron.actor = 'mallory'",
        "SET pgcron.reason = 'none of yours'", "SET pgcron.request_id = 'req-1'", "SET pgcron.silent = 'on'", "SET pgcron.declaring = 'on'",
    )  # fmt: skip
    assert shown(pooled_url) == here
    assert pgcron("audit", "verify", url=pooled_url).code == 0
    assert pgcron("jobs", "stats", job, url=pooled_url).code == 0
    connection.execute("LISTEN pgcron")
    assert pgcron("jobs", "disable", job, url=pooled_url).code == 0
    (entry,) = connection.execute(
        "SELECT actor, reason, request_id FROM pgcron.cron_audit WHERE new_values ->> 'is_enabled' = 'false'"
    ).fetchall()
    assert entry[0].startswith("cli:")
    assert entry[1:] == (None, None)
    assert next(connection.notifies(timeout=10)).channel == "pgcron"
    invalid = pgcron("jobs", "edit", job, "--schedule", "99 * * * *", url=pooled_url)
    assert (invalid.code, "99" in invalid.err) == (2, True)


def test_output_is_followed_over_many_transactions_of_many_clients(
    pgcron: Any, job: str, worker: Any, pooled_url: str, neighbour: Neighbour, connection: psycopg.Connection
) -> None:
    run = worker.begin(job)
    seen: list[str] = []
    reader = threading.Thread(
        target=lambda: seen.append(pgcron("runs", "tail", f"{job}#1", "-f", url=pooled_url).out), daemon=True
    )
    before = neighbour.sees()
    reader.start()
    for number in range(1, 8):  # psycopg prepares what it sends for the sixth time, unless it is told not to
        connection.execute(LINE, (run[0], number, f"line {number}"))
        assert neighbour.finds_changed(before) == {}
        neighbour.waits_for_another_client()
    worker.finish(run)
    connection.execute(
        "INSERT INTO pgcron.cron_log_output (run_id, lines, bytes, is_complete) VALUES (%s, 7, 42, true)", (run[0],)
    )
    reader.join(20)
    assert seen == ["".join(f"line {number}\n" for number in range(1, 8))]
    assert neighbour.finds_changed(before) == {}


def test_upgrades_through_a_pooler_take_turns(empty_db_url: str, bouncer: Bouncer) -> None:
    url = bouncer.url(empty_db_url)
    with ThreadPoolExecutor(2) as threads:
        states = list(threads.map(database.upgrade, [url] * 2))
    assert [state.is_current for state in states] == [True, True]
    assert database.downgrade(url, "base").revision is None


def test_an_upgrade_through_a_pooler_that_meets_a_lock_says_so(
    pgcron: Any, pooled_url: str, connection: psycopg.Connection
) -> None:
    with connection.transaction():
        connection.execute("LOCK TABLE pgcron.alembic_version IN ACCESS EXCLUSIVE MODE")
        refused = pgcron("db", "current", url=pooled_url)
    assert (refused.code, "for a lock that another session holds" in refused.err) == (1, True)


def test_the_check_of_a_database_tells_of_the_pooler(pgcron: Any, pooled_url: str) -> None:
    def told(url: str | None) -> list[str]:
        lines = pgcron("db", "check", "--json", url=url).json["lines"]
        return [line["level"] for line in lines if line["subject"] == "pooler"]

    assert (told(pooled_url), told(None)) == (["warn"], [])
