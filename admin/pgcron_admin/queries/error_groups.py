"""The same error across jobs and days: FAILED runs by what their error says, leaving out what differs each time.

A group is named by a hash of that text. What differs: numbers, ids, and what stands in quotation marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.wire import Answer

STRETCH, STRETCH_OF_RUN = 20_000, 2000
GROUPS_MOST = 100
JOBS_SHOWN = 5

# Of a row l of cron_log. The reason is a part of it: a timeout has no error of its own.
SHAPE: LiteralString = r"""
left(coalesce(l.reason, '') || ': ' || regexp_replace(regexp_replace(split_part(left(coalesce(l.error, ''), 2000), E'\n', 1),
  '''[^'']*''|"[^"]*"', '…', 'g'), '[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*|[0-9]+([.,:][0-9]+)*', '#', 'g'), 300)
"""
GROUP: LiteralString = f"left(md5({SHAPE}), 16)"
GROUPS: LiteralString = f"""
WITH stretch AS MATERIALIZED (SELECT l.id, l.job_id, l.seq, l.reason, l.error, l.started_at FROM pgcron.cron_log l
    WHERE l.status = 'FAILED' AND l.id >= pgcron.uuid_v7_at(%(since)s) ORDER BY l.id DESC LIMIT {STRETCH}),
  found AS (SELECT {GROUP} AS id, count(*) AS count, count(DISTINCT l.job_id) AS jobs, min(l.started_at) AS first_at, max(l.started_at) AS last_at,
      (array_agg(l.id ORDER BY l.id DESC))[1] AS newest, (array_agg(DISTINCT l.job_id))[1:{JOBS_SHOWN}] AS job_ids FROM stretch l GROUP BY 1)
SELECT f.id, f.count, f.jobs, f.first_at, f.last_at, f.newest AS newest_run, n.reason, left(n.error, 500) AS error,
  ARRAY(SELECT j.name FROM pgcron.cron_job j WHERE j.id = ANY (f.job_ids) ORDER BY 1) AS names, (SELECT count(*) = {STRETCH} FROM stretch) AS is_truncated
FROM found f JOIN stretch n ON n.id = f.newest ORDER BY f.count DESC, f.last_at DESC LIMIT {GROUPS_MOST}
"""
OF_RUN: LiteralString = f"""
WITH own AS MATERIALIZED (SELECT {GROUP} AS id FROM pgcron.cron_log l WHERE l.id = %(run)s AND l.status = 'FAILED'),
  stretch AS MATERIALIZED (SELECT l.job_id, l.started_at, {GROUP} AS id FROM (
    SELECT l.job_id, l.reason, l.error, l.started_at FROM pgcron.cron_log l
     WHERE l.status = 'FAILED' AND l.id >= pgcron.uuid_v7_at(%(since)s) ORDER BY l.id DESC LIMIT {STRETCH_OF_RUN}) l)
SELECT own.id, x.count, x.jobs, x.first_at FROM own CROSS JOIN LATERAL (
  SELECT count(*) AS count, count(DISTINCT s.job_id) AS jobs, min(s.started_at) AS first_at FROM stretch s WHERE s.id = own.id) x
"""


class ErrorGroup(Answer):
    """error: of its newest run. names: of the first few jobs. count: of the newest 20,000 failures, which isTruncated says."""

    id: str
    count: int
    jobs: int
    first_at: datetime
    last_at: datetime
    newest_run: UUID
    reason: str
    error: str | None
    names: list[str]
    is_truncated: bool


class GroupOfRun(Answer):
    """How often the same happened in the last days, among the newest 2,000 failures."""

    id: str
    count: int
    jobs: int
    first_at: datetime | None


async def error_groups(connection: Connection, now: datetime, window: timedelta) -> Sequence[ErrorGroup]:
    """The commonest first."""
    return [ErrorGroup(**row) for row in await all_rows(connection, GROUPS, {"since": now - window})]


async def group_of_run(connection: Connection, run: UUID, now: datetime, window: timedelta) -> GroupOfRun | None:
    """None for a run that did not fail."""
    rows = await all_rows(connection, OF_RUN, {"run": run, "since": now - window})
    return GroupOfRun(**rows[0]) if rows else None
