"""Jobs whose definition changed: lock them, write their plan."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from psycopg import AsyncConnection

from pgcron_py.domain.job import Timing
from pgcron_py.domain.planning import NewPlan, Replan
from pgcron_py.domain.words import JobId
from pgcron_py.storage.claims import TIMING_COLUMNS

_TIMING = TIMING_COLUMNS.count(",") + 1

LOCK_NEEDS_PLAN = """
SELECT $TIMING_COLUMNS, j.planned, j.scheduled_runs, j.is_enabled, coalesce(j.replan_at, j.covers_from), coalesce(j.replan_reason, 'rescheduled'), j.covers_from, j.next_scheduled_for
  FROM pgcron.cron_job j WHERE j.needs_plan AND NOT j.id = ANY (%(skipped)s::uuid[])
 ORDER BY j.id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
""".replace("$TIMING_COLUMNS", TIMING_COLUMNS)

WRITE_PLANS = """
WITH plan AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(plans)s) AS x (id uuid, next_scheduled_for timestamptz, next_run_at timestamptz,
    starts timestamptz, covers_from timestamptz, reason text, miss_from timestamptz, first timestamptz, last timestamptz, count bigint, is_lower_bound boolean)
), extended AS (
  UPDATE pgcron.cron_miss m SET covers_to = p.covers_from, last_scheduled_for = p.last, count = m.count + p.count,
      is_lower_bound = m.is_lower_bound OR p.is_lower_bound, updated_at = clock_timestamp()
    FROM plan p WHERE p.reason IS NOT NULL AND m.job_id = p.id AND m.covers_to = p.miss_from AND m.reason = p.reason
  RETURNING m.job_id
), missed AS (
  INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count, is_lower_bound)
  SELECT p.id, p.reason, p.miss_from, p.covers_from, p.first, p.last, p.count, p.is_lower_bound FROM plan p
   WHERE p.reason IS NOT NULL AND p.id NOT IN (SELECT job_id FROM extended)
)
UPDATE pgcron.cron_job j SET next_scheduled_for = p.next_scheduled_for, next_run_at = p.next_run_at, covers_from = p.covers_from,
  needs_plan = false, replan_at = NULL, replan_reason = NULL, planned = pgcron.job_timing(j), planned_from = p.starts
  FROM plan p WHERE j.id = p.id
"""

# Disabled until a time that has come.
LOCK_DISABLED_UNTIL_NOW = """
SELECT j.id FROM pgcron.cron_job j WHERE NOT j.is_enabled AND j.disabled_until <= (SELECT clock_timestamp())
 ORDER BY j.id LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""
SAY_WHY = "SELECT set_config('pgcron.actor', %(actor)s, true), set_config('pgcron.reason', %(reason)s, true)"
ENABLE_AGAIN = "UPDATE pgcron.cron_job SET is_enabled = true WHERE id = ANY (%(jobs)s) RETURNING name"

# The text is at fault, for every worker alike: the job is set aside, visibly, and nobody else is touched.
REFUSE_SCHEDULE = """
UPDATE pgcron.cron_job SET schedule_error = %(error)s, is_enabled = false, needs_plan = false, next_run_at = NULL,
  next_scheduled_for = NULL, disabled_by = 'pgcron', disabled_at = coalesce(disabled_at, clock_timestamp()),
  disabled_reason = left('invalid schedule: ' || %(error)s, 1000)
 WHERE id = %(job)s
"""


async def enable_again(connection: AsyncConnection, limit: int) -> list[str]:
    """Jobs that were disabled until now, by name."""
    jobs = [row[0] for row in await (await connection.execute(LOCK_DISABLED_UNTIL_NOW, {"limit": limit})).fetchall()]
    if not jobs:
        return []
    await connection.execute(SAY_WHY, {"actor": "pgcron", "reason": "disabled_until has come"})
    cursor = await connection.execute(ENABLE_AGAIN, {"jobs": jobs})
    await connection.execute(SAY_WHY, {"actor": "", "reason": ""})
    return [row[0] for row in await cursor.fetchall()]


async def lock_needs_plan(connection: AsyncConnection, skipped: Collection[JobId], limit: int) -> list[Replan]:
    cursor = await connection.execute(LOCK_NEEDS_PLAN, {"skipped": list(skipped), "limit": limit})
    return [_replan(row) for row in await cursor.fetchall()]


def _replan(row: tuple[Any, ...]) -> Replan:
    timing = Timing(*row[:_TIMING])
    planned, *rest = row[_TIMING:]
    return Replan(timing, timing.as_planned(planned) if planned else None, *rest)


async def write_plans(connection: AsyncConnection, plans: list[tuple[JobId, NewPlan]]) -> None:
    await connection.execute(WRITE_PLANS, {"plans": json.dumps([_as_json(id_, plan) for id_, plan in plans])})


def _as_json(id_: JobId, plan: NewPlan) -> dict[str, Any]:
    due, start, miss = plan.advance.next_scheduled_for, plan.advance.next_run_at, plan.miss
    row: dict[str, Any] = {
        "id": str(id_),
        "next_scheduled_for": due and due.isoformat(),
        "next_run_at": start and start.isoformat(),
        "starts": plan.starts.isoformat(),
        "covers_from": plan.covers_from.isoformat(),
    }
    if miss:
        row |= {"reason": miss.reason, "miss_from": miss.covers_from.isoformat(), "first": miss.first.isoformat(),
                "last": miss.last.isoformat(), "count": miss.count, "is_lower_bound": miss.is_lower_bound}  # fmt: skip
    return row


async def refuse_schedule(connection: AsyncConnection, job: JobId, error: str) -> None:
    await connection.execute(REFUSE_SCHEDULE, {"job": job, "error": error[:500]})
