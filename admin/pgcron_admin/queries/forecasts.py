"""What is asked of the database for a forecast: jobs that share a timetable, their occurrences, and what runs now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.forecast import UNKNOWN_MS, Group, Member

WITHIN_MS = 1200
STARTS_MOST = 20_000

# Jobs with the same timetable start at the same instants: those are computed once. The name counts for H, the anchor for intervals.
GROUPS: LiteralString = r"""
SELECT (array_agg(j.id ORDER BY j.id))[1] AS first, array_agg(j.id ORDER BY j.id) AS ids, array_agg(j.name ORDER BY j.id) AS names,
  array_agg(j.average_duration ORDER BY j.id) AS means
FROM pgcron.cron_job j CROSS JOIN LATERAL (SELECT array_to_string(j.schedule || j.extra_schedules || j.excluded_schedules, ' ') AS text_) s
WHERE j.is_enabled AND j.schedule_error IS NULL AND (j.next_run_at IS NOT NULL OR j.needs_plan)
  AND (%(queue)s::text IS NULL OR j.queue = %(queue)s) AND (%(tag)s::text IS NULL OR %(tag)s = ANY (j.tags))
  AND (%(job)s::uuid IS NULL OR j.id = %(job)s)
GROUP BY j.schedule, j.extra_schedules, j.excluded_schedules, j.timezone, j.dst_gap, j.dst_fold, j.start_at, j.end_at,
  CASE WHEN s.text_ ~* '(^|[^a-z])h([^a-z]|$)' THEN j.name END, CASE WHEN s.text_ ~* 'every|second' THEN j.anchor_at END
ORDER BY count(*) DESC, min(j.next_run_at), 1
"""
STARTS: LiteralString = """
SELECT job_id, starts, is_complete
FROM pgcron.forecast_starts(%(ids)s, %(after)s::timestamptz - interval '1 microsecond', %(until)s, %(most)s, %(within)s)
"""
RUNNING: LiteralString = """
SELECT GREATEST(coalesce(j.average_duration, %(unknown)s) - r.running_ms, 1000)::bigint AS left_ms
FROM pgcron.running r JOIN pgcron.cron_job j ON j.id = r.job_id
WHERE (%(queue)s::text IS NULL OR j.queue = %(queue)s) AND (%(tag)s::text IS NULL OR %(tag)s = ANY (j.tags))
  AND (%(job)s::uuid IS NULL OR j.id = %(job)s) LIMIT 20000
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """None: all."""

    queue: str | None = None
    tag: str | None = None
    job: UUID | None = None

    def params(self) -> dict[str, object]:
        return {"queue": self.queue, "tag": self.tag, "job": self.job}


@dataclass(frozen=True, slots=True)
class Found:
    """left_out: jobs for which there was no time."""

    groups: Sequence[Group]
    jobs: int
    left_out: int


async def groups_of(connection: Connection, chosen: Chosen, after: datetime, until: datetime) -> Found:
    """after counts, until doesn't."""
    rows = await (await connection.execute(GROUPS, chosen.params(), prepare=False)).fetchall()
    members = {
        row["first"]: [
            Member(str(id_), name, mean) for id_, name, mean in zip(row["ids"], row["names"], row["means"], strict=True)
        ]
        for row in rows
    }
    params = {"ids": list(members), "after": after, "until": until, "most": STARTS_MOST, "within": WITHIN_MS}
    found = await (await connection.execute(STARTS, params)).fetchall()
    groups = [Group(members[row["job_id"]], row["starts"], row["is_complete"]) for row in found]
    jobs, reached = sum(map(len, members.values())), sum(len(group.members) for group in groups)
    return Found(groups, jobs, jobs - reached)


async def seconds_left(connection: Connection, chosen: Chosen) -> list[int]:
    """How long each run that goes on is going to, by its job's mean."""
    rows = await (
        await connection.execute(RUNNING, chosen.params() | {"unknown": UNKNOWN_MS}, prepare=False)
    ).fetchall()
    return [-(-row["left_ms"] // 1000) for row in rows]
