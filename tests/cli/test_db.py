"""pgcron db: upgrade, downgrade, current, check, seed, adopt, url."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest


def levels(done: Any) -> dict[str, str]:
    return {line["subject"]: line["level"] for line in done.json["lines"]}


def test_an_empty_database_is_upgraded_once(pgcron: Any, empty_db_url: str) -> None:
    assert pgcron("db", "current", url=empty_db_url).code == 4
    assert pgcron("db", "upgrade", url=empty_db_url).out.startswith("upgraded from nothing to ")
    assert pgcron("db", "upgrade", url=empty_db_url).out.startswith("already at ")
    done = pgcron("db", "current", url=empty_db_url, input=None)
    assert (done.code, "(the newest)" in done.out) == (0, True)
    assert pgcron("db", "current", "--json", url=empty_db_url).json["is_current"] is True


def test_a_downgrade_asks_for_yes(pgcron: Any, connection: psycopg.Connection) -> None:
    done = pgcron("db", "downgrade", "base")
    assert (done.code, done.err.splitlines()[1]) == (2, "  hint: say --yes if that is meant")
    assert pgcron("db", "current").code == 0
    assert pgcron("db", "downgrade", "base", "--yes").out.startswith("downgraded to nothing")
    assert pgcron("jobs", "list").code == 4


@pytest.mark.parametrize("command", [("upgrade", "--revision", "nope"), ("downgrade", "nope", "--yes")])
def test_an_unknown_revision_is_refused(pgcron: Any, command: tuple[str, ...]) -> None:
    done = pgcron("db", *command)
    assert (done.code, "'nope'" in done.err) == (2, True)
    assert "this is a bug" not in done.err


def test_a_fit_database_passes_every_check(pgcron: Any, job: str, worker: Any) -> None:
    done = pgcron("db", "check", "--json")
    assert done.code == 0
    subjects = (
        "reachable",
        "server version",
        "revision",
        "clone guard",
        "schema guard",
        "connections",
        "roles",
        "workers",
        "time zones",
    )
    assert levels(done) == dict.fromkeys(subjects, "ok")
    assert pgcron("db", "check").out.startswith("ok    reachable")


def test_no_worker_is_a_warning_only(pgcron: Any) -> None:
    done = pgcron("db", "check", "--json")
    assert (done.code, levels(done)["workers"]) == (0, "warn")


def test_a_copy_fails_the_clone_guard_until_it_is_adopted(pgcron: Any, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE pgcron.cron_meta SET database_oid = 1")
    done = pgcron("db", "check", "--json")
    assert (done.code, levels(done)["clone guard"]) == (3, "fail")
    assert pgcron("db", "adopt").code == 0
    assert pgcron("db", "check").code == 0


def test_another_revision_fails_the_check(pgcron: Any, connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM pgcron.alembic_version")
    done = pgcron("db", "check", "--json")
    assert (done.code, levels(done)["revision"]) == (3, "fail")


def test_a_zone_of_a_job_that_is_unknown_here_is_a_warning(
    pgcron: Any, job: str, connection: psycopg.Connection
) -> None:
    connection.execute("UPDATE pgcron.cron_job SET timezone = 'Mars/X'")
    done = pgcron("db", "check")
    assert done.code == 0
    assert "warn  time zones      Mars/X, of 1 job(s) such as 'nightly': unknown here" in done.out


def test_a_zone_that_differs_from_the_servers_is_a_warning(
    pgcron: Any, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoneinfo import ZoneInfo

    from pgcron_py.app import readiness

    monkeypatch.setattr(readiness, "load_zone", lambda name: ZoneInfo("Asia/Kolkata"))
    assert "UTC+05:30 here but UTC+0" in pgcron("db", "check").out


def test_a_pause_is_a_warning(pgcron: Any, connection: psycopg.Connection) -> None:
    connection.execute(
        "UPDATE pgcron.cron_meta SET paused_at = clock_timestamp(), paused_by = 'ops', paused_reason = 'move'"
    )
    assert "all claims are paused by ops: move" in pgcron("db", "check").out


def test_too_few_connections_are_a_warning(pgcron: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgcron_py.app.readiness.WORKER_CONNECTIONS", 10_000)
    assert levels(pgcron("db", "check", "--json"))["connections"] == "warn"


def test_a_server_that_is_too_old_fails(pgcron: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgcron_py.app.readiness.OLDEST_SERVER", 99)
    done = pgcron("db", "check", "--json")
    assert (done.code, levels(done)["server version"]) == (3, "fail")


def test_a_database_that_is_not_set_up_or_not_there_exits_with_4(pgcron: Any, empty_db_url: str) -> None:
    done = pgcron("db", "check", url=empty_db_url)
    assert (done.code, "FAIL  schema" in done.out) == (4, True)
    done = pgcron("db", "check", url="postgresql://postgres@127.0.0.1:1/x")
    assert (done.code, "FAIL  reachable" in done.out) == (4, True)


def test_the_reader_may_check_too(pgcron: Any, reader_url: str) -> None:
    done = pgcron("db", "check", "--json", url=reader_url)
    assert done.code == 0
    assert levels(done)["roles"] == "ok"


def test_a_fresh_installation_needs_nothing_more(pgcron: Any, connection: psycopg.Connection) -> None:
    assert pgcron("db", "seed").out.startswith("the roles are there already")
    assert pgcron("db", "seed", "--sample").out == "created pgcron.sample, disabled\n"
    assert pgcron("db", "seed", "--sample").out == "pgcron.sample is there already\n"
    assert connection.execute("SELECT name, is_enabled FROM pgcron.cron_job").fetchall() == [("pgcron.sample", False)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@db:5432/app", "postgresql://me:***@db:5432/app"),
        ("postgresql://me:p@s3cret@db/app", "postgresql://me:***@db/app"),
        (
            "postgresql://me@db/app?password=s3cret&sslmode=require",
            "postgresql://me@db/app?password=***&sslmode=require",
        ),
        ("postgresql://me:s3?cr#et@db/app", "postgresql://me:***@db/app"),
        ("postgresql://me:s3cret@db?application_name=a+b%20c", "postgresql://me:***@db?application_name=a+b%20c"),
        ("postgresql://me@db/app?p%61ssword=s3cret", "postgresql://me@db/app?p%61ssword=***"),
        ("host=db user=me password = 's3cret s3cret'", "user=me password=*** host=db"),
        ("postgresql://me@db/app", "postgresql://me@db/app"),
        ("s3cret nonsense", "*** (not a database URL)"),
    ],
)
def test_the_url_is_shown_without_its_password(pgcron: Any, url: str, shown: str) -> None:
    assert pgcron("db", "url", url=url).out == f"{shown}\n"
    assert pgcron("db", "url", "--show-password", url=url).out == f"{url}\n"
