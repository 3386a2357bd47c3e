"""pg_cron's interface: a script of the real psql, written for pg_cron, and what it prints.

After a change that is meant: PGCRON_ACCEPT=1 pytest tests/sql/test_pg_cron.py, then read the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import psycopg
import pytest

from pgcron_py.app.compat import install_compat, remove_compat
from pgcron_py.app.session import session
from pgcron_py.embedded.binaries import find_bin_dir
from pgcron_py.errors import PgCronError
from support.fleet import Fleet, wait_for
from support.steps import Stage

HERE = Path(__file__).parent / "psql"


@pytest.fixture
def compat(stage: Stage) -> Stage:
    with session(stage.url) as connection:
        assert install_compat(connection)
        assert not install_compat(connection)  # safe to repeat
    return stage


def normal(printed: str) -> str:
    """Without what differs between servers and places."""
    printed = re.sub(r"test_[0-9a-f]{12}", "test", printed)
    printed = re.sub(r"psql:\S*pg_cron\.sql:\d+: ", "", printed)
    return "\n".join(line.rstrip() for line in printed.splitlines()) + "\n"


def test_a_script_written_for_pg_cron_runs_unchanged(compat: Stage) -> None:
    compat.do("DROP ROLE IF EXISTS t_marco")
    compat.do("CREATE ROLE t_marco LOGIN")
    psql = find_bin_dir("18") / "psql"
    command = [psql, "--no-psqlrc", "--quiet", "-f", HERE / "pg_cron.sql", compat.url]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    finally:
        compat.do("REVOKE ALL ON SCHEMA cron FROM t_marco")
        compat.do("DROP ROLE t_marco")
    printed, expected = normal(done.stdout), HERE / "pg_cron.out"
    if os.environ.get("PGCRON_ACCEPT"):
        expected.write_text(printed)
    assert printed == expected.read_text()
    assert compat.broken_invariants() == []
    assert (
        compat.rows("SELECT jobid FROM cron.entry e LEFT JOIN pgcron.cron_job j ON j.id = e.job_id WHERE j.id IS NULL")
        == []
    )


@pytest.mark.long
def test_its_jobs_run_and_tell_their_details(fleet: Fleet) -> None:
    with session(fleet.url) as connection:
        install_compat(connection)
    fleet.app("@app.handler('mine')\nasync def mine(): ...\n")
    fleet.start(PGCRON_SQL_CONNECTIONS=fleet.worker_url)
    fleet.do("SELECT cron.schedule('ok', '1 second', 'INSERT INTO effect (what) VALUES (current_user)')")
    fleet.do("SELECT cron.schedule('bad', '1 second', 'SELECT 1 / 0')")
    details = "SELECT * FROM cron.job_run_details WHERE command LIKE %s AND status <> 'running' ORDER BY start_time"
    good = wait_for(lambda: fleet.rows(details, "INSERT%"), "it has run")[0]
    bad = wait_for(lambda: fleet.rows(details, "%1 / 0"), "the other has run")[0]
    assert (good["jobid"], good["status"], good["return_message"]) == (1, "succeeded", "INSERT 0 1")
    assert good["job_pid"] > 0
    assert good["end_time"] >= good["start_time"]
    assert (bad["status"], bad["return_message"]) == ("failed", "ERROR:  division by zero")
    assert fleet.rows("SELECT what FROM effect")[0]["what"] == "t_worker"
    wait_for(lambda: len(fleet.rows(details, "INSERT%")) >= 3, "three runs")
    wait_for(lambda: len(fleet.rows(details, "%1 / 0")) >= 4, "failures don't disable it")
    assert fleet.rows("SELECT runid FROM cron.job_run_details GROUP BY runid HAVING count(*) > 1") == []
    fleet.do("SELECT cron.unschedule(jobid) FROM cron.job")
    wait_for(lambda: not fleet.rows("SELECT FROM pgcron.cron_log WHERE status = 'RUNNING'"), "nothing runs")
    assert fleet.rows("SELECT * FROM cron.job") == []
    assert len(fleet.rows(details, "INSERT%")) >= 3  # of a job that is scheduled no more
    fleet.do("DELETE FROM cron.job_run_details WHERE end_time < now()")
    left = fleet.rows("SELECT jobid, count(*) FROM cron.job_run_details GROUP BY jobid ORDER BY jobid")
    assert left[0] == {"jobid": 1, "count": 1}  # its newest
    assert fleet.broken_invariants() == []


def test_a_job_that_runs_just_now_can_be_unscheduled_and_its_name_is_free(compat: Stage) -> None:
    compat.do("SELECT cron.schedule('long', '* * * * *', 'SELECT pg_sleep(60)')")
    job = compat.row("SELECT job_id FROM cron.entry")["job_id"]
    compat.do("UPDATE pgcron.cron_job SET handler = 'tests:handler', args = '{}'")
    compat.plan()
    compat.make_due(job)
    assert len(compat.actor().claim(compat.worker())) == 1
    assert compat.row("SELECT cron.unschedule('long') AS done") == {"done": True}
    assert compat.row("SELECT cron.schedule('long', '* * * * *', 'SELECT 1') AS id") == {"id": 2}
    assert [row["status"] for row in compat.rows("SELECT status FROM cron.job_run_details")] == ["running"]
    compat.do("DELETE FROM cron.job_run_details")
    assert len(compat.rows("SELECT * FROM cron.job_run_details")) == 1


def test_two_who_schedule_one_name_at_once_change_one_job(compat: Stage) -> None:
    one, two = compat.actor(compat.url), compat.actor(compat.url)
    one.say("BEGIN")
    one.say("SELECT cron.schedule('same', '1 * * * *', 'SELECT 1')")
    second = two.start_saying("SELECT cron.schedule('same', '2 * * * *', 'SELECT 2')")
    two.waits_for_a_lock()
    one.say("COMMIT")
    second.result(10)
    assert compat.rows("SELECT schedule, command FROM cron.job") == [{"schedule": "2 * * * *", "command": "SELECT 2"}]
    assert len(compat.rows("SELECT FROM pgcron.cron_job")) == 1


def test_it_is_not_installed_over_somebody_elses_schema(stage: Stage) -> None:
    stage.do("CREATE SCHEMA cron")
    with session(stage.url) as connection, pytest.raises(PgCronError, match="a schema cron that isn't ours"):
        install_compat(connection)


def test_removing_it_leaves_its_jobs_disabled(compat: Stage) -> None:
    compat.do("SELECT cron.schedule('x', '* * * * *', 'SELECT 1')")
    with session(compat.url) as connection:
        assert remove_compat(connection) == 1
    assert compat.row("SELECT is_enabled FROM pgcron.cron_job") == {"is_enabled": False}
    with psycopg.connect(compat.url) as connection:
        assert connection.execute("SELECT to_regnamespace('cron')").fetchone() == (None,)


def test_every_object_is_commented(compat: Stage) -> None:
    bare = compat.rows("""
        SELECT c.relname || coalesce('.' || a.attname, '') AS name FROM pg_class c
          LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'cron'::regnamespace AND c.relkind IN ('r', 'v')
           AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
        UNION ALL SELECT proname FROM pg_proc p WHERE p.pronamespace = 'cron'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
    """)
    assert bare == []
