"""The indexes that decide a race, each without the check that is asked first."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from support.steps import Stage

RUN = """INSERT INTO pgcron.cron_log (job_id, seq, status, reason, cause, scheduled_for, covers_from, covers_to, started_at, completed_at, is_exclusive, worker_id, handler, job_version, schedule)
SELECT %(job)s, %(seq)s, %(status)s, CASE %(status)s WHEN 'FAILED' THEN 'error' END, 'schedule', at, at - interval '1 s', at, at, CASE %(status)s WHEN 'FAILED' THEN at END, true, %(job)s, 'h', 1, 's' FROM (SELECT '2026-01-01 00:00:00+00'::timestamptz + %(minute)s * interval '1 min' AS at) x"""


def a_run(stage: Stage, job: UUID, seq: int, minute: int, status: str = "FAILED") -> None:
    stage.audience.execute(RUN, {"job": job, "seq": seq, "minute": minute, "status": status})


def a_request(stage: Stage, job: UUID) -> None:
    stage.do("INSERT INTO pgcron.cron_request (job_id) VALUES (%s)", job)


def a_miss(stage: Stage, job: UUID) -> None:
    stage.do(
        "INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) "
        "VALUES (%s, 'overlap', '2026-01-01', '2026-01-02', '2026-01-02', '2026-01-02', 1)", job,
    )  # fmt: skip


RACES = {
    "cron_log_one_running_idx": (lambda s, j: a_run(s, j, 1, 1, "RUNNING"), lambda s, j: a_run(s, j, 2, 2, "RUNNING")),
    "cron_log_occurrence_idx": (lambda s, j: a_run(s, j, 1, 1), lambda s, j: a_run(s, j, 2, 1)),
    "cron_log_job_seq_key": (lambda s, j: a_run(s, j, 1, 1), lambda s, j: a_run(s, j, 1, 2)),
    "cron_request_one_manual_idx": (a_request, a_request),
    "cron_miss_covers_to_idx": (a_miss, a_miss),
}


@pytest.mark.parametrize("index", RACES)
def test_the_second_of_two_is_refused_by_its_index(stage: Stage, index: str) -> None:
    first, second = RACES[index]
    job = stage.job(due=None)
    stage.do("ALTER TABLE pgcron.cron_request DISABLE TRIGGER cron_request_admit")
    first(stage, job)
    with pytest.raises(psycopg.errors.UniqueViolation, match=index):
        second(stage, job)
