"""schedule(), alter_job(), unschedule(), plan(), describe(), purge_logs(), support_bundle(): as a DBA calls them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgcron_py.domain.words import Reason
from support.ageing import ended, make_old
from support.steps import Stage, failure


def refused(stage: Stage, statement: str, *values: Any) -> psycopg.errors.Diagnostic:
    with psycopg.connect(stage.url, autocommit=True) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute(statement, values or None)
    assert (refusal.value.sqlstate or "").startswith("PC"), refusal.value
    assert refusal.value.diag.message_hint
    return refusal.value.diag


def test_schedule_makes_a_job_and_changes_it_by_its_name(stage: Stage) -> None:
    made = stage.row("SELECT pgcron.schedule('nightly', '0 3 * * *', 'shop:close', '{\"a\": 1}', 'Europe/Berlin', '{\"timeout_ms\": 60000, \"tags\": [\"shop\"]}') AS id")  # fmt: skip
    row = stage.row("SELECT * FROM pgcron.cron_job")
    assert (row["id"], row["origin"], row["timeout_ms"], row["tags"], row["needs_plan"]) == (
        made["id"],
        "sql",
        60_000,
        ["shop"],
        False,
    )
    again = stage.row("SELECT pgcron.schedule('nightly', '0 4 * * *', 'shop:close') AS id")
    row = stage.row("SELECT * FROM pgcron.cron_job")
    assert (again["id"], row["schedule"], row["timezone"], row["args"], row["timeout_ms"], row["version"]) == (made["id"], "0 4 * * *", "UTC", {}, 60_000, 2)  # fmt: skip


def test_alter_changes_what_is_named_and_nothing_else(stage: Stage) -> None:
    stage.do("SELECT pgcron.schedule('j', '@daily', 'h', '{}', 'UTC', '{\"timeout_ms\": 1000, \"owner\": \"ana\"}')")
    version = stage.row(
        'SELECT pgcron.alter_job(\'j\', \'{"timeout_ms": null, "overlap_policy": "allow_all", "max_running": 3}\') AS v'
    )["v"]
    row = stage.row("SELECT * FROM pgcron.cron_job")
    assert (version, row["timeout_ms"], row["owner"], row["is_exclusive"], row["max_running"]) == (
        2,
        None,
        "ana",
        False,
        3,
    )
    stage.do("SELECT pgcron.alter_job('j', '{\"overlap_policy\": \"skip\"}')")
    row = stage.row("SELECT * FROM pgcron.cron_job")
    assert (row["is_exclusive"], row["max_running"]) == (True, 1)
    assert stage.row("SELECT pgcron.alter_job('j', '{}') AS v") == {"v": 3}


@pytest.mark.parametrize(
    ("changes", "detail", "words"),
    [
        ({"colour": "red"}, "field: colour", "no field 'colour'"),
        ({"is_locked": True}, "field: is_locked", "no field"),
        ({"timeout_ms": "soon"}, "field: changes", "soon"),
        ({"start_at": "gestern"}, "field: changes", "gestern"),
        ({"schedule": "0 25 * * *"}, None, "25"),
        ([1], "field: changes", "no JSON object"),
    ],
)
def test_a_wrong_change_is_refused_with_its_field(stage: Stage, changes: Any, detail: str | None, words: str) -> None:
    stage.do("SELECT pgcron.schedule('j', '@daily', 'h')")
    diag = refused(stage, "SELECT pgcron.alter_job('j', %s)", Jsonb(changes))
    assert words in (diag.message_primary or "")
    assert detail in (None, diag.message_detail)


def test_unschedule_deletes_and_says_when_it_may_not(stage: Stage) -> None:
    stage.do("SELECT pgcron.schedule('j', '@daily', 'h')")
    stage.do("SELECT pgcron.unschedule('j')")
    assert stage.rows("SELECT FROM pgcron.cron_job") == []
    assert "no job is named 'j'" in (refused(stage, "SELECT pgcron.unschedule('j')").message_primary or "")
    stage.job()
    stage.actor().claim(stage.worker())
    assert "is running" in (refused(stage, "SELECT pgcron.unschedule('job')").message_primary or "")


def test_plan_shows_old_and_new_side_by_side_and_changes_nothing(stage: Stage) -> None:
    stage.do("SELECT pgcron.schedule('j', '0 */6 * * *', 'h')")
    rows = stage.rows("SELECT * FROM pgcron.plan('j', '0 */4 * * *', NULL, 6)")
    effects = {(row["at"].hour, row["effect"]) for row in rows}
    assert {(0, "stays"), (12, "stays"), (4, "would run in addition"), (8, "would run in addition")} & effects
    assert all((hour % 6 == 0) == (effect != "would run in addition") for hour, effect in effects)
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert stage.row("SELECT schedule, version FROM pgcron.cron_job") == {"schedule": "0 */6 * * *", "version": 1}
    assert "99" in (refused(stage, "SELECT * FROM pgcron.plan('j', '99 * * * *')").message_primary or "")


def test_describe_tells_a_job_in_lines(stage: Stage) -> None:
    stage.do("SELECT pgcron.schedule('j', '0 3 * * *', 'h', '{}', 'Europe/Berlin')")
    lines = [(row["field"], row["value"]) for row in stage.rows("SELECT * FROM pgcron.describe('j')")]
    assert lines[0] == ("state", "enabled")
    assert ("schedule", "0 3 * * *") in lines
    assert sum(field == "next run" and value.endswith("03:00:00") for field, value in lines) == 5


def test_purge_logs_deletes_what_is_old_at_once(stage: Stage) -> None:
    job = stage.job(due=None)
    make_old(stage, ended(stage, job, 5), 40)
    ended(stage, job, 2)
    assert stage.row("SELECT pgcron.purge_logs(50) AS n") == {"n": 0}
    assert stage.row("SELECT pgcron.purge_logs(30) AS n") == {"n": 5}
    assert "days is 0" in (refused(stage, "SELECT pgcron.purge_logs(0)").message_primary or "")


def test_a_support_bundle_holds_what_explains_a_run(stage: Stage) -> None:
    worker = stage.worker()
    stage.job(ping_url="https://ping.example/secret")
    (run,) = stage.actor().claim(worker)
    stage.actor().finish(worker, failure(stage, run, Reason.ERROR))
    bundle = stage.row("SELECT pgcron.support_bundle(%s) AS b", run)["b"]
    assert (bundle["run"]["error"], bundle["job"]["name"], bundle["worker"]["host"]) == ("boom", "job", "test")
    assert bundle["explanation"]
    assert "secret" not in str(bundle)
    assert "no run is" in (refused(stage, "SELECT pgcron.support_bundle(%s)", uuid4()).message_primary or "")
