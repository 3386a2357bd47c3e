"""What the timeline asks beside the forecast: how long runs of some jobs take, what ran in a while, and what should have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.wire import Answer

RUNS_MOST = 2000
MISSES_MOST = 1000
LONGEST = timedelta(hours=12)  # what began earlier and has ended since is not looked for

# Of the last hundred successes: bounded, whatever the job.
DURATIONS: LiteralString = """
SELECT j.id, d.p50, d.p95 FROM unnest(%(jobs)s::uuid[]) AS j (id) CROSS JOIN LATERAL (
  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY r.duration) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY r.duration) AS p95 FROM (
    SELECT l.duration, l.status FROM pgcron.cron_log l WHERE l.job_id = j.id ORDER BY l.seq DESC LIMIT 100) r WHERE r.status = 'SUCCESS') d
"""
TAGS: LiteralString = "SELECT j.id, j.tags FROM pgcron.cron_job j WHERE j.id = ANY (%(jobs)s)"
ALL_TAGS: LiteralString = """
SELECT t.tag FROM pgcron.cron_job j CROSS JOIN unnest(j.tags) AS t (tag) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 100
"""
RUN_COLUMNS: LiteralString = (
    "l.id, l.job_id, j.name AS job, l.seq, l.status, l.reason, l.skip_reason, l.started_at, l.completed_at"
)
RUNS: LiteralString = f"""
WITH found AS MATERIALIZED (
  SELECT l.id FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id
   WHERE l.id >= pgcron.uuid_v7_at(%(from)s::timestamptz - %(longest)s::interval) AND l.id < pgcron.uuid_v7_at(%(to)s) AND l.started_at < %(to)s
     AND (l.completed_at IS NULL OR l.completed_at >= %(from)s) AND (%(tag)s::text IS NULL OR %(tag)s = ANY (j.tags)) ORDER BY l.id DESC LIMIT {RUNS_MOST}),
  open AS (SELECT r.run_id AS id FROM pgcron.running r JOIN pgcron.cron_job j ON j.id = r.job_id
    WHERE r.started_at < %(to)s AND (%(tag)s::text IS NULL OR %(tag)s = ANY (j.tags)) LIMIT 500)
SELECT {RUN_COLUMNS} FROM (SELECT id FROM found UNION SELECT id FROM open) f JOIN pgcron.cron_log l ON l.id = f.id JOIN pgcron.cron_job j ON j.id = l.job_id
ORDER BY l.started_at
"""
# A stretch is found by its end, a few of each job: the index of misses begins with the job.
MISSES: LiteralString = f"""
SELECT j.id AS job_id, j.name AS job, m.reason, m.count, m.first_scheduled_for, m.last_scheduled_for FROM pgcron.cron_job j CROSS JOIN LATERAL (
  SELECT x.reason, x.count, x.first_scheduled_for, x.last_scheduled_for FROM pgcron.cron_miss x
   WHERE x.job_id = j.id AND x.covers_to > %(from)s ORDER BY x.covers_to DESC LIMIT 20) m
WHERE m.first_scheduled_for < %(to)s AND m.last_scheduled_for >= %(from)s AND (%(tag)s::text IS NULL OR %(tag)s = ANY (j.tags))
ORDER BY m.first_scheduled_for LIMIT {MISSES_MOST}
"""


class PastRun(Answer):
    id: UUID
    job_id: UUID
    job: str
    seq: int
    status: str
    reason: str | None
    skip_reason: str | None
    started_at: datetime
    completed_at: datetime | None


class PastMiss(Answer):
    """count occurrences, from the first to the last of them."""

    job_id: UUID
    job: str
    reason: str
    count: int
    first_scheduled_for: datetime
    last_scheduled_for: datetime


async def durations_of(connection: Connection, jobs: Sequence[UUID]) -> dict[UUID, tuple[float | None, float | None]]:
    """p50 and p95 in ms; None of jobs without a success."""
    rows = await all_rows(connection, DURATIONS, {"jobs": list(jobs)})
    return {row["id"]: (row["p50"], row["p95"]) for row in rows}


async def tags_of(connection: Connection, jobs: Sequence[UUID]) -> dict[UUID, list[str]]:
    return {row["id"]: row["tags"] for row in await all_rows(connection, TAGS, {"jobs": list(jobs)})}


async def all_tags(connection: Connection) -> list[str]:
    """The commonest hundred."""
    return [row["tag"] for row in await all_rows(connection, ALL_TAGS, {})]


async def past_runs(connection: Connection, begin: datetime, end: datetime, tag: str | None) -> list[PastRun]:
    """That were under way in this time, by their start; the newest 2,000."""
    params: dict[str, Any] = {"from": begin, "to": end, "tag": tag, "longest": LONGEST}
    return [PastRun(**row) for row in await all_rows(connection, RUNS, params)]


async def past_misses(connection: Connection, begin: datetime, end: datetime, tag: str | None) -> list[PastMiss]:
    return [PastMiss(**row) for row in await all_rows(connection, MISSES, {"from": begin, "to": end, "tag": tag})]
