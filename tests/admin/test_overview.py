"""The overview, health checks and settings over the API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pgcron_admin.controllers.overview import HIDDEN
from pgcron_admin.settings import AdminSettings
from support.admin import METRICS_TOKEN, SECRET, People, admin_process
from support.admin_sites import Site
from support.kept import kept


@pytest.fixture
def connection(db_url: str) -> Iterator[Any]:
    with psycopg.connect(db_url, autocommit=True) as found:
        yield found


@pytest.fixture
def renewed(site: Site) -> Site:
    """For what is not kept for a while, as the figures of a day are."""
    site.renew()
    return site


@pytest.fixture
def viewer(db_url: str, web_url: str) -> Iterator[Any]:
    with admin_process(web_url, "--dev") as server:
        yield People(db_url).session(server.url, "viewer")


def job(connection: Any, name: str) -> str:
    statement = "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '@yearly', 'h') RETURNING id"
    return str(connection.execute(statement, (name,)).fetchone()[0])


def run(
    connection: Any, job: str, seq: int, status: str, ago: str, reason: str | None = None, lag: str | None = None
) -> None:
    """ago: how long ago it began, an interval. lag: by schedule, so long after its occurrence."""
    connection.execute(
        """
        INSERT INTO pgcron.cron_log (id, job_id, seq, status, reason, cause, scheduled_for, covers_from, covers_to, is_exclusive, worker_id,
          started_at, completed_at, handler, job_version, schedule)
        SELECT overlay(pgcron.uuid_v7()::text PLACING substring(pgcron.uuid_v7_at(at)::text FROM 1 FOR 13) FROM 1 FOR 13)::uuid, %(job)s, %(seq)s,
          %(status)s, %(reason)s, CASE WHEN due IS NULL THEN 'manual' ELSE 'schedule' END, due, due - interval '1 s', due, false, %(worker)s, at,
          CASE WHEN %(status)s <> 'RUNNING' THEN at + interval '1 s' END, 'h', 1, '@yearly'
        FROM (SELECT clock_timestamp() - %(ago)s::interval AS at, clock_timestamp() - %(ago)s::interval - %(lag)s::interval AS due) t""",
        {"job": job, "seq": seq, "status": status, "reason": reason, "worker": uuid4(), "ago": ago, "lag": lag},
    )  # fmt: skip


def test_an_empty_installation_has_figures_too(viewer: Any) -> None:
    told = viewer.get("/api/overview").json()
    assert (told["jobs"]["total"], told["day"]["runs"], told["day"]["successRate"]) == (0, 0, None)
    assert (told["running"], told["upcoming"], told["oldestRunningMs"]) == ([], [], None)
    assert [it["what"] for it in told["attention"]] == ["workers"]


def test_the_figures_of_a_day_are_those_of_the_runs_that_began_in_it(viewer: Any, connection: Any) -> None:
    mine = job(connection, "counted")
    for seq, (status, ago, reason, lag) in enumerate(
        [
            ("SUCCESS", "1 min", None, "100 ms"),
            ("SUCCESS", "2 min", None, "300 ms"),
            ("FAILED", "3 hours", "error", None),
            ("FAILED", "4 hours", "timeout", None),
            ("RUNNING", "10 min", None, None),
            ("FAILED", "25 hours", "error", None),
        ],
        start=1,
    ):
        run(connection, mine, seq, status, ago, reason, lag)
    connection.execute("UPDATE pgcron.cron_job SET running_count = 1, run_seq = 6 WHERE id = %s", (mine,))
    for reason, count, ago in (("overlap", 3, "1 hour"), ("too_late", 1, "2 hours"), ("overlap", 7, "3 days")):
        connection.execute(
            "INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) "
            "SELECT %s, %s, t - interval '1 min', t, t, t, %s FROM (SELECT clock_timestamp() - %s::interval AS t) x", (mine, reason, count, ago),
        )  # fmt: skip
    connection.execute("SELECT pgcron.run_now('counted', NULL, NULL, 'buffer_one')")
    told = viewer.get("/api/overview").json()
    day = told["day"]
    assert (day["runs"], day["succeeded"], day["failed"], day["timedOut"]) == (5, 2, 1, 1)
    assert (day["successRate"], day["isTruncated"], day["missed"]) == (0.5, False, {"overlap": 3, "too_late": 1})
    assert day["lagP50Ms"] == pytest.approx(200, abs=2)
    assert day["lagP95Ms"] == pytest.approx(290, abs=2)
    assert sum(it["succeeded"] + it["failed"] + it["timedOut"] + it["running"] for it in day["buckets"]) == 5
    assert [it["job"] for it in told["running"]] == ["counted"]
    assert 600_000 <= told["oldestRunningMs"] < 900_000
    assert [(it["cause"], it["job"]) for it in told["upcoming"]] == [("manual", "counted"), ("schedule", "counted")]
    assert told["jobs"]["running"] == 1


def test_what_needs_attention_comes_with_the_most_pressing_first(renewed: Site) -> None:
    viewer, connection = renewed.session("viewer"), kept(renewed.db_url)
    mine = job(connection, "stuck")
    run(connection, mine, 1, "RUNNING", "10 min")
    connection.execute(
        "UPDATE pgcron.cron_job SET running_count = 1, run_seq = 9, success_count = 8, duration_sum_ms = 8000 WHERE id = %s", (mine,)
    )  # fmt: skip
    bad = job(connection, "broken")
    connection.execute("UPDATE pgcron.cron_job SET schedule_error = 'is no schedule' WHERE id = %s", (bad,))
    connection.execute("SELECT pgcron.pause_all('stocktaking')")
    attention = viewer.get("/api/overview").json()["attention"]
    severities = [it["severity"] for it in attention]
    assert severities == sorted(severities)
    found = {it["what"]: it for it in attention}
    assert found["workers"]["severity"] == "critical"
    assert "stocktaking" in found["paused"]["message"]
    assert found["schedules"]["see"] == "/api/cron-jobs?state=invalid"
    assert found["stuck_run"]["jobId"] == mine
    assert "usually over after 1.0 s" in found["stuck_run"]["message"]


def test_the_day_is_read_again_after_a_moment(viewer: Any, connection: Any) -> None:
    assert viewer.get("/api/overview").json()["day"]["runs"] == 0
    run(connection, job(connection, "new"), 1, "SUCCESS", "1 min")
    deadline = time.monotonic() + 30
    while viewer.get("/api/overview").json()["day"]["runs"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_health_checks_are_those_of_the_view(renewed: Site) -> None:
    viewer, connection = renewed.session("viewer"), kept(renewed.db_url)
    job(connection, "waiting")
    told = viewer.get("/api/health-checks").json()
    names = {name for (name,) in connection.execute("SELECT name FROM pgcron.health")}
    assert {it["name"] for it in told} == names
    assert (told[0]["name"], told[0]["state"]) == ("workers", "critical")
    assert {it["state"] for it in told} <= {"ok", "warning", "critical"}


def test_settings_tell_versions_and_nothing_that_is_secret_or_says_where_things_are(renewed: Site) -> None:
    viewer, connection = renewed.session("viewer"), kept(renewed.db_url)
    answer = viewer.get("/api/settings")
    told = answer.json()
    (revision,) = connection.execute("SELECT version_num FROM pgcron.alembic_version").fetchone()
    assert (told["database"]["revision"], told["database"]["isStandby"]) == (revision, False)
    assert (told["admin"]["sessionIdle"], told["admin"]["runsPerMinute"], told["admin"]["dev"]) == (1800, 10, True)
    assert SECRET not in answer.text
    assert METRICS_TOKEN not in answer.text
    assert "t_web" not in answer.text
    assert not {"databaseUrl", "secret", "metricsToken", "jwtKey", "trustedProxies"} & told["admin"].keys()
    assert AdminSettings.model_fields.keys() >= HIDDEN
