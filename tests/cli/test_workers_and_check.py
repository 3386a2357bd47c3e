"""pgcron workers list, pgcron check, pgcron config show."""

from __future__ import annotations

from typing import Any

import psycopg


def test_live_workers_are_listed(pgcron: Any, job: str, worker: Any) -> None:
    worker.begin(job)
    header, line = pgcron("workers", "list").out.splitlines()
    assert header.split() == [
        "state",
        "host",
        "pid",
        "app",
        "version",
        "beat",
        "lease",
        "runs",
        "queues",
        "handlers",
        "id",
    ]
    assert line.startswith("LIVE   host-1  4711  shop 1.4")
    assert "1 of 10" in line
    (found,) = pgcron("workers", "list", "--json").json
    assert (found["running_count"], found["handler_count"], found["queues"]) == (1, 1, None)


def test_workers_that_left_are_listed_only_when_asked_for(
    pgcron: Any, worker: Any, connection: psycopg.Connection
) -> None:
    connection.execute("SELECT pgcron.leave(%s)", (worker.id,))
    assert pgcron("workers", "list").err == "no worker is alive\n"
    assert pgcron("workers", "list", "--all").out.splitlines()[1].startswith("GONE")


def test_a_lapsed_lease_is_said(pgcron: Any, worker: Any, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() - interval '5 min'")
    assert "lapsed 5 min ago" in pgcron("workers", "list").out


def test_all_invariants_hold_on_a_healthy_database(pgcron: Any, job: str, worker: Any) -> None:
    worker.ran(job)
    done = pgcron("check")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("all ")
    assert int(done.out.split()[1]) >= 15
    assert pgcron("check", "--json").json["violations"] == []


def test_a_broken_invariant_is_told_and_exits_with_3(pgcron: Any, job: str, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE pgcron.cron_job SET success_count = 7")
    done = pgcron("check")
    assert done.code == 3
    assert "counters_exact  nightly  success 7/0" in done.out
    as_json = pgcron("check", "--json")
    assert as_json.code == 3
    assert as_json.json["violations"][0]["invariant"] == "counters_exact"


def test_settings_are_shown_with_their_source(pgcron: Any) -> None:
    url = "postgresql://me:s3cret@db/app"
    done = pgcron("config", "show", url=url, PGCRON_PROCESSES="7")
    assert done.code == 0
    assert "s3cret" not in done.out
    lines = {line.split()[0]: line.split() for line in done.out.splitlines()}
    assert lines["processes"][1:4] == ["7", "environment", "PGCRON_PROCESSES"]
    assert lines["concurrency"][1:4] == ["100", "default", "PGCRON_CONCURRENCY"]
    assert lines["database_url"][1] == "postgresql://me:***@db/app"


def test_settings_in_json_mask_secrets_too(pgcron: Any) -> None:
    done = pgcron("config", "show", "--json", "--database-url", "host=db password='s3 cret' user=me")
    found = {setting["name"]: setting for setting in done.json}
    assert "s3 cret" not in done.out
    assert "password=***" in found["database_url"]["value"]
    assert found["database_url"]["source"] == "option"
    assert found["processes"]["value"] == 4


def test_a_bad_setting_is_named(pgcron: Any) -> None:
    done = pgcron("config", "show", PGCRON_PROCESSES="many")
    assert done.code == 2
    assert "PGCRON_PROCESSES" in done.err
