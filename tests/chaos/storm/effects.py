"""What handlers did, against what their runs say: effects in the database, starts in a file outside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

Row = dict[str, Any]

# A transactional handler's effect is there once for each SUCCESS, and never for another run.
EFFECTS = """
SELECT j.name, l.id, l.status, l.reason, coalesce(e.n, 0) AS effects
  FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id AND j.name LIKE 'tx-%%'
  FULL JOIN (SELECT what, count(*) AS n FROM effect GROUP BY what) e ON e.what = l.id::text
 WHERE coalesce(e.n, 0) <> (l.status IS NOT DISTINCT FROM 'SUCCESS')::int
"""
OWN_FAILURES = """
SELECT j.name, l.id, l.reason, l.error FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id
 WHERE l.reason IN ('error', 'tx_broken', 'timeout', 'output_limit') AND j.name !~ '^poison|strikes$'
"""
RUNS = """
SELECT l.id::text AS id, j.name, l.status, l.reason, l.cause, l.scheduled_for, l.attempt, l.seq, j.is_idempotent
  FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id ORDER BY j.name, l.seq
"""

# What a limit of one, and a job that runs alone, promise of the rows.
TOGETHER = """
WITH run AS (
  SELECT l.id, j.name, j.runs_alone, j.tags @> '{limited}' AS is_limited, l.started_at, coalesce(l.completed_at, 'infinity') AS ends
    FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id)
SELECT a.id, a.name, b.id AS other_id, b.name AS other FROM run a JOIN run b
    ON b.id <> a.id AND (a.runs_alone OR a.is_limited AND b.is_limited) AND b.started_at < a.ends AND a.started_at < b.ends
 WHERE a.runs_alone OR a.id < b.id
"""


def read_starts(file: Path) -> Counter[str]:
    """How often each run was started."""
    return Counter(line.split()[0] for line in file.read_text().splitlines())


def wrong_effects(connection: psycopg.Connection[Row]) -> list[str]:
    return [
        f"{row['name']}: run {row['id']} is {row['status']} ({row['reason']}) with {row['effects']} effects"
        for row in connection.execute(EFFECTS.replace("%%", "%"))
    ]


def wrong_starts(connection: psycopg.Connection[Row], starts: Counter[str]) -> list[str]:
    runs = connection.execute(RUNS).fetchall()
    wrong = [f"run {run_id} was started {n} times" for run_id, n in starts.items() if n > 1]
    wrong += [
        f"{run['name']}: run {run['id']} is SUCCESS and never started"
        for run in runs
        if run["status"] == "SUCCESS" and not starts[run["id"]]
    ]
    wrong += [
        f"{run['name']}: run {run['id']} is orphaned_claim and was started"
        for run in runs
        if run["reason"] == "orphaned_claim" and starts[run["id"]]
    ]
    return wrong + repeated(runs, starts) + unknown(runs, starts)


def wrong_company(connection: psycopg.Connection[Row]) -> list[str]:
    return [
        f"{row['name']}: run {row['id']} went on beside {row['other_id']} of {row['other']}"
        for row in connection.execute(TOGETHER)
    ]


def wrong_failures(connection: psycopg.Connection[Row]) -> list[str]:
    """The handlers of the storm but `strikes` and poisons never fail by themselves: a fault must not be called theirs."""
    return [
        f"{row['name']}: run {row['id']} FAILED as {row['reason']}: {row['error']}"
        for row in connection.execute(OWN_FAILURES)
    ]


def repeated(runs: list[Row], starts: Counter[str]) -> list[str]:
    """At most once: no occurrence of a handler that is not idempotent was started twice."""
    times: Counter[tuple[str, Any]] = Counter()
    for run in runs:
        if not run["is_idempotent"] and run["scheduled_for"] is not None:
            times[run["name"], run["scheduled_for"]] += starts[run["id"]]
    return [f"{name}: the occurrence of {at} was started {n} times" for (name, at), n in times.items() if n > 1]


def unknown(runs: list[Row], starts: Counter[str]) -> list[str]:
    known = {run["id"] for run in runs}
    return [f"run {run_id} was started and has no row" for run_id in starts if run_id not in known]
