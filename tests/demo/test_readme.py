"""README.md stays true: its module runs on a real worker, its SQL is understood, its commands exist, its links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest

from pgcron_py.cli.root import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/demo.md", "docs/architecture.md", "sql/README.md"]
PATIENCE_S = 30.0


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def wait_until(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.fixture
def worker_log(tmp_path: Path, db_url: str, worker_url: str) -> Iterator[Path]:
    """A worker with the module of README.md, and the table that module works on."""
    (tmp_path / "jobs.py").write_text(blocks("README.md", "python")[0])
    with psycopg.connect(db_url) as connection:
        connection.execute("CREATE TABLE two_factor_token (expires_at timestamptz NOT NULL)")
        connection.execute("INSERT INTO two_factor_token VALUES (now() - interval '1 h'), (now() + interval '1 h')")
        connection.execute("GRANT SELECT, DELETE ON two_factor_token TO t_worker")
    log = tmp_path / "log"
    with log.open("w") as output:
        worker = subprocess.Popen(
            [sys.executable, "-c", "from pgcron_workers.cli import worker; worker()", "--app", "jobs", "--shutdown-grace", "1"],
            cwd=tmp_path,
            env={**os.environ, "PGCRON_DATABASE_URL": worker_url},
            stdout=output,
            stderr=output,
        )  # fmt: skip
    yield log
    worker.terminate()
    worker.wait(PATIENCE_S)


def value(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()  # type: ignore[arg-type]  # the tests' own text
    return row[0] if row else None


def test_the_example_and_the_sql_work(worker_log: Path, owner_url: str, db_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        wait_until(lambda: value(connection, "SELECT count(*) FROM pgcron.cron_job") == 2, worker_log)
        wait_until(
            lambda: value(connection, "SELECT success_count FROM pgcron.cron_job WHERE name = 'warm-cache'"), worker_log
        )
        connection.execute(blocks("README.md", "sql")[0])  # type: ignore[arg-type]  # README's own text
        cleaned = "SELECT metadata FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = 'two-factor-token-cleanup' AND status = 'SUCCESS'"
        wait_until(lambda: value(connection, cleaned), worker_log)
        assert value(connection, cleaned) == {"deleted": 1}
        connection.execute("SELECT pgcron.run_now('count-tokens')")
        counted = "SELECT result FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = 'count-tokens' AND status = 'SUCCESS'"
        wait_until(lambda: value(connection, counted), worker_log)
        assert value(connection, counted) == {"rows": 1}
        assert connection.execute("SELECT * FROM pgcron.check_invariants()").fetchall() == []
    with psycopg.connect(db_url) as connection:
        assert value(connection, "SELECT count(*) FROM two_factor_token") == 1


def commands() -> list[list[str]]:
    text = "\n".join(block for page in PAGES for block in blocks(page, "sh"))
    return [shlex.split(line, comments=True)[1:] for line in text.splitlines() if line.startswith("pgcron ")]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_commands_exist_and_take_these_arguments(words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="pgcron")
    while isinstance(command, click.Group):
        name, words = words[0], words[1:]
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_parser(context).parse_args(list(words))


@pytest.mark.parametrize("page", PAGES)
def test_the_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target
