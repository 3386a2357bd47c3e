"""A job as the claim and the planner see it: the columns they read, nothing else.

Structs, because a claim makes thousands: a frozen dataclass of forty fields takes ten times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pgcron_py.domain.blackout import Blackout
from pgcron_py.domain.words import Cause, JobId, MissReason, RequestId, RunId
from pgcron_py.timetable import DstFold, DstGap, Plan, compound, exclusion_of, parse


class Timing(Struct, frozen=True, gc=False):
    """What decides a job's occurrences. anchor: where intervals count from; jitter_ms: spread of starts.

    extra: schedules that fire too; excluded: schedules of minutes in which nothing does; start_at, end_at: the period;
    max_runs: after so many runs by the schedule there is no further occurrence.
    """

    job_id: JobId
    name: str
    schedule: str
    timezone: str
    anchor: datetime
    jitter_ms: int = 0
    dst_gap: DstGap | None = None
    dst_fold: DstFold | None = None
    extra: Sequence[str] = ()
    excluded: Sequence[str] = ()
    start_at: datetime | None = None
    end_at: datetime | None = None
    max_runs: int | None = None

    def plan(self) -> Plan:
        """Raises InvalidSchedule for a text, UnknownTimeZone for the zone (which may be this host's fault)."""
        first = self._plan_of(self.schedule)
        if not (self.extra or self.excluded or self.start_at or self.end_at):
            return first
        plans = (first, *map(self._plan_of, self.extra))
        excluded = tuple(exclusion_of(text, name=self.name) for text in self.excluded)
        return compound(plans, excluded, self.timezone, self.start_at, self.end_at)

    def previous(self, occurrence: datetime) -> datetime | None:
        """The occurrence before this one, at most some eight years back."""
        plan, span = self.plan(), timedelta(hours=1)
        while span < timedelta(days=3_000):
            if found := plan.latest_before(occurrence - span, occurrence - timedelta(microseconds=1)):
                return found if found < occurrence else None
            span *= 8
        return None

    def as_planned(self, planned: Mapping[str, Any]) -> Timing:
        """The timing by which this job was planned before: what job_timing() in SQL kept of it."""
        return replace(
            self, schedule=planned["schedule"], timezone=planned["timezone"], jitter_ms=planned["jitter_ms"],
            dst_gap=planned["dst_gap"], dst_fold=planned["dst_fold"], extra=planned["extra_schedules"],
            excluded=planned["excluded_schedules"], start_at=_instant(planned["start_at"]), end_at=_instant(planned["end_at"]),
            max_runs=planned["max_runs"],
        )  # fmt: skip

    def _plan_of(self, schedule: str) -> Plan:
        timetable = parse(schedule, name=self.name)
        return timetable.plan(self.timezone, anchor=self.anchor, dst_gap=self.dst_gap, dst_fold=self.dst_fold)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class Request(Struct, frozen=True, gc=False):
    """A PENDING request whose time has come. covers: of a buffered occurrence. overlap_policy: of a backfill."""

    id: RequestId
    cause: Cause
    scheduled_for: datetime | None
    attempt: int
    requested_by: str
    args: dict[str, Any] | None
    covers: tuple[datetime, datetime] | None = None
    overlap_policy: str | None = None


class Job(Struct, frozen=True, gc=False):
    """A locked job row. Times are aware UTC; `requests` are the due ones, oldest first. buffered: occurrences that wait,
    due or not; counted where a policy looks at it. blackouts: those that concern it."""

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
    planned_from: datetime | None = None
    scheduled_runs: int = 0
    queue: str = "default"
    tags: Sequence[str] = ()
    log_level: str = "all"
    requests: tuple[Request, ...] = ()
    buffered: int = 0
    blackouts: tuple[Blackout, ...] = ()

    @property
    def id(self) -> JobId:
        return self.timing.job_id


class NewRun(Struct, frozen=True, gc=False):
    """A run to insert. covers: (from, to] for the schedule's own, None for answered requests but buffered ones."""

    id: RunId
    seq: int
    cause: Cause
    scheduled_for: datetime | None
    covers: tuple[datetime, datetime] | None
    attempt: int = 1
    request: Request | None = None


class NewRequest(Struct, frozen=True, gc=False):
    """An occurrence that waits for the end of a run. covers: (from, to] of the ledger."""

    scheduled_for: datetime
    covers: tuple[datetime, datetime]


class NewMiss(Struct, frozen=True, gc=False):
    """Occurrences that become no run: `count` of them, from first to last, accounting for the time (covers_from, covers_to]."""

    reason: MissReason
    covers_from: datetime
    covers_to: datetime
    first: datetime
    last: datetime
    count: int
    is_lower_bound: bool = False
