"""What the demo knows of its jobs, read from the tables that anybody may read."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from pgcron_py.errors import AlreadyRequested, AlreadyRunning, JobDisabled, JobNotFound
from pgcron_py.storage.sqlstates import refusals_translated

T = TypeVar("T")

RECENT_LAGS = 500
RECONNECT_WITHIN_S = 5.0

BEGINNING = "SELECT clock_timestamp(), coalesce(json_object_agg(id, run_seq), '{}') FROM pgcron.cron_job"
READY = "SELECT min(w.started_at) FROM pgcron.cron_worker w WHERE w.started_at >= %(since)s"
WORKERS = """
SELECT count(*) FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
 WHERE w.state IN ('LIVE', 'DRAINING') AND w.started_at >= %(since)s AND e.lease_until > clock_timestamp()
"""
# An occurrence from before the first worker was caught up with, not late: it has no lag.
JOBS = """
SELECT j.name, j.schedule, j.is_enabled, j.disabled_reason, j.running_count, j.success_count, j.failure_count,
       j.next_run_at - clock_timestamp() AS next_in, last.status, last.reason, clock_timestamp() - last.started_at AS ago,
       last.duration, last.lag
  FROM pgcron.cron_job j LEFT JOIN LATERAL (
    SELECT l.status, l.reason, l.started_at, l.duration,
           CASE WHEN l.cause = 'schedule' AND l.scheduled_for >= %(ready)s THEN l.started_at - l.scheduled_for END AS lag
      FROM pgcron.cron_log l WHERE l.job_id = j.id ORDER BY l.seq DESC LIMIT 1) last ON true
 ORDER BY j.name
"""
# By number, not by time: an end becomes visible only when it is committed, which may be after a later one's.
ENDED = """
SELECT l.id, j.name AS job, l.seq, l.status, l.reason, l.cause, l.duration, l.error,
       CASE WHEN l.cause = 'schedule' AND l.scheduled_for >= %(ready)s THEN l.started_at - l.scheduled_for END AS lag
  FROM pgcron.cron_job j LEFT JOIN json_each_text(%(base)s) b ON b.key = j.id::text CROSS JOIN LATERAL (
    SELECT * FROM pgcron.cron_log r WHERE r.job_id = j.id AND r.seq > coalesce(b.value::bigint, 0)
       AND r.seq > j.run_seq - 20 AND r.status <> 'RUNNING') l
 ORDER BY l.completed_at
"""
TALLY = """
WITH ended AS (
  SELECT l.*, extract(epoch FROM l.started_at - l.scheduled_for) * 1000 AS lag_ms,
         l.cause = 'schedule' AND l.scheduled_for >= %(ready)s AS is_timed
    FROM pgcron.cron_job j LEFT JOIN json_each_text(%(base)s) b ON b.key = j.id::text
    JOIN pgcron.cron_log l ON l.job_id = j.id AND l.seq > coalesce(b.value::bigint, 0)
   WHERE l.status <> 'RUNNING')
SELECT count(*) AS runs, count(*) FILTER (WHERE status = 'SUCCESS') AS successes,
       count(*) FILTER (WHERE status = 'FAILED') AS failures,
       count(*) FILTER (WHERE cause = 'schedule' AND NOT is_timed) AS caught_up,
       (percentile_disc(0.5) WITHIN GROUP (ORDER BY lag_ms) FILTER (WHERE is_timed))::float8 AS lag_p50_ms,
       (percentile_disc(0.99) WITHIN GROUP (ORDER BY lag_ms) FILTER (WHERE is_timed))::float8 AS lag_p99_ms,
       min(completed_at) AS first_at
  FROM ended
"""
VIOLATIONS = "SELECT invariant || coalesce(' of ' || job, '') || ': ' || detail FROM pgcron.check_invariants()"
RUN_NOW = "SELECT pgcron.run_now(%(name)s)"


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job and its newest run. duration: ms; lag: of a scheduled run, from its instant to its start."""

    name: str
    schedule: str
    is_enabled: bool
    disabled_reason: str | None
    running_count: int
    success_count: int
    failure_count: int
    next_in: timedelta | None
    status: str | None
    reason: str | None
    ago: timedelta | None
    duration: int | None
    lag: timedelta | None


@dataclass(frozen=True, slots=True)
class EndedRun:
    """duration: ms; lag: as in JobLine."""

    id: UUID
    job: str
    seq: int
    status: str
    reason: str | None
    cause: str
    duration: int | None
    error: str | None
    lag: timedelta | None


@dataclass(frozen=True, slots=True)
class Tally:
    """The runs of this session that ended. lag: ms; caught_up: of occurrences from before the first worker."""

    runs: int
    successes: int
    failures: int
    caught_up: int
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    first_at: datetime | None


class Watch:
    """One connection of the owner's, and where this session began."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._seen: set[UUID] = set()
        self.lags: deque[timedelta] = deque(maxlen=RECENT_LAGS)
        self.successes = self.failures = 0
        self._ready: datetime | None = None
        self._since, base = self._row(BEGINNING)
        self._base = json.dumps(base)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def is_ready(self) -> bool:
        """Whether a worker of this session has entered."""
        if self._ready is None:
            self._ready = self._row(READY, {"since": self._since})[0]
        return self._ready is not None

    def workers(self) -> int:
        """Those of this session that are alive."""
        return int(self._row(WORKERS, {"since": self._since})[0])

    def jobs(self) -> list[JobLine]:
        return self._rows(JobLine, JOBS, self._bounds)

    def newly_ended(self) -> list[EndedRun]:
        """Runs that ended since the last call; also counts them."""
        ended = self._rows(EndedRun, ENDED, self._bounds)
        new = [run for run in ended if run.id not in self._seen]
        self._seen = {run.id for run in ended}
        self.successes += sum(run.status == "SUCCESS" for run in new)
        self.failures += sum(run.status == "FAILED" for run in new)
        self.lags.extend(run.lag for run in new if run.lag is not None)
        return new

    def tally(self) -> Tally:
        return self._rows(Tally, TALLY, self._bounds)[0]

    @property
    def _bounds(self) -> dict[str, object]:
        return {"base": self._base, "ready": self._ready if self.is_ready else self._since}

    def violations(self) -> list[str]:
        return [row[0] for row in self._connected().execute(VIOLATIONS)]

    def run_now(self, name: str) -> bool:
        """Whether the job is there (it was asked to run, runs already, or is disabled)."""
        try:
            with suppress(AlreadyRunning, AlreadyRequested, JobDisabled), refusals_translated():
                self._connected().execute(RUN_NOW, {"name": name})
        except JobNotFound:
            return False
        return True

    def _connected(self) -> psycopg.Connection[Any]:
        """Somebody who looks inside may also have ended this very connection."""
        if self._connection is None or self._connection.closed:
            deadline = time.monotonic() + RECONNECT_WITHIN_S
            while True:
                try:
                    self._connection = psycopg.connect(self._url, autocommit=True, application_name="pgcron demo")
                    break
                except psycopg.OperationalError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
        return self._connection

    def _row(self, statement: LiteralString, params: Mapping[str, object] | None = None) -> tuple[Any, ...]:
        row = self._connected().execute(statement, params).fetchone()
        assert row is not None
        return tuple(row)

    def _rows(self, of: type[T], statement: LiteralString, params: Mapping[str, object] | None = None) -> list[T]:
        with self._connected().cursor(row_factory=class_row(of)) as cursor:
            return cursor.execute(statement, params).fetchall()
