"""The past: what the runs of each job would have been, written as they would lie there.

Occurrences are the timetable's own; rows are copied past the triggers, and counters, days and misses agree with them as
`pgcron.check_invariants()` asks. The ledger of a job begins after it: nobody can claim that nothing is missing from it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from pgcron_py.timetable import parse
from pgcron_workers.demo.showcase.app import took_s
from pgcron_workers.demo.showcase.samples import PAYMENTS, SAMPLES, Sample

DAYS = 91
OCCURRENCES_MOST = 100_000
HOSTS = ("web-1.fra", "web-2.fra", "batch-1.fra")
RELEASES = ("2026.9.0", "2026.9.2", "2026.10.1", "2026.11.0", "2026.11.2")
PEOPLE = ("ana", "bob", "chidi", "dora")
OUTAGE = (
    timedelta(days=12, hours=3),
    timedelta(minutes=50),
)  # how long ago the payment provider was away, and for how long
DARK = (timedelta(days=33, hours=9), timedelta(minutes=26))  # and when no worker lived
LINES_OF = 3  # the last runs whose output is kept
TRACE = """Traceback (most recent call last):
  File "/srv/shop/{path}.py", line {line}, in {function}
    await self.step(batch)
  File "/srv/shop/base.py", line 88, in step
    raise
{error}"""

COLUMNS = (
    "id", "job_id", "seq", "status", "reason", "is_strike", "cause", "scheduled_for", "covers_from", "covers_to", "attempt", "worker_id", "requested_by",
    "started_at", "completed_at", "duration", "error", "stack_trace", "handler", "job_version", "schedule", "finish_token", "is_exclusive",
)  # fmt: skip
COPY = f"COPY pgcron.cron_log ({', '.join(COLUMNS)}) FROM STDIN"
COPY_LINES = "COPY pgcron.cron_log_line (run_id, line_no, stream, level, at, text) FROM STDIN"
COUNTERS = """
UPDATE pgcron.cron_job SET run_seq = %(runs)s, scheduled_runs = %(scheduled)s, success_count = %(successes)s, failure_count = %(failures)s,
  consecutive_failures = %(streak)s, strikes_from_seq = %(last_success)s, duration_sum_ms = %(took)s, last_run_at = %(started)s,
  last_completed_at = %(completed)s, created_at = %(since)s, updated_at = %(since)s
WHERE id = %(job)s
"""
MISS = """
INSERT INTO pgcron.cron_miss (id, job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count, created_at, updated_at)
VALUES (%(id)s, %(job)s, 'no_worker', %(from)s, %(to)s, %(first)s, %(to)s, %(count)s, %(to)s, %(to)s)
"""
WORKER = """
INSERT INTO pgcron.cron_worker (id, state, host, pid, version, app, release, concurrency, started_at, ended_at)
VALUES (%s, 'GONE', %s, %s, '0.1.0', 'shop', %s, 10, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A row that exists already: what a run copies of it."""

    id: UUID
    version: int
    anchor_at: datetime


@dataclass
class Past:
    """A job's runs so far, in the order of their numbers."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    counters: dict[str, Any] = field(
        default_factory=lambda: dict.fromkeys(
            ("runs", "scheduled", "successes", "failures", "streak", "last_success", "took"), 0
        )
    )
    missed: list[tuple[datetime, datetime]] = field(default_factory=list)


def write_history(connection: psycopg.Connection[Any], now: datetime, dice: random.Random) -> int:
    """As a superuser, for jobs without runs. Returns how many runs there are."""
    crews = _write_workers(connection, now, dice)
    jobs = {
        name: Job(id_, version, anchor)
        for name, id_, version, anchor in connection.execute("SELECT name, id, version, anchor_at FROM pgcron.cron_job")
    }
    written = 0
    connection.execute("SET LOCAL session_replication_role = replica")
    pasts = {sample.name: _past(sample, jobs[sample.name], crews, now, dice) for sample in SAMPLES}
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for past in pasts.values():
            for row in past.rows:
                copy.write_row(row)
            written += len(past.rows)
    for sample in SAMPLES:
        past, job = pasts[sample.name], jobs[sample.name]
        if past.rows:
            last = past.rows[-1]
            told = {"job": job.id, "started": last[13], "completed": last[14], "since": now - timedelta(days=DAYS)}
            connection.execute(COUNTERS, past.counters | told)
        if past.missed:
            first, last_missed = past.missed[0], past.missed[-1]
            told = {"from": first[0], "to": last_missed[1], "first": first[1], "count": len(past.missed)}
            connection.execute(MISS, told | {"id": _uuid_at(last_missed[1], dice), "job": job.id})
    with connection.cursor() as cursor, cursor.copy(COPY_LINES) as copy:
        for sample in SAMPLES:
            for row in pasts[sample.name].rows[-LINES_OF:]:
                for line in _lines(sample, row, dice):
                    copy.write_row(line)
    connection.execute("SET LOCAL session_replication_role = origin")
    return written


def _past(sample: Sample, job: Job, crews: list[_Crew], now: datetime, dice: random.Random) -> Past:
    past = Past()
    plan = parse(sample.schedule, name=sample.name).plan(sample.timezone, anchor=now - timedelta(days=DAYS))
    begin = now - timedelta(days=min(sample.days, DAYS))
    due = plan.occurrences_between(begin, now - timedelta(seconds=2), OCCURRENCES_MOST)
    free_at, previous = begin, begin - timedelta(seconds=1)
    for number, scheduled in enumerate(due):
        if _is_within(scheduled, DARK, now):
            past.missed.append((previous, scheduled))
            previous = scheduled
            continue
        must_end = due[number + 1] if number + 1 < len(due) else now - timedelta(milliseconds=900)
        started = max(scheduled + timedelta(milliseconds=_lag_ms(dice)), free_at)
        is_last = number >= len(due) - sample.streak
        outage = sample.error == PAYMENTS and _is_within(scheduled, OUTAGE, now)
        has_failed = is_last or outage or (dice.random() < sample.failing and number < len(due) - sample.streak - 1)
        for attempt in range(1, sample.attempts + 1):
            # An exclusive job's runs don't overlap: what would take longer takes as long as there is room.
            room = (must_end - started).total_seconds() * 0.9
            age = (now - started) / timedelta(days=DAYS)
            took = min(took_s(sample, dice, age) * (dice.uniform(0.1, 0.8) if has_failed else 1), room)
            if took <= 0:
                break
            covers = (previous, scheduled) if attempt == 1 else None
            free_at = _add(
                past, sample, job, crews, dice, scheduled, covers, attempt, started, took, has_failed=has_failed
            )
            again = free_at + timedelta(seconds=30 * attempt)
            if not has_failed or again + timedelta(seconds=1) >= must_end:
                break
            started, has_failed = again, is_last or outage or dice.random() < 0.2
        previous = scheduled
    return past


def _add(
    past: Past, sample: Sample, job: Job, crews: list[_Crew], dice: random.Random, scheduled: datetime, covers: tuple[datetime, datetime] | None,
    attempt: int, started: datetime, took: float, *, has_failed: bool,
) -> datetime:  # fmt: skip
    """A run, of the schedule when it covers something, else a retry. Returns when it ended."""
    ended = started + timedelta(seconds=took)
    counters, seq, ms = past.counters, len(past.rows) + 1, round(took * 1000)
    reason = None if not has_failed else "timeout" if "Timeout" in sample.error and dice.random() < 0.3 else "error"
    error = sample.error if reason == "error" else "the run took longer than its timeout" if reason else None
    module, _, function = sample.handler.partition(":")
    trace = (
        TRACE.format(path=module.replace(".", "/"), line=20 + len(sample.name), function=function, error=error)
        if reason == "error"
        else None
    )
    cause = "schedule" if covers else "retry"
    past.rows.append((
        _uuid_at(started, dice), job.id, seq, "FAILED" if has_failed else "SUCCESS", reason, has_failed and attempt == sample.attempts, cause, scheduled,
        covers and covers[0], covers and covers[1], attempt, _worker_at(crews, started, dice), None if covers else "pgcron", started, ended, ms,
        error, trace, sample.handler, job.version, sample.schedule, _random_uuid(dice), True,
    ))  # fmt: skip
    counters["runs"] = seq
    counters["scheduled"] += covers is not None
    if has_failed:
        counters["failures"] += 1
        counters["streak"] += attempt == sample.attempts
    else:
        counters["successes"] += 1
        counters["took"] += ms
        counters["streak"], counters["last_success"] = 0, seq
    return ended


def _lines(sample: Sample, row: tuple[Any, ...], dice: random.Random) -> Iterator[tuple[Any, ...]]:
    started, ended, has_failed = row[13], row[14], row[3] == "FAILED"
    step, rows = (ended - started) / 20, 0
    yield (row[0], 1, "log", "INFO", started, f"{sample.description}, in batches of 500")
    count = 20 if not has_failed else dice.randrange(3, 18)
    for number in range(1, count + 1):
        rows += dice.randrange(350, 500)
        yield (row[0], number + 1, "log", "INFO", started + step * number, f"batch {number} of 20: {rows} rows")
    if has_failed:
        yield (row[0], count + 2, "log", "WARNING", ended, f"batch {count + 1} did not work out")


@dataclass(frozen=True, slots=True)
class _Crew:
    """The workers of a release."""

    begin: datetime
    workers: tuple[UUID, ...]


def _write_workers(connection: psycopg.Connection[Any], now: datetime, dice: random.Random) -> list[_Crew]:
    """A deployment every few weeks; the last crew has left shortly before the demo's own workers come."""
    crews, length = [], timedelta(days=DAYS) / len(RELEASES)
    for number, release in enumerate(RELEASES):
        begin = now - timedelta(days=DAYS) + length * number
        end = min(begin + length, now - timedelta(seconds=1))
        crew = tuple(_uuid_at(begin, dice) for _ in HOSTS)
        crews.append(_Crew(begin, crew))
        for worker, host in zip(crew, HOSTS, strict=True):
            connection.execute(WORKER, (worker, host, dice.randrange(800, 30_000), release, begin, end))
    return crews


def _worker_at(crews: list[_Crew], instant: datetime, dice: random.Random) -> UUID:
    crew = next((crew for crew in reversed(crews) if crew.begin <= instant), crews[0])
    return dice.choice(crew.workers)


def _lag_ms(dice: random.Random) -> float:
    """Mostly a few milliseconds; now and then somebody was busy."""
    return dice.lognormvariate(1.6, 0.6) if dice.random() > 0.004 else dice.uniform(200, 2500)


def _is_within(instant: datetime, window: tuple[timedelta, timedelta], now: datetime) -> bool:
    begin = now - window[0]
    return begin <= instant < begin + window[1]


def _uuid_at(instant: datetime, dice: random.Random) -> UUID:
    """Of version 7, as the product's: in the order of time."""
    milliseconds = int(instant.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | dice.getrandbits(12) << 64 | 2 << 62 | dice.getrandbits(62))


def _random_uuid(dice: random.Random) -> UUID:
    return UUID(int=dice.getrandbits(128), version=4)
