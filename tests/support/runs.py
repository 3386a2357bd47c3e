"""Runs and their output as tests want them, without workers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[Any]

BEGIN = """
INSERT INTO pgcron.cron_log (job_id, seq, status, cause, requested_by, worker_id, args, handler, job_version, schedule, is_exclusive, covers_from, covers_to, scheduled_for)
SELECT j.id, j.run_seq + 1, 'RUNNING', %(cause)s, %(by)s, (SELECT id FROM pgcron.cron_worker ORDER BY id LIMIT 1), %(args)s, j.handler, j.version, j.schedule, false,
  CASE WHEN %(cause)s = 'schedule' THEN clock_timestamp() - interval '1 ms' END, CASE WHEN %(cause)s = 'schedule' THEN clock_timestamp() END,
  CASE WHEN %(cause)s = 'schedule' THEN clock_timestamp() END
FROM pgcron.cron_job j WHERE j.name = %(job)s RETURNING id, seq
"""


def begin_run(
    connection: Connection, job: str, *, cause: str = "manual", args: dict[str, Any] | None = None
) -> uuid.UUID:
    """A run that goes on."""
    params = {"job": job, "cause": cause, "by": "web:ana" if cause == "manual" else None, "args": Jsonb(args or {})}
    row = connection.execute(BEGIN, params).fetchone()
    assert row is not None
    connection.execute("UPDATE pgcron.cron_job SET run_seq = %s WHERE name = %s", (row[1], job))
    found: uuid.UUID = row[0]
    return found


def end_run(
    connection: Connection, run: uuid.UUID, *, error: str | None = None, result: Any = None, took_ms: int = 1200
) -> None:
    connection.execute(
        "UPDATE pgcron.cron_log SET status = %s, reason = %s, error = %s, result = %s, duration = %s, completed_at = clock_timestamp(), finish_token = gen_random_uuid() WHERE id = %s",
        (
            "FAILED" if error else "SUCCESS",
            "error" if error else None,
            error,
            None if result is None else Jsonb(result),
            took_ms,
            run,
        ),
    )


def write_lines(
    connection: Connection,
    run: uuid.UUID,
    lines: Sequence[tuple[int, str, str | None, str]],
    *,
    is_complete: bool = False,
) -> None:
    """lines: number, stream, level, text."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, level, at, text) VALUES (%s, %s, %s, %s, clock_timestamp(), %s)",
            [(run, *line) for line in lines],
        )
    connection.execute(
        """INSERT INTO pgcron.cron_log_output (run_id, lines, bytes, dropped_lines, is_complete)
        SELECT %(run)s, max(line_no), sum(length(text)), max(line_no) - count(*), %(done)s FROM pgcron.cron_log_line WHERE run_id = %(run)s
        ON CONFLICT (run_id) DO UPDATE SET lines = excluded.lines, bytes = excluded.bytes, dropped_lines = excluded.dropped_lines, is_complete = excluded.is_complete""",
        {"run": run, "done": is_complete},
    )


def write_many_lines(connection: Connection, run: uuid.UUID, count: int) -> None:
    connection.execute(
        "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, level, at, text) SELECT %s, n, 'log', 'INFO', clock_timestamp(), 'batch ' || n || ' was copied' "
        "FROM generate_series(1, %s) n", (run, count),
    )  # fmt: skip
    write_lines(connection, run, [], is_complete=True)
