"""Workers with several hosts in their URL: dead ones, silent ones, a standby, and one that is promoted."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from conftest import SERVERS

from pgcron_py.app import database
from pgcron_workers.session import attempts_of
from support.fleet import Fleet, fleet_in
from support.standby import Pair, pair_of

TICK = "@app.cron_job('tick', '* * * * * *', idempotent=True)\nasync def tick(): ...\n"
READ_WRITE = "?target_session_attrs=read-write"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with pair_of(SERVERS[os.environ.get("PGCRON_TEST_PG", "18")]) as started:
        database.upgrade(started.primary.url)
        started.catch_up()
        yield started


@pytest.fixture
def paired_fleet(pair: Pair, tmp_path: Path) -> Iterator[Fleet]:
    """Looks at the primary; its workers have no URL yet."""
    with fleet_in(tmp_path, pair.primary.url, "") as fleet:
        fleet.app(TICK)
        yield fleet


@contextmanager
def silent_port() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "count"),
    [
        ("postgresql://joe@db/shop", 1),
        ("postgresql:///shop", 1),
        ("postgresql://joe@a:1,b:2,c:3/shop", 3),
        ("host=a,b user=joe", 2),
        ("hostaddr=10.0.0.1,10.0.0.2 user=joe", 2),
        ("postgresql://a,b/shop?target_session_attrs=prefer-standby", 4),
    ],
)
def test_each_host_of_a_url_is_one_attempt(url: str, count: int) -> None:
    assert attempts_of(url) == count


def test_the_hosts_of_the_environment_count_where_the_url_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "a,b,c")
    assert (attempts_of("dbname=shop"), attempts_of("host=a dbname=shop")) == (3, 1)


@pytest.mark.long
def test_a_worker_finds_the_primary_though_the_hosts_before_it_are_silent_or_a_standby(
    pair: Pair, paired_fleet: Fleet
) -> None:
    with silent_port() as first, silent_port() as second:
        hosts = f"127.0.0.1:{first},127.0.0.1:{second},{pair.addresses(pair.standby, pair.primary)}"
        url = f"postgresql://postgres:{pair.primary.password}@{hosts}/postgres{READ_WRITE}"
        worker = paired_fleet.start(url=url, ready=False)
        worker.says('"worker_ready"', 60)  # 5 s for each silent host
        assert str(pair.primary.password) not in worker.log


@pytest.mark.long
def test_a_worker_on_a_standby_says_so_and_waits_until_it_is_promoted(pair: Pair, paired_fleet: Fleet) -> None:
    worker = paired_fleet.start(url=pair.standby.url, ready=False)
    worker.says("takes no changes")
    worker.says("target_session_attrs=read-write")
    assert worker.process.poll() is None
    assert '"worker_ready"' not in worker.log
    with psycopg.connect(pair.standby.url, autocommit=True) as connection:
        connection.execute("SELECT pg_promote()")
    worker.says('"worker_ready"')
    paired_fleet.url = pair.standby.url
    assert paired_fleet.ended("tick")[0]["status"] == "SUCCESS"
    assert worker.stop() == 0


@pytest.mark.long
def test_workers_follow_a_failover_to_the_promoted_standby(pair: Pair, paired_fleet: Fleet) -> None:
    url = pair.url(pair.primary, pair.standby, dbname="postgres", more=READ_WRITE)
    worker = paired_fleet.start(url=url, PGCRON_LEASE_TTL="8", PGCRON_BEAT="1")
    paired_fleet.ended("tick")
    pair.catch_up()
    pair.primary.stop("immediate")
    worker.says('"database_away"')
    paired_fleet.url = pair.standby.url
    paired_fleet.do("SELECT pg_promote()")
    (before,) = paired_fleet.rows("SELECT count(*) FROM pgcron.cron_log WHERE status = 'SUCCESS'")
    worker.says('"database_back"')
    paired_fleet.ended("tick", before["count"] + 2)
    assert paired_fleet.broken_invariants() == []
    assert worker.stop() == 0
