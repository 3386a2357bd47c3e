"""What becomes of an occurrence that is due: a run, a place in the queue, or a miss. Pure.

The words are Temporal's: https://docs.temporal.io/schedule#overlap-policy. `skip` misses it; `buffer_one` lets one wait, `buffer_all`
up to 1,000; `cancel_other` and `terminate_other` end the run that goes on and let the new one wait for that end;
`allow_all` runs them side by side, up to max_running.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Literal, get_args

from pgcron_py.domain.blackout import end_of
from pgcron_py.domain.words import MissReason

if TYPE_CHECKING:
    from pgcron_py.domain.job import Job

OverlapPolicy = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"]
OVERLAP_POLICIES: tuple[str, ...] = get_args(OverlapPolicy)
CatchupPolicy = Literal["skip", "latest", "all"]
CATCHUP_POLICIES: tuple[str, ...] = get_args(CatchupPolicy)

BUFFERED_MOST = 1000  # waiting occurrences of a job
# catch-up "skip" still runs an occurrence that is at most this late: a busy moment is not an outage.
ON_TIME = timedelta(seconds=60)


class Fate(Enum):
    """Of an occurrence that is no miss."""

    RUN = "run"
    BUFFER = "buffer"


def fate_of(job: Job, occurrence: datetime, now: datetime, started: int = 0, queued: int = 0) -> Fate | MissReason:
    """started, queued: of this job's occurrences, by the same claim, before this one (only catching up has several)."""
    if job.skip_until is not None and occurrence <= job.skip_until:
        return MissReason.SKIPPED_BY_USER
    if job.blackouts and any(end_of(job.blackouts, instant, "skip") for instant in (occurrence, now)):
        return MissReason.BLACKOUT
    is_busy = job.running_count + started >= capacity(job) or job.buffered + queued > 0
    if not is_busy and job.overlap_policy == "skip" and _fell_into_a_run(job, occurrence):
        return MissReason.OVERLAP
    fate = Fate.RUN if not is_busy else _when_busy(job, started, queued)
    return MissReason.TOO_LATE if isinstance(fate, Fate) and is_too_late(job, occurrence, now) else fate


def capacity(job: Job) -> int:
    """How many runs of the job may go on at a time."""
    return 1 if job.is_exclusive else job.max_running


def _when_busy(job: Job, started: int, queued: int) -> Fate | MissReason:
    waiting = job.buffered + queued
    if waiting >= BUFFERED_MOST:
        return MissReason.BUFFER_OVERFLOW
    if started or queued or job.overlap_policy == "buffer_all":  # the one before it, of the same catch-up, goes first
        return Fate.BUFFER
    if job.overlap_policy in ("buffer_one", "cancel_other", "terminate_other") and waiting == 0:
        return Fate.BUFFER
    return MissReason.OVERLAP


def _fell_into_a_run(job: Job, occurrence: datetime) -> bool:
    """Whether a run went on at the occurrence's instant, however late this is decided."""
    if not job.is_exclusive or job.last_run_at is None or job.last_completed_at is None:
        return False
    return job.last_run_at <= occurrence < job.last_completed_at


def is_too_late(job: Job, occurrence: datetime, now: datetime) -> bool:
    longest = longest_delay(job)
    started_late = now - max(
        occurrence, job.next_run_at if occurrence == job.next_scheduled_for and job.next_run_at else occurrence
    )
    return longest is not None and started_late > longest


def longest_delay(job: Job) -> timedelta | None:
    """How late a start may be; None = any time."""
    limits = [timedelta(milliseconds=ms) for ms in (job.starting_deadline_ms, job.catchup_window_ms) if ms is not None]
    if job.catchup_policy == "skip":
        limits.append(ON_TIME)
    return min(limits, default=None)
