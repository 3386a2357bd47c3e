"""Jobs, runs and workers that look like somebody's: what pages show, without waiting for it to happen."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]

WORKERS = (("web-1.eu", "LIVE"), ("web-2.eu", "LIVE"), ("batch-1.eu", "DRAINING"))
HANDLERS = ("shop:close", "shop.reports:nightly")  # the other one is of the examples in the OpenAPI document
ERROR = "ConnectionError: the mail server refused the connection (421)"
TRACE = f'Traceback (most recent call last):\n  File "shop/mail.py", line 41, in send\n{ERROR}'


@dataclass(frozen=True, slots=True)
class Pattern:
    """A job to make. failing: how many of its last runs failed; typical_ms: what a run takes."""

    name: str
    schedule: str
    timezone: str = "UTC"
    tags: tuple[str, ...] = ()
    description: str | None = None
    is_locked: bool = False
    runs: int = 60
    failing: int = 0
    typical_ms: int = 3000


JOBS = (
    Pattern("nightly-close", "0 3 * * *", "Europe/Berlin", ("shop", "finance"), "Books the day's sales and closes the ledger"),
    Pattern("send-invoices", "*/15 * * * *", tags=("finance",), failing=4),
    Pattern("sync-stock", "* * * * *", tags=("shop",), description="Stock levels from the warehouse", typical_ms=900),
    Pattern("weekly-report", "0 7 * * mon", "Europe/Berlin", ("reports",), typical_ms=45_000),
    Pattern("purge-carts", "@hourly", tags=("shop",)),
    Pattern("rebuild-search", "30 2 * * 1-5", "America/New_York", ("search",), typical_ms=600_000),
    Pattern("heartbeat", "@every 30s", typical_ms=20),
    Pattern("gdpr-export", "0 4 1 * *", "Europe/Berlin", ("legal",), is_locked=True, runs=0),
)  # fmt: skip


def seed(connection: Connection, patterns: tuple[Pattern, ...] = JOBS, seed_of_dice: int = 5) -> None:
    dice = random.Random(seed_of_dice)
    workers = [_worker(connection, host, state, pid) for pid, (host, state) in enumerate(WORKERS, start=4000)]
    for pattern in patterns:
        _job(connection, pattern)
        connection.execute("SET session_replication_role = replica")  # history is written as it is, past its triggers
        _history(connection, pattern, workers, dice)
        connection.execute("SET session_replication_role = origin")
    connection.execute("SELECT pgcron.disable('rebuild-search', 'the search cluster moves, see OPS-411')")


def _worker(connection: Connection, host: str, state: str, pid: int) -> uuid.UUID:
    worker = uuid.uuid4()
    connection.execute(
        "INSERT INTO pgcron.cron_worker (id, host, pid, version, state, concurrency, app, release, handlers) VALUES (%s, %s, %s, '0.1.0', %s, 8, 'shop', '2026.11.3', %s)",
        (worker, host, pid, state, Jsonb([{"name": name, "parameters": None} for name in HANDLERS])),
    )
    connection.execute(
        "INSERT INTO pgcron.cron_lease (worker_id, lease_until, ttl_ms) VALUES (%s, clock_timestamp() + interval '1 h', 30000)",
        (worker,),
    )
    return worker


def _job(connection: Connection, pattern: Pattern) -> None:
    connection.execute(
        "INSERT INTO pgcron.cron_job (name, description, schedule, timezone, handler, tags, owner, timeout_ms, max_attempts, is_locked) "
        "VALUES (%s, %s, %s, %s, 'shop:close', %s, %s, 60000, 3, %s)",
        (
            pattern.name, pattern.description, pattern.schedule, pattern.timezone, list(pattern.tags),
            f"team-{pattern.tags[0] if pattern.tags else 'ops'}", pattern.is_locked,
        ),
    )  # fmt: skip


def _history(connection: Connection, pattern: Pattern, workers: list[uuid.UUID], dice: random.Random) -> None:
    tally = {"successes": 0, "failures": 0, "took": 0}
    for seq in range(1, pattern.runs + 1):
        has_failed = seq > pattern.runs - pattern.failing or (
            pattern.failing == 0 and dice.random() < 0.04 and seq < pattern.runs
        )
        took = round(dice.lognormvariate(0, 0.5) * pattern.typical_ms)
        run = _run(connection, pattern, seq, workers[seq % len(workers)], has_failed=has_failed, took=took)
        tally["failures" if has_failed else "successes"] += 1
        tally["took"] += 0 if has_failed else took
        if seq == pattern.runs:
            _output(connection, run, dice)
    connection.execute(
        "UPDATE pgcron.cron_job SET run_seq = %s, success_count = %s, failure_count = %s, duration_sum_ms = %s, consecutive_failures = %s WHERE name = %s",
        (pattern.runs, tally["successes"], tally["failures"], tally["took"], pattern.failing, pattern.name),
    )


def _run(
    connection: Connection, pattern: Pattern, seq: int, worker: uuid.UUID, *, has_failed: bool, took: int
) -> uuid.UUID:
    due = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=15 * (pattern.runs - seq) + 3)
    began = due + timedelta(milliseconds=9)
    row = connection.execute(
        "INSERT INTO pgcron.cron_log (id, job_id, seq, status, reason, is_strike, cause, scheduled_for, covers_from, covers_to, attempt, worker_id, "
        "started_at, completed_at, duration, error, stack_trace, args, handler, job_version, schedule, finish_token, is_exclusive) "
        "SELECT overlay(pgcron.uuid_v7_at(%(began)s)::text placing right(gen_random_uuid()::text, 12) from 25)::uuid, j.id, %(seq)s, %(status)s, %(reason)s, %(failed)s, 'schedule', "
        "%(due)s, %(due)s - interval '1 s', %(due)s, 1, %(worker)s, %(began)s, %(ended)s, %(took)s, %(error)s, %(trace)s, '{}', j.handler, 1, j.schedule, gen_random_uuid(), true "
        "FROM pgcron.cron_job j WHERE j.name = %(name)s RETURNING id",
        {
            "began": began, "seq": seq, "status": "FAILED" if has_failed else "SUCCESS", "reason": "error" if has_failed else None, "failed": has_failed,
            "due": due, "worker": worker, "ended": began + timedelta(milliseconds=took), "took": took, "error": ERROR if has_failed else None,
            "trace": TRACE if has_failed else None, "name": pattern.name,
        },
    ).fetchone()  # fmt: skip
    assert row is not None
    found: uuid.UUID = row[0]
    return found


def _output(connection: Connection, run: uuid.UUID, dice: random.Random) -> None:
    for number in range(1, 41):
        connection.execute(
            "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, level, at, text) VALUES (%s, %s, 'log', %s, clock_timestamp(), %s)",
            (
                run,
                number,
                dice.choice(("INFO", "INFO", "WARNING")),
                f"batch {number}: {dice.randint(10, 900)} rows of cart_item moved to the archive",
            ),
        )
