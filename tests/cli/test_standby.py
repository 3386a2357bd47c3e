"""`pgcron` on a standby, and with URLs of several hosts."""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from conftest import SERVERS
from psycopg.conninfo import conninfo_to_dict

from pgcron_py.app import database
from support.commands import CHANGING, MAKING, READING, exit_codes_of, files_in, filled, input_of, name_of
from support.standby import Pair, pair_of

TEMPLATE = "template"
NOTHING_TO_DO = {"db seed", "import pg-cron"}  # the sample is there, and no schedule to import
VIEWS = "SELECT relname FROM pg_class WHERE relnamespace = 'pgcron'::regnamespace AND relkind = 'v' ORDER BY relname"
READ_ONLY = [
    "Error: This server takes no changes: it is a standby, or was told to be read-only.",
    "  hint: connect to the primary; with several hosts in the URL, add target_session_attrs=read-write",
]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with pair_of(SERVERS[os.environ.get("PGCRON_TEST_PG", "18")]) as started:
        with psycopg.connect(started.primary.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        database.upgrade(started.primary.dsn(dbname=TEMPLATE))
        yield started


@pytest.fixture
def db_url(pair: Pair) -> str:
    """A database of the primary: what `pgcron`, `job` and `worker` work on here. It goes with its server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(pair.primary.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    url = pair.primary.dsn(dbname=name)
    database.adopt(url)
    return url


@pytest.fixture
def standby_url(pair: Pair, db_url: str) -> str:
    """The same database on the standby; see Pair.catch_up."""
    return pair.standby.dsn(dbname=conninfo_to_dict(db_url)["dbname"])


@pytest.fixture
def populated(
    pair: Pair, pgcron: Any, connection: psycopg.Connection, worker: Any, failure: dict[str, object], tmp_path: Path
) -> None:
    files_in(tmp_path)
    for line in MAKING:
        assert pgcron(*filled(line, connection, tmp_path, pgcron.url)).code in exit_codes_of(line), line
    worker.ran("nightly", **failure)
    worker.begin("nightly")
    connection.execute("SELECT pgcron.seal_audit()")
    connection.execute("UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() + interval '1 h'")
    pair.catch_up()


@pytest.mark.usefixtures("populated")
def test_a_standby_answers_every_question_as_its_primary_does(
    pgcron: Any, standby_url: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    for line in (line for line in READING if line != "db check"):
        words = filled(line, connection, tmp_path, pgcron.url)
        there, here = pgcron(*words, url=standby_url), pgcron(*words)
        assert (there.code, there.err) == (here.code, here.err), (line, there.out, there.err)
        assert without_times(there.out) == without_times(here.out), line


def test_a_standby_is_no_database_for_workers(pair: Pair, pgcron: Any, standby_url: str, db_url: str) -> None:
    pair.catch_up()
    there = pgcron("db", "check", "--json", url=standby_url)
    failed = [line for line in there.json["lines"] if line["level"] == "fail"]
    assert (there.code, [line["subject"] for line in failed]) == (3, ["primary"])
    assert "this is a standby" in failed[0]["detail"]
    read_only = f"{db_url}?options=-c%20default_transaction_read_only%3Don"
    here = pgcron("db", "check", "--json", url=read_only)
    assert (here.code, "default_transaction_read_only" in here.out) == (3, True)
    assert pgcron("pause", url=read_only).err.splitlines() == READ_ONLY


@pytest.mark.usefixtures("populated")
def test_every_view_can_be_read_on_a_standby(connection: psycopg.Connection, standby_url: str) -> None:
    views = [name for (name,) in connection.execute(VIEWS)]
    assert len(views) > 10
    with psycopg.connect(standby_url, autocommit=True) as standby:
        for view in views:
            count = f"SELECT count(*) FROM (SELECT * FROM pgcron.{view} OFFSET 0) v"
            assert standby.execute(count).fetchone() == connection.execute(count).fetchone(), view
        for call in (
            "explain('nightly')",
            "check_invariants()",
            "next_runs('@hourly', 'UTC', clock_timestamp(), 3)",
            "state_at(clock_timestamp())",
        ):
            standby.execute(f"SELECT * FROM pgcron.{call}").fetchall()


@pytest.mark.usefixtures("populated")
def test_a_standby_refuses_every_change_with_a_word_about_its_primary(
    pgcron: Any, standby_url: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    for line in (*MAKING, *CHANGING):
        if name_of(line) in NOTHING_TO_DO:
            continue
        refused = pgcron(*filled(line, connection, tmp_path, standby_url), url=standby_url, input=input_of(line))
        assert (refused.code, refused.err.splitlines()[-2:]) == (1, READ_ONLY), (line, refused.out, refused.err)


def without_times(text: str) -> str:
    """Without what differs from one second to the next, and from one server to another."""
    words = re.sub(r"\d+(\.\d+)?|\b(now|in|ago|ms|s|min|h|d|ahead of|behind)\b", "", text).split()
    return " ".join(words)


# Several hosts


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of 127.0.0.1 where nobody listens, and nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_commands_take_the_first_host_that_answers(pgcron: Any, pair: Pair, db_url: str, dead_port: int) -> None:
    url = several(db_url, pair, f"127.0.0.1:{dead_port},{pair.addresses(pair.primary)}")
    assert pgcron("db", "upgrade", url=url).out.startswith("already at ")
    assert pgcron("jobs", "create", "a", "--schedule", "@daily", "--handler", "h", url=url).code == 0
    assert pgcron("doctor", url=url).code == pgcron("doctor").code
    assert pgcron("db", "adopt", url=url).code == 0


def test_read_write_finds_the_primary_behind_its_standby(pgcron: Any, pair: Pair, db_url: str) -> None:
    pair.catch_up()
    hosts = pair.addresses(pair.standby, pair.primary)
    make = ("jobs", "create", "a", "--schedule", "@daily", "--handler", "h")
    refused = pgcron(*make, url=several(db_url, pair, hosts))
    assert (refused.code, refused.err.splitlines()) == (1, READ_ONLY)
    url = several(db_url, pair, hosts, target_session_attrs="read-write")
    assert pgcron(*make, url=url).code == 0
    assert pgcron("db", "upgrade", url=url).code == 0
    pair.catch_up()
    standby_first = several(
        db_url, pair, pair.addresses(pair.primary, pair.standby), target_session_attrs="prefer-standby"
    )
    assert pgcron("jobs", "show", "a", url=standby_first).code == 0
    assert pgcron("jobs", "disable", "a", url=standby_first).err.splitlines() == READ_ONLY


def test_when_no_host_will_do_the_error_tells_of_each(pgcron: Any, pair: Pair, db_url: str, dead_port: int) -> None:
    pair.catch_up()
    hosts = f"127.0.0.1:{dead_port},{pair.addresses(pair.standby)}"
    refused = pgcron("jobs", "list", url=several(db_url, pair, hosts, target_session_attrs="read-write"))
    assert refused.code == 4
    assert str(dead_port) in refused.err
    assert str(pair.standby.port) in refused.err
    assert "read-only" in refused.err
    assert str(pair.primary.password) not in refused.err


def test_a_url_of_several_hosts_is_shown_without_its_password(pgcron: Any) -> None:
    hosts = "db1.example:5432,[::1]:5433,[fe80::2]:5434"
    url = f"postgresql://joe:s3cret@{hosts}/shop?target_session_attrs=read-write&load_balance_hosts=random"
    shown = f"postgresql://joe:***@{hosts}/shop?target_session_attrs=read-write&load_balance_hosts=random"
    assert pgcron("db", "url", url=url).out == f"{shown}\n"
    pairs = pgcron("db", "url", url="host=a,b port=1,2 user=joe password=s3cret").out.split()
    assert sorted(pairs) == ["host=a,b", "password=***", "port=1,2", "user=joe"]


def several(url: str, pair: Pair, hosts: str, **params: str) -> str:
    name = conninfo_to_dict(url)["dbname"]
    query = f"?{urlencode(params)}" if params else ""
    return f"postgresql://postgres:{pair.primary.password}@{hosts}/{name}{query}"
