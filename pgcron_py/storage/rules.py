"""The rules that a claim obeys, read and spent in its transaction: blackouts, limits, jobs that run alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace
from psycopg import AsyncConnection

from pgcron_py.domain.blackout import Blackout
from pgcron_py.domain.job import Job
from pgcron_py.domain.limits import Full, LimitKey, Room, keys_of
from pgcron_py.domain.words import JobId, WorkerId

BLACKOUTS = """
SELECT name, action, job_id, tag, starts_at, ends_at, schedule, timezone, duration_ms FROM pgcron.cron_blackout
 WHERE job_id IS NULL OR job_id = ANY (%(jobs)s::uuid[])
"""
# What is left of each limit: of its places, less what runs, and of its tokens, whichever is less.
LEFT = """
WITH running AS MATERIALIZED (
  SELECT j.queue, j.handler, j.tags FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id WHERE l.status = 'RUNNING'
)
SELECT m.kind, m.name, LEAST(m.max_running - count(r.queue), CASE WHEN m.per_minute IS NOT NULL THEN
    floor(LEAST(m.burst, extract(epoch FROM clock_timestamp() - m.spent_until) * m.per_minute / 60.0)) END)::bigint
  FROM pgcron.cron_limit m LEFT JOIN running r
    ON CASE m.kind WHEN 'queue' THEN r.queue = m.name WHEN 'handler' THEN r.handler = m.name ELSE m.name = ANY (r.tags) END
 WHERE %(kinds)s::text[] IS NULL OR (m.kind, m.name) IN (SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[]))
 GROUP BY m.kind, m.name
"""
# Nobody waits for a limit that another claim holds: its jobs are left to that one. So the jobs' locks, which are had
# before, can't be part of a deadlock.
LOCK_LIMITS = """
SELECT m.kind, m.name FROM unnest(%(kinds)s::text[], %(names)s::text[]) AS wanted (kind, name)
  JOIN pgcron.cron_limit m ON (m.kind, m.name) = (wanted.kind, wanted.name)
 ORDER BY m.kind, m.name FOR NO KEY UPDATE OF m SKIP LOCKED
"""
KNOWN_LIMITS = """
SELECT m.kind, m.name FROM pgcron.cron_limit m
 WHERE (m.kind, m.name) IN (SELECT * FROM unnest(%(kinds)s::text[], %(names)s::text[]))
"""
SPEND = """
UPDATE pgcron.cron_limit m SET spent_until =
    GREATEST(m.spent_until, clock_timestamp() - m.burst * interval '60 s' / m.per_minute) + t.runs * interval '60 s' / m.per_minute
  FROM unnest(%(kinds)s::text[], %(names)s::text[], %(runs)s::integer[]) AS t (kind, name, runs)
 WHERE (m.kind, m.name) = (t.kind, t.name) AND m.per_minute IS NOT NULL
"""

# Claims hold it shared: who holds it alone knows that every run which may go on is in the log.
CLAIMS_KEY = "hashtextextended('pgcron claims', 0)"
SHARE_CLAIMS = f"SELECT pg_advisory_xact_lock_shared({CLAIMS_KEY})"
TRY_ALONE = f"SELECT pg_try_advisory_xact_lock({CLAIMS_KEY})"
DUE_ALONE = """
SELECT j.id, j.handler FROM pgcron.cron_job j
 WHERE j.runs_alone AND j.is_enabled AND NOT j.needs_plan AND j.claim_at <= (SELECT clock_timestamp())
   AND (j.queue, j.handler) IN (SELECT * FROM unnest(%(queues)s::text[], %(handlers)s::text[]))
   AND (SELECT m.paused_at FROM pgcron.cron_meta m) IS NULL
 ORDER BY j.claim_at LIMIT 1
"""
OTHERS_RUN = "SELECT EXISTS (SELECT FROM pgcron.cron_log l WHERE l.status = 'RUNNING' AND l.job_id <> %(job)s)"
CLOSE_GATE = "SELECT pgcron.close_gate(%(job)s, %(worker)s)"


async def full(connection: AsyncConnection) -> Full:
    """Which limits have no room, without a lock: a hint that keeps jobs that can't start out of the claim."""
    return Full.of(await _left(connection, None))


async def applied(connection: AsyncConnection, jobs: Sequence[Job]) -> tuple[list[Job], Room]:
    """Locked jobs with the blackouts that concern them, and the room that their limits, locked now, leave."""
    blackouts = await _blackouts(connection, [job.id for job in jobs])
    known = [
        replace(job, blackouts=tuple(it for it in blackouts if it.concerns(job.id, job.tags))) if blackouts else job
        for job in jobs
    ]
    keys = sorted({key for job in jobs for key in keys_of(job)})
    limits = set(await _keys(connection, KNOWN_LIMITS, keys))
    if not limits:
        return known, Room()
    locked = await _keys(connection, LOCK_LIMITS, sorted(limits))
    return known, Room(await _left(connection, locked), limits - set(locked))


async def spend(connection: AsyncConnection, room: Room) -> None:
    """Takes the tokens of what starts."""
    if room.taken:
        keys = sorted(room.taken)
        runs = [room.taken[key] for key in keys]
        await connection.execute(SPEND, _columns(keys) | {"runs": runs})


async def due_alone(connection: AsyncConnection, queues: list[str], handlers: list[str]) -> tuple[JobId, str] | None:
    """A due job that wants to run alone, among what this worker serves, and its handler."""
    row = await (await connection.execute(DUE_ALONE, {"queues": queues, "handlers": handlers})).fetchone()
    return None if row is None else (JobId(row[0]), row[1])


async def is_alone(connection: AsyncConnection, job: JobId) -> bool:
    """Whether nothing else runs; if so nothing else starts until this transaction ends."""
    row = await (await connection.execute(TRY_ALONE)).fetchone()
    if row is None or not row[0]:
        return False
    row = await (await connection.execute(OTHERS_RUN, {"job": job})).fetchone()
    return row is not None and not row[0]


async def close_gate(connection: AsyncConnection, job: JobId, worker: WorkerId) -> None:
    await connection.execute(CLOSE_GATE, {"job": job, "worker": worker})


async def _left(connection: AsyncConnection, keys: Sequence[LimitKey] | None) -> dict[LimitKey, int]:
    parameters = {"kinds": None, "names": None} if keys is None else _columns(keys)
    cursor = await connection.execute(LEFT, parameters)
    return {(kind, name): left for kind, name, left in await cursor.fetchall()}


async def _keys(connection: AsyncConnection, statement: str, keys: Sequence[LimitKey]) -> list[LimitKey]:
    cursor = await connection.execute(statement, _columns(keys))
    return [(kind, name) for kind, name in await cursor.fetchall()]


def _columns(keys: Sequence[LimitKey]) -> dict[str, list[str] | list[int]]:
    return {"kinds": [kind for kind, _ in keys], "names": [name for _, name in keys]}


async def _blackouts(connection: AsyncConnection, jobs: list[JobId]) -> list[Blackout]:
    cursor = await connection.execute(BLACKOUTS, {"jobs": jobs})
    return [
        Blackout(name, action, JobId(job_id) if isinstance(job_id, UUID) else None, tag, starts_at, ends_at, schedule, timezone,
                 None if duration_ms is None else timedelta(milliseconds=duration_ms))
        for name, action, job_id, tag, starts_at, ends_at, schedule, timezone, duration_ms in await cursor.fetchall()
    ]  # fmt: skip
