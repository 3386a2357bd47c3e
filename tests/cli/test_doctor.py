"""pgcron doctor: each check made ill for real, and no worker alive."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
import time_machine

from pgcron_py.app.database import upgrade
from pgcron_py.app.doctor import ADVICE
from pgcron_py.embedded import EmbeddedServer


def checks(result: Any) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in result.json["checks"]}


def found(pgcron: Any, name: str) -> tuple[str, str]:
    check = checks(pgcron("doctor", "--json"))[name]
    assert bool(check["advice"]) is (check["state"] != "ok")
    return check["state"], check["message"]


def test_a_healthy_database_is_ok(pgcron: Any, job: str, worker: Any, connection: psycopg.Connection) -> None:
    worker.ran(job)
    connection.execute(
        "UPDATE pgcron.cron_job SET needs_plan = false, next_run_at = clock_timestamp() + interval '1 h'"
    )
    done = pgcron("doctor")
    assert (done.code, done.err) == (0, "")
    assert {line.split()[0] for line in done.out.splitlines()} == {"ok"}
    assert pgcron("doctor", "--nagios").out.startswith("PGCRON OK - all ")
    names = checks(pgcron("doctor", "--json"))
    assert set(ADVICE) - {"reachable"} == set(names)
    assert {check["state"] for check in names.values()} == {"ok"}


def test_a_dead_fleet_is_told_with_no_worker_alive(
    pgcron: Any, job: str, worker: Any, connection: psycopg.Connection
) -> None:
    worker.begin(job)
    connection.execute(
        "UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() - interval '10 min', beat_at = clock_timestamp() - interval '11 min'"
    )
    connection.execute("UPDATE pgcron.cron_reaper SET last_tick = clock_timestamp() - interval '11 min'")
    connection.execute(
        "UPDATE pgcron.cron_job SET needs_plan = false, next_run_at = clock_timestamp() - interval '10 min'"
    )
    done = pgcron("doctor")
    assert done.code == 2
    lines = done.out.splitlines()
    assert lines[0].startswith("critical")
    assert "no worker is alive: the fleet is silent since" in done.out
    assert "1 overdue since up to 00:10:00: nightly" in done.out
    assert "1 RUNNING on workers that are gone" in done.out
    assert "what to do: start one" in done.out
    line = pgcron("doctor", "--nagios").out
    assert line.startswith(("PGCRON CRITICAL - workers: ", "PGCRON CRITICAL - overdue: "))
    assert line.count("\n") == 1
    assert line.rstrip().endswith("| ok=14 warning=1 critical=2 unknown=0")


def test_a_database_that_cannot_be_asked_is_unknown(pgcron: Any, empty_db_url: str) -> None:
    nobody = pgcron("doctor", url="postgresql://nobody@127.0.0.1:1/none")
    assert (nobody.code, nobody.out.split()[0]) == (3, "unknown")
    assert pgcron("doctor", "--nagios", url="postgresql://nobody@127.0.0.1:1/none").out.startswith(
        "PGCRON UNKNOWN - reachable"
    )
    bare = pgcron("doctor", "--json", url=empty_db_url)
    assert bare.code == 3
    assert "no schema pgcron" in bare.json["checks"][0]["message"]


def test_overdue_jobs(pgcron: Any, job: str, worker: Any, connection: psycopg.Connection) -> None:
    for minutes, state in ((0.5, "ok"), (2, "warning"), (6, "critical")):
        connection.execute(
            "UPDATE pgcron.cron_job SET needs_plan = false, next_run_at = clock_timestamp() - %s * interval '1 min'",
            (minutes,),
        )
        assert found(pgcron, "overdue")[0] == state


def test_a_job_without_a_success_for_too_long(
    pgcron: Any, job: str, worker: Any, connection: psycopg.Connection
) -> None:
    connection.execute("UPDATE pgcron.cron_job SET must_succeed_every_ms = 60000")
    assert found(pgcron, "unsuccessful")[0] == "ok"
    connection.execute("UPDATE pgcron.cron_job SET created_at = created_at - interval '1 h'")
    assert found(pgcron, "unsuccessful") == ("critical", "1 without a success for longer than they may: nightly")
    worker.ran(job)
    assert found(pgcron, "unsuccessful")[0] == "ok"


def test_handlers_without_a_worker(pgcron: Any, worker: Any, job: str, connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE pgcron.cron_job SET handler = 'shop:open', needs_plan = false, next_run_at = clock_timestamp() + interval '1 h'"
    )
    assert found(pgcron, "no_worker")[0] == "warning"
    connection.execute("SELECT pgcron.check_alerts()")
    connection.execute("UPDATE pgcron.cron_alert SET opened_at = opened_at - interval '6 min'")
    connection.execute("UPDATE pgcron.cron_watch SET looked_at = looked_at - interval '1 min'")
    connection.execute("SELECT pgcron.check_alerts()")
    assert found(pgcron, "no_worker") == ("critical", "1 enabled, with a handler that no live worker has: nightly")
    pgcron("notify", "ack", "--all")
    assert found(pgcron, "no_worker")[0] == "ok"  # somebody cares


def test_late_and_slow_jobs(pgcron: Any, worker: Any, job: str, connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE pgcron.cron_job SET late_after_ms = 1000, slow_after_ms = 1000, needs_plan = false, next_run_at = clock_timestamp() - interval '3 s'"
    )
    worker.begin(job)
    connection.execute("UPDATE pgcron.cron_log SET started_at = started_at - interval '1 min'")
    assert found(pgcron, "late") == ("warning", "1 late: nightly")
    assert found(pgcron, "slow") == ("warning", "1 slower than they should be: nightly")


def test_failing_jobs_until_somebody_cares(pgcron: Any, worker: Any, job: str, failure: dict[str, object]) -> None:
    worker.ran(job, **failure)
    assert found(pgcron, "failing") == ("warning", "1 fail, of which 0 were disabled: nightly")
    worker.ran(job, **failure)
    worker.ran(job, **failure)
    assert found(pgcron, "failing") == ("critical", "1 fail, of which 1 were disabled: nightly")
    pgcron("notify", "ack", "--all")
    assert found(pgcron, "failing")[0] == "ok"


def test_a_paused_fleet(pgcron: Any, worker: Any) -> None:
    pgcron("pause", "--reason", "upgrade")
    state, message = found(pgcron, "paused")
    assert state == "warning"
    assert message.endswith(": upgrade")


def test_a_schedule_that_cannot_be_read(pgcron: Any, worker: Any, job: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE pgcron.cron_job SET schedule_error = 'from an older release'")
    assert found(pgcron, "schedules")[0] == "warning"


def test_messages_that_were_given_up_or_wait_for_long(
    pgcron: Any, worker: Any, job: str, failure: dict[str, object], connection: psycopg.Connection
) -> None:
    pgcron("notify", "channels", "add", "hook", "webhook+http://127.0.0.1:1/in")
    worker.ran(job, **failure)
    assert found(pgcron, "notifications")[0] == "ok"
    connection.execute("UPDATE pgcron.cron_outbox SET created_at = created_at - interval '10 min'")
    assert found(pgcron, "notifications")[0] == "warning"  # nobody dispatched it
    connection.execute("SELECT pgcron.dispatch_outbox(10)")
    assert found(pgcron, "notifications")[0] == "ok"
    connection.execute("UPDATE pgcron.cron_delivery SET created_at = created_at - interval '10 min'")
    assert found(pgcron, "notifications") == (
        "warning",
        "0 given up within a day, 1 waiting for more than 5 minutes (channels: hook)",
    )
    connection.execute("UPDATE pgcron.cron_delivery SET state = 'GIVEN_UP', ended_at = clock_timestamp()")
    assert found(pgcron, "notifications")[0] == "critical"
    connection.execute("UPDATE pgcron.cron_delivery SET ended_at = clock_timestamp() - interval '2 days'")
    assert found(pgcron, "notifications")[0] == "ok"


def test_a_copy_that_nobody_adopted(pgcron: Any, worker: Any, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE pgcron.cron_meta SET system_identifier = '1'")
    assert found(pgcron, "schema") == ("critical", "this database is a copy that nobody adopted: workers refuse it")


def test_an_older_revision(pgcron: Any, worker: Any, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE pgcron.alembic_version SET version_num = '0005'")
    assert found(pgcron, "revision")[0] == "warning"


def test_a_host_whose_clock_differs(pgcron: Any, worker: Any) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=3)):
        state, message = found(pgcron, "clock")
    assert state == "warning"
    assert message.startswith("the server's clock is 10")
    assert message.endswith(" s behind this host's")


@pytest.mark.skipif(os.environ.get("PGCRON_TEST_PG", "18") != "18", reason="older servers' queues have 8 GB each")
def test_a_notification_queue_that_nobody_empties(pgcron: Any) -> None:
    """A listener in a transaction that goes on keeps what comes after its begin."""
    with EmbeddedServer("18", settings={"max_notify_queue_pages": "64"}) as server:
        url = f"postgresql://{server.user}@/postgres?{urlencode({'host': server.host, 'port': server.port})}"
        upgrade(url)
        with psycopg.connect(url) as listener, psycopg.connect(url, autocommit=True) as speaker:
            listener.execute("LISTEN x")
            listener.commit()
            listener.execute("SELECT 1")
            for _ in range(10):
                speaker.execute("SELECT pg_notify('x', repeat('y', 7900) || i) FROM generate_series(1, 4) i")
            state, message = found(partial(pgcron, url=url), "notify_queue")
    assert state == "critical"
    assert message.startswith("the queue of LISTEN and NOTIFY is ")


def test_connections_near_their_limit(pgcron: Any, worker: Any, connection: psycopg.Connection, db_url: str) -> None:
    row = connection.execute("""SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')""").fetchone()
    assert row is not None
    with ExitStack() as stack:
        for _ in range(row[0] - 2):
            stack.enter_context(psycopg.connect(db_url))
        assert found(pgcron, "connections")[0] == "critical"


@pytest.mark.long
def test_dead_rows_that_vacuum_cannot_take(
    pgcron: Any, worker: Any, job: str, connection: psycopg.Connection, db_url: str
) -> None:
    assert found(pgcron, "bloat") == ("ok", "dead rows are few")
    with psycopg.connect(db_url) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1 FROM pgcron.cron_job")
        connection.execute("""DO $$ BEGIN FOR i IN 1..10001 LOOP
            UPDATE pgcron.cron_job SET last_run_at = clock_timestamp(); END LOOP; END $$""")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT 1")
        state, message = found(pgcron, "bloat")
        assert state == "warning"
        assert message.startswith("dead rows wait for vacuum in cron_job (10001")


def test_the_view_needs_no_worker_and_no_more_than_the_readers_role(pgcron: Any, job: str, reader_url: str) -> None:
    done = pgcron("doctor", "--json", url=reader_url)
    assert done.code == 2, done.out
    assert checks(done)["workers"]["message"].startswith("no worker is alive")
    with psycopg.connect(reader_url) as reader:
        rows = reader.execute("SELECT name, state, message, evidence FROM pgcron.health").fetchall()
    assert {type(row[3]) for row in rows} == {dict}
    assert json.dumps([row[3] for row in rows])
