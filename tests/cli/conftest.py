"""The command line on a real database, and a worker whose every step a test takes itself."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgcron_py.cli import cli

BEGIN_RUN = """
WITH job AS (UPDATE pgcron.cron_job SET run_seq = run_seq + 1, running_count = running_count + 1, last_run_at = clock_timestamp()
              WHERE name = %(job)s RETURNING *)
INSERT INTO pgcron.cron_log (job_id, seq, cause, worker_id, handler, job_version, schedule, args, request_id, requested_by)
SELECT id, run_seq, 'manual', %(worker)s, handler, version, schedule, args, %(request)s, 'somebody' FROM job RETURNING id, job_id
"""
CLAIM = "UPDATE pgcron.cron_request SET state = 'CLAIMED', run_id = %s, ended_at = clock_timestamp() WHERE id = %s"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Pgcron:
    """`pgcron ARGS…` in this process."""

    url: str

    def __call__(self, *args: str, url: str | None = None, input: str | None = None, **env: str) -> Result:
        cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith("PGCRON_")}
        variables = cleared | {"PGCRON_DATABASE_URL": url or self.url} | env
        done = CliRunner().invoke(cli, args, input=input, env=variables)
        assert "Traceback" not in done.output or "PGCRON_DEBUG" in env or "--debug" in args
        return Result(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def pgcron(db_url: str) -> Pgcron:
    return Pgcron(db_url)


@pytest.fixture
def connection(db_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(db_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def job(pgcron: Pgcron) -> str:
    """A job at 03:00 in Berlin."""
    made = pgcron(
        "jobs", "create", "nightly", "--schedule", "0 3 * * *", "--handler", "shop:close", "--timezone", "Europe/Berlin",
        "--timeout", "30", "--tag", "shop",
    )  # fmt: skip
    assert made.code == 0, made.err
    return "nightly"


class FakeWorker:
    """A registered worker with handler shop:close."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection, self.id = connection, uuid.uuid4()
        row = {
            "id": str(self.id), "host": "host-1", "pid": 4711, "version": "0.1.0", "app": "shop", "release": "1.4",
            "handlers": [{"name": "shop:close"}], "concurrency": 10, "queues": None,
        }  # fmt: skip
        connection.execute("SELECT pgcron.register_worker(%s, 30000)", (json.dumps(row),))

    def begin(self, job: str, request: object = None) -> tuple[uuid.UUID, uuid.UUID]:
        """Ids of the run and its job."""
        params = {"job": job, "worker": self.id, "request": request}
        with self.connection.transaction():
            found = self.connection.execute(BEGIN_RUN, params).fetchone()
            assert found is not None
            if request:
                self.connection.execute(CLAIM, (found[0], request))
        return found[0], found[1]

    def finish(self, run: tuple[uuid.UUID, uuid.UUID], **outcome: object) -> None:
        what = {"id": str(run[0]), "job_id": str(run[1]), "status": "SUCCESS", "duration": 1500} | outcome
        self.connection.execute("SELECT pgcron.finish_runs(%s, %s)", (self.id, json.dumps([what])))

    def ran(self, job: str, **outcome: object) -> uuid.UUID:
        run = self.begin(job)
        self.finish(run, **outcome)
        return run[0]


FAILED = {
    "status": "FAILED",
    "reason": "error",
    "is_strike": True,
    "error": "ValueError: boom",
    "stack_trace": "line 1\nline 2",
}


@pytest.fixture
def failure() -> dict[str, object]:
    return dict(FAILED)


@pytest.fixture
def worker(connection: psycopg.Connection) -> FakeWorker:
    return FakeWorker(connection)
