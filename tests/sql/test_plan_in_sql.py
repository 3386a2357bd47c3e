"""Whoever writes a job in psql sees its next run at once, and it is the one that a worker would have planned."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgcron_py.domain.decide import advance_after
from pgcron_py.domain.job import Timing
from pgcron_py.timetable import jittered_start
from support.steps import Stage

ROW = "SELECT * FROM pgcron.cron_job"
TEXTS = ("*/7 * * * *", "0 3 * * *", "@every 90m", "H H * * *", "0 0 L * *", "30 2 * * 0", "15 10 13 * 5")


def insert(stage: Stage, **columns: Any) -> dict[str, Any]:
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    stage.do(f"INSERT INTO pgcron.cron_job (handler, {names}) VALUES ('h', {marks})", *columns.values())
    return stage.row(f"{ROW} WHERE name = %s", columns["name"])


def timing_of(row: dict[str, Any]) -> Timing:
    return Timing(
        row["id"], row["name"], row["schedule"], row["timezone"], row["anchor_at"], row["jitter_ms"], row["dst_gap"], row["dst_fold"],
        row["extra_schedules"], row["excluded_schedules"], row["start_at"], row["end_at"], row["max_runs"],
    )  # fmt: skip


def test_a_new_job_has_the_next_run_that_a_worker_would_plan(stage: Stage) -> None:
    dice = random.Random(1)
    for number in range(60):
        row = insert(
            stage, name=f"j{number}", schedule=dice.choice(TEXTS), timezone=dice.choice(("UTC", "Europe/Berlin", "America/Havana")),
            jitter_ms=dice.choice((0, 0, 7_000, 86_400_000)), extra_schedules=["0 12 * * *"] if dice.random() < 0.3 else [],
            excluded_schedules=["* * * * 6,0"] if dice.random() < 0.3 else [],
        )  # fmt: skip
        planned = advance_after(timing_of(row), timing_of(row).plan(), row["covers_from"])
        assert (row["needs_plan"], row["next_scheduled_for"], row["next_run_at"]) == (False, planned.next_scheduled_for, planned.next_run_at), row["name"]  # fmt: skip
        assert row["planned_from"] == row["covers_from"]
    assert stage.broken_invariants() == []


def test_jitter_is_the_same_in_sql(stage: Stage) -> None:
    row = insert(stage, name="j", schedule="@daily", jitter_ms=86_400_000)
    for day in range(20):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        ours = stage.row(
            "SELECT pgcron.jittered_start(j, %s, %s) AS at FROM pgcron.cron_job j", at, at + timedelta(hours=12)
        )["at"]
        assert ours == jittered_start(str(row["id"]), at, 86_400_000, at + timedelta(hours=12))


def test_an_edit_that_gives_up_nothing_is_planned_at_once(stage: Stage) -> None:
    before = insert(stage, name="j", schedule="@daily")
    stage.do("UPDATE pgcron.cron_job SET schedule = '0 12 29 2 *', timezone = 'Europe/Berlin'")
    row = stage.row(ROW)
    assert (row["needs_plan"], row["version"]) == (False, before["version"] + 1)
    assert (row["next_run_at"].month, row["next_run_at"].hour) == (2, 11)
    stage.do("UPDATE pgcron.cron_job SET end_at = '2027-01-01'")
    assert stage.row(ROW)["next_run_at"] is None
    stage.do("UPDATE pgcron.cron_job SET end_at = NULL")
    stage.plan()
    assert stage.row(ROW)["next_run_at"] == row["next_run_at"]
    assert stage.broken_invariants() == []


def test_disabled_and_enabled_again_it_has_its_next_run_at_once(stage: Stage) -> None:
    before = insert(stage, name="j", schedule="0 12 29 2 *")
    stage.do("SELECT pgcron.disable('j')")
    assert stage.row(ROW)["next_run_at"] is None
    stage.do("SELECT pgcron.enable('j')")
    row = stage.row(ROW)
    assert (row["needs_plan"], row["next_run_at"]) == (False, before["next_run_at"])


def test_an_occurrence_that_has_passed_is_left_to_a_worker_to_count(stage: Stage) -> None:
    insert(stage, name="j", schedule="@daily")
    stage.do("UPDATE pgcron.cron_job SET next_scheduled_for = clock_timestamp() - interval '1 min', next_run_at = clock_timestamp() - interval '1 min', covers_from = covers_from - interval '1 h', ledger_from = ledger_from - interval '1 h'")  # fmt: skip
    stage.do("UPDATE pgcron.cron_job SET schedule = '@hourly'")
    assert stage.row(ROW)["needs_plan"]
    stage.plan()
    assert not stage.row(ROW)["needs_plan"]


def test_an_edit_has_one_instant(stage: Stage) -> None:
    """What was due before it belongs to the old definition, and updated_at says when that was."""
    insert(stage, name="j", schedule="@daily")
    stage.do("UPDATE pgcron.cron_job SET next_scheduled_for = clock_timestamp(), next_run_at = clock_timestamp()")
    stage.do("UPDATE pgcron.cron_job SET schedule = '@hourly'")
    row = stage.row(ROW)
    assert (row["needs_plan"], row["replan_at"]) == (True, row["updated_at"])


@pytest.mark.parametrize(("column", "value"), [("schedule", "@reboot"), ("timezone", "Mars/Phobos")])
def test_what_only_a_worker_can_plan_waits_for_one(stage: Stage, column: str, value: str) -> None:
    row = insert(stage, **{"name": "j", "schedule": "@daily", column: value})
    assert (row["needs_plan"], row["next_run_at"]) == (True, None)


def test_a_disabled_one_is_planned_but_has_no_next_run(stage: Stage) -> None:
    row = insert(stage, name="j", schedule="@daily", is_enabled=False)
    assert (row["needs_plan"], row["next_run_at"], row["next_scheduled_for"] is None) == (False, None, False)
