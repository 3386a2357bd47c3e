"""A job's past that never was: runs of many days, and what their statistics must be, found the slow way."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from support.steps import Stage

# No trigger fires: nothing of this is to be counted, audited or refused.
WRITE = """
INSERT INTO pgcron.cron_log (id, job_id, seq, status, reason, cause, scheduled_for, covers_from, covers_to, worker_id, started_at, completed_at, duration,
  handler, job_version, schedule, is_exclusive)
SELECT (left(pgcron.uuid_v7_at(r.started_at)::text, 13) || substr(gen_random_uuid()::text, 14))::uuid, %s, r.seq, r.status,
  CASE WHEN r.status = 'FAILED' THEN 'error' END, r.cause, r.scheduled_for, r.scheduled_for - CASE WHEN r.cause = 'schedule' THEN interval '1 s' END,
  CASE WHEN r.cause = 'schedule' THEN r.scheduled_for END, gen_random_uuid(), r.started_at, r.completed_at, r.duration, 'h', 1, 's', false
  FROM json_to_recordset(%s) AS r (seq bigint, status text, cause text, scheduled_for timestamptz, started_at timestamptz,
    completed_at timestamptz, duration bigint)
"""
COUNTERS = """
UPDATE pgcron.cron_job SET run_seq = GREATEST(run_seq, %s), success_count = success_count + %s, failure_count = failure_count + %s,
  duration_sum_ms = duration_sum_ms + %s, created_at = LEAST(created_at, %s) WHERE id = %s
"""


@dataclass(frozen=True)
class Past:
    """A run that ended."""

    seq: int
    status: str
    cause: str
    scheduled_for: datetime | None
    started_at: datetime
    completed_at: datetime
    duration: int

    @property
    def lag_ms(self) -> int | None:
        if self.cause != "schedule" or self.scheduled_for is None:
            return None
        return round((self.started_at - self.scheduled_for).total_seconds() * 1000)


def drawn(draw: random.Random, count: int, days: float, *, overlapping: bool = False) -> list[Past]:
    """Runs of the last `days` days, the last of them an hour ago; failures come in streaks."""
    now = datetime.now(UTC).replace(microsecond=0)
    starts = sorted(now - timedelta(seconds=draw.uniform(3600, days * 86_400)) for _ in range(count))
    found: list[Past] = []
    is_failing = False
    for seq, start in enumerate(starts, 1):
        is_failing = draw.random() < (0.7 if is_failing else 0.15)
        room = (starts[seq] - start).total_seconds() if seq < count else 3000.0
        took = draw.uniform(0, 7200 if overlapping else room * 0.9)
        took = min(took, (now - start).total_seconds() * draw.uniform(0.5, 0.99))
        cause = draw.choice(["schedule", "schedule", "manual", "retry"])
        due = start - timedelta(milliseconds=int(draw.expovariate(1 / 400))) if cause == "schedule" else None
        status = "FAILED" if is_failing else "SUCCESS"
        found.append(Past(seq, status, cause, due, start, start + timedelta(seconds=took), int(took * 1000)))
    return found


def write(stage: Stage, job: UUID, runs: Sequence[Past]) -> None:
    stage.do("SET session_replication_role = 'replica'")
    stage.do(WRITE, job, json.dumps([asdict(run) for run in runs], default=str))
    successes = [run.duration for run in runs if run.status == "SUCCESS"]
    made = min(run.started_at for run in runs) - timedelta(hours=1)
    stage.do(COUNTERS, runs[-1].seq, len(successes), len(runs) - len(successes), sum(successes), made, job)
    stage.do("SET session_replication_role = 'origin'")


def expected(runs: Iterable[Past], from_at: datetime, to_at: datetime) -> dict[str, Any]:
    """What statistics_of must say of the window, but for percentiles: those are lists of all values."""
    by_end = sorted(runs, key=lambda run: (run.completed_at, run.seq))
    inside = [run for run in by_end if run.started_at >= from_at]
    good = [run.duration for run in inside if run.status == "SUCCESS"]
    lags = [run.lag_ms for run in inside if run.lag_ms is not None]
    ends = [*(run.completed_at for run in by_end[1:]), to_at]
    down = sum(
        max(0.0, (min(end, to_at) - max(run.completed_at, from_at)).total_seconds())
        for run, end in zip(by_end, ends, strict=True) if run.status == "FAILED"
    )  # fmt: skip
    return {
        "run_count": len(inside), "success_count": len(good), "failure_count": len(inside) - len(good),
        "success_rate": len(good) / len(inside) if inside else None,
        "downtime_ms": down * 1000, "uptime": 1 - down / (to_at - from_at).total_seconds(),
        "duration_average_ms": sum(good) / len(good) if good else None, "duration_max_ms": max(good, default=None),
        "lag_average_ms": sum(lags) / len(lags) if lags else None, "lag_max_ms": max(lags, default=None),
        "durations": good, "lags": lags,
        "last_success_at": max((run.completed_at for run in by_end if run.status == "SUCCESS"), default=None),
        "last_failure_at": max((run.completed_at for run in by_end if run.status == "FAILED"), default=None),
        "success_streak": _streak(by_end, "SUCCESS"), "failure_streak": _streak(by_end, "FAILED"),
    }  # fmt: skip


def _streak(by_end: Sequence[Past], status: str) -> int:
    length = 0
    for run in reversed(by_end):
        if run.status != status:
            break
        length += 1
    return length


def quantile(values: list[int], share: float) -> float | None:
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1] if values else None


def longest_failure_streak(runs: Iterable[Past]) -> int:
    longest = length = 0
    for run in sorted(runs, key=lambda run: (run.completed_at, run.seq)):
        length = length + 1 if run.status == "FAILED" else 0
        longest = max(longest, length)
    return longest
