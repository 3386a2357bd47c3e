"""A job as the claim and the planner see it: the columns they read, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgcron_py.domain.words import Cause, JobId, MissReason, RequestId, RunId
from pgcron_py.timetable import DstFold, DstGap, Plan, parse


@dataclass(frozen=True, slots=True)
class Timing:
    """What decides a job's occurrences. anchor: where intervals count from; jitter_ms: spread of starts."""

    job_id: JobId
    name: str
    schedule: str
    timezone: str
    anchor: datetime
    jitter_ms: int = 0
    dst_gap: DstGap | None = None
    dst_fold: DstFold | None = None

    def plan(self) -> Plan:
        """Raises InvalidSchedule for the text, UnknownTimeZone for the zone (which may be this host's fault)."""
        timetable = parse(self.schedule, name=self.name)
        return timetable.plan(self.timezone, anchor=self.anchor, dst_gap=self.dst_gap, dst_fold=self.dst_fold)


@dataclass(frozen=True, slots=True)
class Request:
    """A PENDING request whose time has come. covers: of a buffered occurrence."""

    id: RequestId
    cause: Cause
    scheduled_for: datetime | None
    attempt: int
    requested_by: str
    args: dict[str, Any] | None
    covers: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A locked job row. Times are aware UTC; `requests` are the due ones, oldest first. buffered: occurrences that wait,
    due or not; counted where a policy looks at it."""

    timing: Timing
    version: int
    handler: str
    args: dict[str, Any]
    is_exclusive: bool
    max_running: int
    overlap_policy: str
    catchup_policy: str
    catchup_window_ms: int | None
    starting_deadline_ms: int | None
    timeout_ms: int | None
    max_attempts: int
    backoff_ms: int
    backoff_max_ms: int
    retry_on: list[str]
    no_retry_on: list[str]
    memory_limit_mib: int | None
    is_idempotent: bool
    next_scheduled_for: datetime | None
    next_run_at: datetime | None
    covers_from: datetime
    run_seq: int
    running_count: int
    last_run_at: datetime | None
    last_completed_at: datetime | None
    skip_until: datetime | None = None
    requests: tuple[Request, ...] = ()
    buffered: int = 0

    @property
    def id(self) -> JobId:
        return self.timing.job_id


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to insert. covers: (from, to] for the schedule's own, None for answered requests but buffered ones."""

    id: RunId
    seq: int
    cause: Cause
    scheduled_for: datetime | None
    covers: tuple[datetime, datetime] | None
    attempt: int = 1
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class NewRequest:
    """An occurrence that waits for the end of a run. covers: (from, to] of the ledger."""

    scheduled_for: datetime
    covers: tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class NewMiss:
    """Occurrences that become no run: `count` of them, from first to last, accounting for the time (covers_from, covers_to]."""

    reason: MissReason
    covers_from: datetime
    covers_to: datetime
    first: datetime
    last: datetime
    count: int
    is_lower_bound: bool = False
