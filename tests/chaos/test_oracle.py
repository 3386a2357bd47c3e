"""The oracle of the storm notices what it is for: a run too few, a run too many, a hole, a wrong count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from chaos.storm import effects, oracle, plan, records

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Row = dict[str, Any]


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class Forger:
    """Writes rows past the triggers: what a broken product would leave."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection
        connection.execute("SET session_replication_role = replica")
        connection.execute("CREATE TABLE effect (what text)")

    def job(self, schedule: str, name: str = "job", **columns: Any) -> Any:
        """Created at T0, on a whole second."""
        fields = {"name": name, "schedule": schedule, "handler": "h", "anchor_at": T0, "ledger_from": T0, "covers_from": T0, **columns}  # fmt: skip
        marks = ", ".join(["%s"] * len(fields))
        query = f"INSERT INTO pgcron.cron_job ({', '.join(fields)}) VALUES ({marks}) RETURNING id"
        id_ = self.one(query, *fields.values())["id"]
        self.edit(id_, schedule, 1, T0)
        return id_

    def edit(self, job: Any, schedule: str, version: int, when: datetime) -> None:
        self.connection.execute(
            "INSERT INTO pgcron.cron_audit (action, job_id, job_version, at, new_values) VALUES ('job_changed', %s, %s, %s, jsonb_build_object('schedule', %s::text))",
            (job, version, when, schedule),
        )

    def run(
        self, job: Any, seq: int, due: datetime, *, cause: str = "schedule", status: str = "SUCCESS", reason: str | None = None
    ) -> str:  # fmt: skip
        query = """INSERT INTO pgcron.cron_log (job_id, seq, cause, scheduled_for, covers_from, covers_to, worker_id, handler, job_version,
            schedule, status, reason, completed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, 'h', 1, 's', %s, %s, clock_timestamp()) RETURNING id"""
        covers = (due - timedelta(seconds=1), due) if cause == "schedule" else (None, None)
        return str(self.one(query, job, seq, cause, due, *covers, uuid4(), status, reason)["id"])

    def miss(self, job: Any, after: datetime, until: datetime, count: int) -> None:
        self.connection.execute(
            "INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) VALUES (%s, 'overlap', %s, %s, %s, %s, %s)",
            (job, after, until, until, until, count),
        )

    def one(self, query: str, *values: Any) -> Row:
        row = self.connection.execute(query, values).fetchone()
        assert row is not None
        return row

    def verdict(self, until: datetime, exact: dict[tuple[str, int], datetime] | None = None) -> list[str]:
        return [line for job in records.read_jobs(self.connection, exact) for line in oracle.verdict(job, until)]


@pytest.fixture
def forger(db_url: str) -> Iterator[Forger]:
    with psycopg.connect(db_url, autocommit=True, row_factory=dict_row) as connection:
        yield Forger(connection)


@pytest.fixture
def good(forger: Forger) -> Any:
    """`*/2` seconds up to 12: runs of 2, 4 and 12, a miss over 6, 8 and 10."""
    job = forger.job("*/2 * * * * *")
    for seq, second in enumerate((2, 4, 12)):
        forger.run(job, seq, at(second))
    forger.miss(job, at(4), at(10), 3)
    return job


def test_a_ledger_that_is_right_passes(forger: Forger, good: Any) -> None:
    assert forger.verdict(at(13)) == []


def test_a_removed_run_is_noticed(forger: Forger, good: Any) -> None:
    forger.connection.execute("DELETE FROM pgcron.cron_log WHERE scheduled_for = %s", (at(4),))
    (line,) = forger.verdict(at(13))
    assert "12:00:04+00:00 is covered 0 times" in line


def test_a_doubled_run_is_noticed(forger: Forger, good: Any) -> None:
    forger.connection.execute("DROP INDEX pgcron.cron_log_occurrence_idx")
    forger.run(good, 9, at(4))
    (line,) = forger.verdict(at(13))
    assert "2 scheduled runs of" in line


def test_a_run_inside_a_miss_is_noticed(forger: Forger, good: Any) -> None:
    forger.run(good, 9, at(8))
    (line,) = forger.verdict(at(13))
    assert "12:00:08+00:00 is covered 2 times" in line


def test_two_misses_over_one_occurrence_are_noticed(forger: Forger, good: Any) -> None:
    forger.miss(good, at(8), at(10.5), 1)
    (line,) = forger.verdict(at(13))
    assert "12:00:10+00:00 is covered 2 times" in line


def test_a_hole_is_noticed(forger: Forger, good: Any) -> None:
    forger.connection.execute("UPDATE pgcron.cron_miss SET covers_to = %s, count = 1", (at(7),))
    lines = forger.verdict(at(13))
    assert ["12:00:08" in lines[0], "12:00:10" in lines[1], len(lines)] == [True, True, 2]


def test_a_wrong_count_is_noticed_unless_it_is_a_lower_bound(forger: Forger, good: Any) -> None:
    forger.connection.execute("UPDATE pgcron.cron_miss SET count = 2")
    (line,) = forger.verdict(at(13))
    assert "counts 2 occurrences, there are 3 to 3" in line
    forger.connection.execute("UPDATE pgcron.cron_miss SET is_lower_bound = true")
    assert forger.verdict(at(13)) == []


def test_a_run_at_an_instant_that_the_schedule_does_not_name_is_noticed(forger: Forger, good: Any) -> None:
    forger.run(good, 9, at(3))
    (line,) = forger.verdict(at(13))
    assert "which its schedule does not name" in line


def test_nothing_is_expected_after_the_end_or_before_the_job(forger: Forger) -> None:
    forger.job("* * * * * *")
    assert forger.verdict(at(0.9)) == []
    assert len(forger.verdict(at(2.5))) == 2


def test_each_schedule_counts_while_it_is_in_force(forger: Forger) -> None:
    job = forger.job("* * * * * *")
    forger.edit(job, "@every 5s", 2, at(3.5))
    for seq, second in enumerate((1, 2, 3, 5, 10)):
        forger.run(job, seq, at(second))
    exact = {(str(job), 2): at(3.5)}
    assert forger.verdict(at(13), exact) == []
    forger.connection.execute("DELETE FROM pgcron.cron_log WHERE scheduled_for IN (%s, %s)", (at(3), at(10)))
    assert ["12:00:03" in line or "12:00:10" in line for line in forger.verdict(at(13), exact)] == [True, True]


def test_an_edit_at_an_unknown_instant_leaves_only_the_seconds_around_it_open(forger: Forger) -> None:
    job = forger.job("* * * * * *")
    forger.edit(job, "@every 5s", 2, at(7.5))  # at 4.5 at the earliest
    for seq, second in enumerate((1, 2, 3, 4, 5, 10)):
        forger.run(job, seq, at(second))
    assert forger.verdict(at(13)) == []
    forger.run(job, 9, at(6))
    assert forger.verdict(at(13)) == []
    forger.run(job, 10, at(8))
    assert len(forger.verdict(at(13))) == 1


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        ("* * * * * *", [56, 57, 58, 59, 60, 61]),
        ("*/7 * * * * *", [56, 60]),
        ("*/3 * * * * *", [57, 60]),
        ("@every 4s", [58]),
        ("0 0 29 2 *", []),
    ],
)
def test_the_oracle_knows_the_schedules_of_the_storm(schedule: str, seconds: list[int]) -> None:
    anchor = T0 - timedelta(seconds=2)
    found = [second for second in range(56, 62) if oracle.names(schedule, at(second), anchor)]
    assert found == seconds


def test_a_success_without_its_effect_and_an_effect_without_a_success_are_noticed(forger: Forger) -> None:
    job = forger.job("* * * * * *", "tx-x")
    good, missing = (forger.run(job, n, at(n)) for n in (1, 2))
    failed = forger.run(job, 3, at(3), status="FAILED", reason="error")
    for what in (good, failed, str(uuid4())):
        forger.connection.execute("INSERT INTO effect VALUES (%s)", (what,))
    lines = effects.wrong_effects(forger.connection)
    assert len(lines) == 3
    assert [any(missing in line for line in lines), any(failed in line for line in lines)] == [True, True]


def test_starts_are_held_against_runs(forger: Forger) -> None:
    job = forger.job("* * * * * *")
    first, second = forger.run(job, 1, at(1), status="FAILED", reason="lost"), forger.run(job, 2, at(1), cause="retry")
    orphan = forger.run(job, 3, at(2), status="FAILED", reason="orphaned_claim")
    starts = Counter({first: 1, second: 1})
    assert effects.wrong_starts(forger.connection, starts) == ["job: the occurrence of 2026-03-01 12:00:01+00:00 was started 2 times"]  # fmt: skip
    forger.connection.execute("UPDATE pgcron.cron_job SET is_idempotent = true")
    assert effects.wrong_starts(forger.connection, starts) == []
    assert "never started" in effects.wrong_starts(forger.connection, Counter())[0]
    assert "orphaned_claim and was started" in effects.wrong_starts(forger.connection, starts + Counter({orphan: 1}))[0]
    assert "started 2 times" in effects.wrong_starts(forger.connection, starts + Counter({first: 1}))[0]
    assert "has no row" in effects.wrong_starts(forger.connection, starts + Counter({"somebody": 1}))[0]


def test_the_same_seed_gives_the_same_storm_and_another_seed_another() -> None:
    assert plan.drawn(7, 60) == plan.drawn(7, 60)
    assert plan.drawn(7, 60) != plan.drawn(8, 60)
    assert plan.drawn(7, 60)[-1].at < 60
