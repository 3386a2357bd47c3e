"""The duty of retention, round by round, on a real database."""

from __future__ import annotations

import logging

import psycopg
import structlog

from pgcron_workers.retention import EVERY, Retention
from pgcron_workers.session import DatabaseWatch, Session
from support.ageing import ended, make_old
from support.steps import Stage

SILENT = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def test_a_pass_deletes_in_batches_gives_its_connection_back_and_sleeps_for_an_hour(stage: Stage) -> None:
    job, own = stage.job(due=None), stage.job("own", due=None, retention_count=1)
    old = ended(stage, job, 3)
    ended(stage, job, 1)
    ended(stage, own, 3)
    make_old(stage, old, 91)
    session = Session(stage.worker_url, "purge", DatabaseWatch(SILENT))
    duty = Retention(session, 90, SILENT)
    first = stage.on_stage(duty.run_once())
    assert 0 < first < EVERY  # not while a fleet starts
    assert stage.row("SELECT count(*) AS n FROM pgcron.cron_log") == {"n": 7}
    assert stage.on_stage(duty.run_once()) >= EVERY * 0.8
    assert stage.row("SELECT count(*) AS n FROM pgcron.cron_log WHERE job_id = %s", job) == {"n": 1}
    assert stage.row("SELECT count(*) AS n FROM pgcron.cron_log WHERE job_id = %s", own) == {"n": 1}
    with psycopg.connect(stage.url) as connection:
        assert (
            connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pgcron worker purge'"
            ).fetchall()
            == []
        )
