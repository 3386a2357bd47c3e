"""A job's occurrences by SQL are those by Python: several schedules, exclusions, a period; and refusals at once."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from pgcron_py.domain.job import Timing
from pgcron_py.domain.words import JobId
from pgcron_py.timetable import following
from support.steps import Stage

TEXTS = (
    "*/20 * * * *",
    "7 */3 * * *",
    "30 2 * * *",
    "H H * * 1-5",
    "@every 50m",
    "15 1-3 * * 0",
    "0 0 L * *",
    "5 */30 * * * *",
    "31 59 * * * *",
    "0 * * * *",
)
EXCLUSIONS = ("* * * * 6,0", "* 2 * * *", "* 22-23,0 * * *", "* * 29 * *")
ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "America/Sao_Paulo")
ASK = """
SELECT array(SELECT * FROM pgcron.job_next_runs(jsonb_populate_record(NULL::pgcron.cron_job, %s), %s, 6))
"""


@pytest.mark.parametrize("seed", range(3))
def test_sql_and_python_name_the_same_occurrences(sql_schedules: psycopg.Connection, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(60):
        after = datetime(2026, dice.choice((3, 4, 10, 11)), dice.randint(1, 30), tzinfo=UTC) + timedelta(
            seconds=dice.randint(0, 86_400), microseconds=dice.choice((0, 1))
        )
        texts, zone = dice.sample(TEXTS, dice.randint(1, 3)), dice.choice(ZONES)
        excluded = dice.sample(EXCLUSIONS, dice.randint(0, 2))
        start = after + timedelta(seconds=dice.randint(0, 10**6)) if dice.random() < 0.3 else None
        end = after + timedelta(seconds=dice.randint(10**6, 10**7)) if dice.random() < 0.3 else None
        timing = Timing(JobId(UUID(int=1)), "j", texts[0], zone, after - timedelta(days=1), 0, None, None, texts[1:], excluded, start, end)  # fmt: skip
        job = {
            "name": "j", "schedule": texts[0], "extra_schedules": texts[1:], "excluded_schedules": excluded, "timezone": zone,
            "anchor_at": timing.anchor.isoformat(), "start_at": start and start.isoformat(), "end_at": end and end.isoformat(),
        }  # fmt: skip
        (found,) = sql_schedules.execute(ASK, (psycopg.types.json.Jsonb(job), after)).fetchone()
        assert found == following(timing.plan(), after, 6), job


def test_the_first_instant_after_an_excluded_hour_is_named(sql_schedules: psycopg.Connection) -> None:
    job = {"name": "j", "schedule": "31 59 0 * * *", "extra_schedules": ["0 1 * * *"], "excluded_schedules": ["* 0 * * *"],
           "timezone": "UTC", "anchor_at": "2026-01-01T00:00Z"}  # fmt: skip
    (found,) = sql_schedules.execute(ASK, (psycopg.types.json.Jsonb(job), datetime(2026, 1, 1, tzinfo=UTC))).fetchone()
    assert found == [datetime(2026, 1, day, 1, tzinfo=UTC) for day in range(1, 7)]


def test_what_is_excluded_for_ever_ends(sql_schedules: psycopg.Connection) -> None:
    job = {"name": "j", "schedule": "* * * * * *", "extra_schedules": [], "excluded_schedules": ["* * * * *"],
           "timezone": "UTC", "anchor_at": "2026-01-01T00:00Z"}  # fmt: skip
    (found,) = sql_schedules.execute(ASK, (psycopg.types.json.Jsonb(job), datetime(2026, 1, 1, tzinfo=UTC))).fetchone()
    assert found == []


@pytest.mark.parametrize(
    ("column", "value", "sqlstate", "message"),
    [
        ("extra_schedules", ["0 24 * * *"], "PC002", "24"),
        ("extra_schedules", ["@reboot"], "PC014", "@reboot"),
        ("excluded_schedules", ["0 0 25 12 *"], "PC014", "single minutes"),
        ("excluded_schedules", ["* * 25 13 *"], "PC002", "13"),
        ("excluded_schedules", ["@daily"], "PC014", "single minutes"),
    ],
)
def test_a_wrong_one_is_refused_at_once(
    stage: Stage, column: str, value: list[str], sqlstate: str, message: str
) -> None:
    stage.job(due=None)
    with (
        psycopg.connect(stage.url, autocommit=True) as connection,
        pytest.raises(psycopg.Error, match=message) as refusal,
    ):
        connection.execute(f"UPDATE pgcron.cron_job SET {column} = %s", (value,))
    assert refusal.value.sqlstate == sqlstate
    assert refusal.value.diag.message_hint


def test_a_change_of_any_of_them_is_a_new_plan(stage: Stage) -> None:
    stage.job(due=None)
    for change in ("extra_schedules = '{@daily}'", "excluded_schedules = '{* * 1 * *}'", "start_at = '2099-01-01'", "end_at = '2099-02-01'", "max_runs = 3"):  # fmt: skip
        stage.do(f"UPDATE pgcron.cron_job SET {change}")
        stage.plan()
        assert stage.row("SELECT planned = pgcron.job_timing(j) AS current FROM pgcron.cron_job j") == {
            "current": True
        }, change
    assert stage.row("SELECT next_scheduled_for FROM pgcron.cron_job")["next_scheduled_for"] == datetime(2099, 1, 2, tzinfo=UTC)  # fmt: skip
