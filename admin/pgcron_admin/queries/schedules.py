"""When jobs run: next occurrences, what another schedule would change, why a job does not run, and who begins near an instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.preview import GROUPS_MOST, NAMES_SHOWN, NEARBY, NO_JOB, Others, RunTime, WarningAnswer, run_times
from pgcron_admin.queries.asking import all_rows
from pgcron_admin.queries.jobs import job_not_found
from pgcron_admin.wire import Answer
from pgcron_py.domain.job import Timing

NOW: LiteralString = "SELECT clock_timestamp() AS now"
TIMING: LiteralString = """
SELECT clock_timestamp() AS now, j.name, j.schedule, j.timezone, j.anchor_at, j.dst_gap, j.dst_fold, j.extra_schedules, j.excluded_schedules, j.start_at, j.end_at
FROM pgcron.cron_job j WHERE j.id = %(id)s
"""
NEXT_RUNS: LiteralString = """
SELECT j.timezone, ARRAY(SELECT r FROM pgcron.job_next_runs(j, clock_timestamp(), %(n)s) r) AS runs FROM pgcron.cron_job j WHERE j.id = %(id)s
"""
PLAN: LiteralString = """
SELECT p.at, p.by_now, p.by_new, p.effect FROM pgcron.plan(%(name)s, %(schedule)s, %(timezone)s, %(n)s) p ORDER BY p.at
"""
EXPLAIN: LiteralString = """
SELECT e.step, e.topic, e.verdict, e.message, e.evidence FROM pgcron.explain(%(name)s) e ORDER BY e.step
"""
# Jobs that are planned alike are one row; a job whose next occurrence is later has none before. H is chosen by the name.
OTHERS: LiteralString = f"""
SELECT j.schedule, j.timezone, j.dst_gap, j.dst_fold, j.extra_schedules, j.excluded_schedules, j.start_at, j.end_at,
  CASE WHEN array_to_string(j.schedule || j.extra_schedules, ' ') ~* '@every|second' THEN j.anchor_at END AS anchor_at, CASE WHEN array_to_string(j.schedule || j.extra_schedules, ' ') ~ 'H' THEN j.name END AS name,
  count(*) AS count, (array_agg(j.name ORDER BY j.name))[1:{NAMES_SHOWN}] AS names
FROM pgcron.cron_job j
WHERE j.is_enabled AND j.next_scheduled_for <= %(until)s AND j.id IS DISTINCT FROM %(but)s::uuid
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY count(*) DESC, 1, 2 LIMIT {GROUPS_MOST + 1}
"""


class StepAnswer(Answer):
    """verdict: ok, note, or blocks. evidence: the values behind the message."""

    step: int
    topic: str
    verdict: Literal["ok", "note", "blocks"]
    message: str
    evidence: Any


class ExplanationAnswer(Answer):
    """answer: what blocks it first, else the step about its time."""

    is_blocked: bool
    answer: StepAnswer
    steps: list[StepAnswer]


class NextRunsAnswer(Answer):
    """Occurrences by the schedules; blackouts, limits and jitter are not looked at."""

    timezone: str
    runs: list[RunTime]


class EffectAnswer(Answer):
    """An instant by the schedule as it is (byNow), and as it would be (byNew)."""

    at: datetime
    in_job_zone: str
    in_new_zone: str
    by_now: bool
    by_new: bool
    effect: str


class PlanAnswer(Answer):
    """sentence, warnings: of the new schedule. effects: up to where both are known, by time."""

    sentence: str
    warnings: list[WarningAnswer]
    effects: list[EffectAnswer]


def timing_of(row: Mapping[str, Any], name: str) -> Timing:
    return Timing(
        NO_JOB, name, row["schedule"], row["timezone"], row["anchor_at"], 0, row["dst_gap"], row["dst_fold"], tuple(row["extra_schedules"]),
        tuple(row["excluded_schedules"]), row["start_at"], row["end_at"],
    )  # fmt: skip


async def now_of(connection: Connection) -> datetime:
    (row,) = await all_rows(connection, NOW, {})
    now: datetime = row["now"]
    return now


async def job_timing(connection: Connection, job_id: UUID) -> tuple[Timing, datetime]:
    """And the database's now. Raises JobNotFound."""
    row = await (await connection.execute(TIMING, {"id": job_id})).fetchone()
    if row is None:
        raise job_not_found(job_id)
    return timing_of(row, row["name"]), row["now"]


async def next_runs_of(connection: Connection, job_id: UUID, view_zone: str, n: int) -> NextRunsAnswer:
    """Raises JobNotFound, UnknownTimeZone."""
    row = await (await connection.execute(NEXT_RUNS, {"id": job_id, "n": n})).fetchone()
    if row is None:
        raise job_not_found(job_id)
    return NextRunsAnswer(row["timezone"], run_times(row["runs"], row["timezone"], view_zone))


async def effects_of(connection: Connection, old: Timing, schedule: str, timezone: str, n: int) -> list[EffectAnswer]:
    """Raises InvalidSchedule, UnknownTimeZone."""
    rows = await all_rows(connection, PLAN, {"name": old.name, "schedule": schedule, "timezone": timezone, "n": n})
    shown = run_times([row["at"] for row in rows], old.timezone, timezone)
    return [
        EffectAnswer(row["at"], time.in_job_zone, time.in_view_zone, row["by_now"], row["by_new"], row["effect"])
        for row, time in zip(rows, shown, strict=True)
    ]


async def explanation_of(connection: Connection, name: str) -> ExplanationAnswer:
    steps = [StepAnswer(**row) for row in await all_rows(connection, EXPLAIN, {"name": name})]
    blocking = next((step for step in steps if step.verdict == "blocks"), None)
    return ExplanationAnswer(blocking is not None, blocking or steps[-1], steps)


async def others_near(connection: Connection, at: datetime, but: UUID | None, anchor: datetime) -> list[Others]:
    """Enabled jobs that may begin around an instant, as groups of those planned alike. anchor: for those that have none of their own."""
    rows = await all_rows(connection, OTHERS, {"until": at + NEARBY, "but": but})
    return [
        Others(
            timing_of({**row, "anchor_at": row["anchor_at"] or anchor}, row["name"] or ""), row["count"], row["names"]
        )
        for row in rows
    ]
