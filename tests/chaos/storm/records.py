"""Reads what the oracle judges, in one snapshot."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import psycopg

from chaos.storm.oracle import UNSURE, JobRecord, Reign

Row = dict[str, Any]

JOBS = "SELECT id, name, anchor_at, ledger_from, extra_schedules FROM pgcron.cron_job ORDER BY name"
# Of the schedule's own occurrences, and those that still wait for their run.
RUNS = """
SELECT job_id, scheduled_for FROM pgcron.cron_log WHERE covers_to IS NOT NULL
UNION ALL SELECT job_id, scheduled_for FROM pgcron.cron_request WHERE state = 'PENDING' AND covers_to IS NOT NULL
"""
MISSES = (
    "SELECT job_id, reason, covers_from, covers_to, count, is_lower_bound FROM pgcron.cron_miss ORDER BY covers_from"
)
EDITS = """
SELECT job_id, job_version, at, new_values ->> 'schedule' AS schedule FROM pgcron.cron_audit
 WHERE new_values ? 'schedule' ORDER BY job_id, job_version
"""


def read_jobs(
    connection: psycopg.Connection[Row], exact: dict[tuple[str, int], datetime] | None = None
) -> list[JobRecord]:
    """exact: when versions began, where the editor was told."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        jobs = connection.execute(JOBS).fetchall()
        runs, misses, edits = (_by_job(connection.execute(query).fetchall()) for query in (RUNS, MISSES, EDITS))
    return [
        JobRecord(
            job["name"], job["anchor_at"], job["ledger_from"], [_reign(edit, exact or {}) for edit in edits[job["id"]]],
            [run["scheduled_for"] for run in runs[job["id"]]], misses[job["id"]],
            tuple(job["extra_schedules"]),
        )
        for job in jobs
    ]  # fmt: skip


def _reign(edit: Row, exact: dict[tuple[str, int], datetime]) -> Reign:
    known = exact.get((str(edit["job_id"]), edit["job_version"]))
    return Reign(edit["schedule"], known or edit["at"], known or edit["at"] - UNSURE)


def _by_job(rows: list[Row]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["job_id"]].append(row)
    return found
