"""`pgcron import`: into a real database, twice, and only looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgcron_py.app.compat import install_compat
from pgcron_py.app.session import session
from pgcron_py.cli import cli
from pgcron_py.domain.pg_cron import stored_schedule

CRONTAB = """MAILTO=ops@example.com
CRON_TZ=Europe/Berlin
30 2 * * * /usr/local/bin/backup.sh --full
@reboot start-agent
61 * * * * broken
"""


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as exit_:
        cli(["import", *args])
    return int(exit_.value.code or 0), capsys.readouterr().out


def jobs(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT name, schedule, timezone, handler, is_enabled, version FROM pgcron.cron_job ORDER BY name"
        ).fetchall()


def test_a_crontab_becomes_disabled_jobs_and_a_second_import_changes_nothing(
    db_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "crontab"
    file.write_text(CRONTAB)
    code, out = run(capsys, "crontab", str(file), "--dry-run", "--database-url", db_url)
    assert code == 3
    assert "line 3  backup.sh --full  30 2 * * * (Europe/Berlin)  would be created, disabled" in out
    assert jobs(db_url) == []

    code, out = run(capsys, "crontab", str(file), "--database-url", db_url)
    assert code == 3
    assert "line 4  start-agent  @reboot (Europe/Berlin)  created, disabled\n    CHANGES (reboot):" in out
    assert "line 5  61 * * * * broken\n    REFUSED: minute (column 1): 61 is outside 0-59" in out
    assert "2 created, 1 refused" in out
    made = [
        ("backup.sh --full", "30 2 * * *", "Europe/Berlin", "shell", False, 1),
        ("start-agent", "@reboot", "Europe/Berlin", "shell", False, 1),
    ]
    assert jobs(db_url) == made
    with psycopg.connect(db_url) as connection:
        (reason,) = connection.execute("SELECT disabled_reason FROM pgcron.cron_job LIMIT 1").fetchone()
    assert "there is no handler 'shell'" in reason

    code, out = run(capsys, "crontab", str(file), "--database-url", db_url)
    assert "2 exists, 1 refused" in out
    assert jobs(db_url) == made

    file.write_text("CRON_TZ=Europe/Berlin\n45 2 * * * /usr/local/bin/backup.sh --full\n")
    code, out = run(capsys, "crontab", str(file), "--database-url", db_url)
    assert (code, "is there and differs: left as it is" in out) == (0, True)
    assert jobs(db_url) == made


def test_a_crontab_is_looked_at_without_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGCRON_DATABASE_URL", raising=False)
    file = tmp_path / "crontab"
    file.write_text("0 3 * * * root tidy\n")
    code, out = run(capsys, "crontab", str(file), "--user-column", "--dry-run", "--json")
    (entry,) = json.loads(out)["entries"]
    assert code == 0
    assert (entry["name"], entry["outcome"], entry["changes_meaning"]) == ("root: tidy", "created", True)
    assert entry["notes"][0]["kind"] == "zone"


def test_pg_crons_jobs_become_jobs_of_pgcron_sql(db_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute("""
            CREATE SCHEMA cron;
            CREATE TABLE cron.job (jobid bigint, schedule text, command text, nodename text, nodeport int, database text, username text,
              active boolean, jobname text);
            INSERT INTO cron.job VALUES (1, '0 3 * * *', 'VACUUM', 'localhost', 5432, current_database(), 'marco', true, 'nightly'),
              (2, '5 seconds', 'CALL work()', 'localhost', 5432, current_database(), 'marco', false, NULL),
              (3, '0 4 * * 0', 'VACUUM', 'localhost', 5432, 'elsewhere', 'marco', true, 'weekly');
        """)
    arguments = ("pg-cron", "--from", db_url, "--database-url", db_url)
    code, out = run(capsys, *arguments)
    assert code == 3
    assert "CHANGES (role): ran as marco in" in out
    assert "REFUSED: it is for database 'elsewhere': say --map elsewhere=CONNECTION" in out
    assert "pg_cron goes on running its own" in out
    made = [
        ("nightly", "0 3 * * *", "UTC", "pgcron.sql", True, 1),
        ("pg_cron job 2", "5 seconds", "UTC", "pgcron.sql", False, 1),
    ]
    assert jobs(db_url) == made
    code, out = run(capsys, *arguments, "--map", "elsewhere=other", "--disabled")
    assert code == 0
    assert "1 created, 2 exists" in out
    assert jobs(db_url)[-1] == ("weekly", "0 4 * * 0", "UTC", "pgcron.sql", False, 1)


def test_a_database_without_pg_cron_is_refused(db_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli(["import", "pg-cron", "--from", db_url, "--database-url", db_url])
    assert exit_.value.code == 1
    assert "that database has no cron.job" in capsys.readouterr().err


SCHEDULES = [
    "0 10 * * *", " 0  10 * * *\t", "*/15 9-17 1,15,$ jan-mar,DEC mon-fri", "5 seconds", "1 second", " 30 sEcOnDs ", "59 seconds", "0 seconds",
    "60 seconds", "-1 seconds", "50 seconds c", "99999999999 seconds", "1 minute", "@restart", "@reboot", "@restar", "@Daily", "@daily", "@every 5m",
    "* * * *", "* * * * * *", "", "H 0 * * *", "0 0 L * *", "0 0 15W * *", "0 0 * * mon#2", "0 0 ? * *", "*/60 */24 * * *", "0 0 $ * *", "0 0 * $ *",
    "0 0 * mon *", "0 0 * * jan", "10-20/5,30 * * * *", "$ * * * *", "0 0 1,$ * *",
]  # fmt: skip


def test_the_import_and_the_database_take_the_same_schedules_of_pg_cron(db_url: str) -> None:
    with session(db_url) as connection:
        install_compat(connection)
        for text in SCHEDULES:
            try:
                row = connection.execute("SELECT cron.stored_schedule(%s)", (text,)).fetchone()
                stored = row and row[0]
            except psycopg.errors.InvalidParameterValue:
                stored = None
            assert stored == stored_schedule(text), text
