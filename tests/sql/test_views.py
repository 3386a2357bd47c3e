"""The views: who may read them, that they say what the tables say, and that they read no more than they must.

20,000 jobs and 120,000 runs; benchmarks/views.py measures with 100,000 and 10,000,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from conftest import Server

from pgcron_py.app.database import adopt
from pgcron_py.domain.words import Reason
from support.ageing import ended
from support.steps import HANDLER, Stage, failure

JOBS, RUNS_EACH = 20_000, 6
VIEWS = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pgcron'::regnamespace AND c.relkind = 'v' ORDER BY 1
"""


def test_a_reader_reads_every_view_in_a_read_only_transaction(stage: Stage, reader_url: str) -> None:
    job = stage.job(max_consecutive_failures=None)
    ended(stage, job, 2)
    with psycopg.connect(reader_url) as connection:
        connection.read_only = True
        for (view,) in connection.execute(VIEWS).fetchall():
            connection.execute(f"SELECT * FROM pgcron.{view}")


def test_every_view_asks_for_the_rights_of_who_reads_it(stage: Stage) -> None:
    bare = stage.rows(f"SELECT relname FROM ({VIEWS}) v JOIN pg_class c USING (relname) WHERE NOT 'security_invoker=true' = ANY (c.reloptions)")  # fmt: skip
    assert bare == []


def why(stage: Stage, name: str = "job") -> str | None:
    return stage.row("SELECT blocked_by FROM pgcron.job_status WHERE job = %s", name)["blocked_by"]


def test_what_keeps_a_job_is_said_in_words(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do("DELETE FROM pgcron.cron_lease")
    assert why(stage) == "no worker lives that serves queue default"
    worker, actor = stage.worker(), stage.actor()
    assert why(stage) is None
    stage.do("UPDATE pgcron.cron_job SET handler = 'other'")
    assert why(stage) == "no worker that serves queue default has handler other"
    stage.do("UPDATE pgcron.cron_job SET handler = %s", HANDLER)
    stage.make_due(job)
    actor.claim(worker)
    assert why(stage) is None
    stage.make_due(job)
    assert why(stage) == "its run has not ended"
    stage.do("SELECT pgcron.pause_all('a move')")
    assert "the fleet is paused by" in str(why(stage))
    stage.do("SELECT pgcron.disable('job', 'in repair', clock_timestamp() + interval '1 day')")
    assert str(why(stage)).startswith("it is disabled by postgres: in repair, until 20")
    stage.do("SELECT pgcron.resume_all()")
    stage.do("SELECT pgcron.enable('job')")
    assert why(stage) == "a worker has to plan it first"


def test_the_ledger_follows_itself_without_holes_and_the_status_tells_the_last_run(stage: Stage) -> None:
    job = stage.job(due=None, max_consecutive_failures=None)
    ended(stage, job, 2)
    ended(stage, job, 1, lambda stage, run: failure(stage, run, Reason.ERROR, duration=70))
    worker, actor = stage.worker(), stage.actor()
    stage.make_due(job)
    (run,) = actor.claim(worker)
    stage.make_due(job)
    actor.claim(worker)
    rows = stage.rows("SELECT * FROM pgcron.ledger WHERE job = 'job' ORDER BY covers_to")
    assert [(row["kind"], row["status"], row["reason"]) for row in rows] == [
        ("run", "SUCCESS", None), ("run", "SUCCESS", None), ("run", "FAILED", "error"), ("run", "RUNNING", None), ("miss", None, "overlap"),
    ]  # fmt: skip
    assert all(earlier["covers_to"] == later["covers_from"] for earlier, later in pairwise(rows))
    stands = stage.row("SELECT ledger_from, covers_from FROM pgcron.cron_job")
    assert (rows[0]["covers_from"], rows[-1]["covers_to"]) == (stands["ledger_from"], stands["covers_from"])
    found = stage.row("SELECT * FROM pgcron.job_status")
    assert (found["state"], found["current_run_id"], found["last_seq"], found["last_status"], found["last_duration_ms"]) == (
        "running", run, 3, "FAILED", 70,
    )  # fmt: skip
    assert stage.row("SELECT job, host FROM pgcron.running") == {"job": "job", "host": "test"}


@pytest.fixture(scope="module")
def large(embedded_pg: Server, migrated_template: str) -> Iterator[Stage]:
    """Many jobs with a history each, one with a long one, a few runs that go on; never vacuumed since."""
    with embedded_pg.database(migrated_template) as name:
        adopt(embedded_pg.url(name))
        stage = Stage(embedded_pg.url(name), embedded_pg.url(name))
        stage.do("SET session_replication_role = 'replica'")
        stage.do(
            "INSERT INTO pgcron.cron_job (name, schedule, handler, needs_plan, next_scheduled_for, next_run_at, run_seq, running_count, success_count) "
            "SELECT 'job ' || n, '@daily', %s, false, clock_timestamp() + interval '1 h', clock_timestamp() + interval '1 h', %s, CASE WHEN n <= 5 THEN 1 ELSE 0 END, %s "
            "FROM generate_series(1, %s) n", HANDLER, RUNS_EACH, RUNS_EACH, JOBS,
        )  # fmt: skip
        insert = (
            "INSERT INTO pgcron.cron_log (id, job_id, seq, status, cause, scheduled_for, covers_from, covers_to, worker_id, started_at, completed_at, duration, handler, job_version, schedule) "
            "SELECT pgcron.uuid_v7(), j.id, n, CASE WHEN n = {last} AND j.running_count > 0 THEN 'RUNNING' ELSE 'SUCCESS' END, 'schedule', t, t - interval '1 s', t, gen_random_uuid(), t, "
            "CASE WHEN n = {last} AND j.running_count > 0 THEN NULL ELSE t + interval '1 s' END, 1000, 'h', 1, 's' "
            "FROM pgcron.cron_job j, generate_series({first}, {last}) n, LATERAL (SELECT clock_timestamp() - ({last} - n) * interval '{step}' AS t) x WHERE {which}"
        )
        stage.do(insert.format(first=1, last=RUNS_EACH, step="1 h", which="true"))
        stage.do(insert.format(first=RUNS_EACH + 1, last=RUNS_EACH + 30_000, step="1 min", which="name = 'job 7'"))
        stage.do("UPDATE pgcron.cron_job SET run_seq = run_seq + 30000 WHERE name = 'job 7'")
        stage.do("SET session_replication_role = 'origin'")
        stage.do("ANALYZE pgcron.cron_job, pgcron.cron_log")
        after, counted = "00000000-0000-0000-0000-000000000000", 0
        while after is not None:
            row = stage.row("SELECT * FROM pgcron.count_some_runs(%s, 20000)", after)
            after, counted = row["last"], counted + row["counted"]
        assert counted == JOBS * RUNS_EACH + 30_000 - 5
        yield stage
        stage.close()


QUERIES = {
    "job_status of one": ("SELECT * FROM pgcron.job_status WHERE job = 'job 7'", 10),
    "job_status of one that runs": ("SELECT * FROM pgcron.job_status WHERE job = 'job 3'", 20),
    "a page of runs of one": ("SELECT * FROM pgcron.runs WHERE job_id = pgcron.job_id('job 7') ORDER BY seq DESC LIMIT 50", 60),
    "a page of all runs": ("SELECT * FROM pgcron.runs ORDER BY run_id DESC LIMIT 50", 60),
    "a run by its id": ("SELECT * FROM pgcron.runs WHERE run_id = (SELECT last_run_id FROM pgcron.job_status WHERE job = 'job 7')", 20),
    "running": ("SELECT * FROM pgcron.running", 20),
    "the ledger of one": ("SELECT * FROM pgcron.ledger WHERE job = 'job 9' ORDER BY covers_to", 20),
    "statistics of one": ("SELECT * FROM pgcron.statistics WHERE job = 'job 9'", 60),
    "statistics of one with a long past": ("SELECT * FROM pgcron.statistics_of('job 7', '20 days')", 1500),
    "workers": ("SELECT * FROM pgcron.workers", 20),
    "upcoming": ("SELECT * FROM pgcron.upcoming ORDER BY starts_at LIMIT 20", 0),
}  # fmt: skip
TOUCHED = "SELECT seq_scan, coalesce(idx_tup_fetch, 0) + seq_tup_read AS rows FROM pg_stat_xact_user_tables WHERE relid = 'pgcron.cron_log'::regclass"  # fmt: skip


@pytest.mark.parametrize("what", QUERIES)
def test_what_people_ask_for_reads_few_rows_of_the_log_and_never_scans_it(large: Stage, what: str) -> None:
    query, most = QUERIES[what]
    with psycopg.connect(large.url) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        plan: Any = connection.execute("EXPLAIN " + query).fetchall()
        before = connection.execute(TOUCHED).fetchone()
        found = connection.execute(query).fetchall()
        after = connection.execute(TOUCHED).fetchone()
    assert found or what in ("workers",)
    scans, rows = (a - b for a, b in zip(after or (0, 0), before or (0, 0), strict=True))
    assert (scans, rows <= most) == (0, True), (rows, "\n".join(line for (line,) in plan))
