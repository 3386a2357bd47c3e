"""pg_cron's rows as jobs of pgcron.sql."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pgcron_py.domain.pg_cron import Options, Row, entries_of

NOW = datetime(2026, 1, 15, tzinfo=UTC)
ROW = Row(7, "0 3 * * *", "VACUUM", "localhost", "shop", "marco", True, "nightly")
OPTIONS = Options("shop")


def test_a_row_becomes_a_job_with_pg_crons_manners() -> None:
    (entry,) = entries_of([ROW], OPTIONS, NOW)
    job = entry.declaration
    assert job is not None
    assert (job.name, job.schedule, job.timezone, job.handler) == ("nightly", "0 3 * * *", "UTC", "pgcron.sql")
    assert job.args == {"command": "VACUUM", "connection": "default"}
    assert (job.overlap_policy, job.catchup_policy, job.max_consecutive_failures, job.owner) == (
        "buffer_all",
        "skip",
        None,
        "marco",
    )
    assert entry.disabled_reason is None
    assert [note.kind for note in entry.notes] == ["role"]


def test_clock_changes_mean_what_they_meant() -> None:
    (entry,) = entries_of([replace(ROW, schedule="30 2 * * *")], replace(OPTIONS, timezone="Europe/Berlin"), NOW)
    assert entry.declaration is not None
    assert (entry.declaration.dst_gap, entry.declaration.dst_fold) == ("skip", "both")
    assert [note.kind for note in entry.notes if not note.changes] == ["dst", "dst"]


def test_seconds_restarts_and_what_is_off() -> None:
    rows = [
        replace(ROW, schedule=" 17  sEcOnDs", jobname=None),
        replace(ROW, schedule="@restart", nodename="worker-1", jobname="b"),
        replace(ROW, schedule="0 12 $ * *", active=False, jobname="c"),
    ]
    seconds, restart, last_day = entries_of(rows, OPTIONS, NOW)
    assert seconds.declaration is not None
    assert (seconds.declaration.name, seconds.declaration.schedule) == ("pg_cron job 7", "17 seconds")
    assert [note.kind for note in seconds.notes] == ["role", "interval"]
    assert restart.declaration is not None
    assert restart.declaration.schedule == "@reboot"
    assert [note.kind for note in restart.notes] == ["role", "role", "reboot"]
    assert last_day.disabled_reason == "not active in pg_cron"


def test_other_databases_need_a_connection() -> None:
    row = replace(ROW, database="reports")
    (entry,) = entries_of([row], OPTIONS, NOW)
    assert entry.refusal == "it is for database 'reports': say --map reports=CONNECTION"
    (entry,) = entries_of([row], replace(OPTIONS, connections={"reports": "warehouse"}), NOW)
    assert entry.declaration is not None
    assert entry.declaration.args["connection"] == "warehouse"
