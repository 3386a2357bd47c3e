"""The closed sets of words that rows, messages and code share. The database's CHECKs list the same ones."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType
from uuid import UUID

JobId = NewType("JobId", UUID)
RunId = NewType("RunId", UUID)
RequestId = NewType("RequestId", UUID)
WorkerId = NewType("WorkerId", UUID)


class Status(StrEnum):
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class Reason(StrEnum):
    """Why a run FAILED."""

    ERROR = "error"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    LOST = "lost"
    TX_BROKEN = "tx_broken"
    OUTPUT_LIMIT = "output_limit"
    SHUTDOWN = "shutdown"
    CANCELLED = "cancelled"
    DB_ERROR = "db_error"
    ORPHANED_CLAIM = "orphaned_claim"
    NEIGHBOUR = "neighbour"

    @property
    def is_strike(self) -> bool:
        """Whether it counts towards disabling the job: the job's own doing, not its surroundings'."""
        return self in _STRIKES


_STRIKES = frozenset({Reason.ERROR, Reason.TIMEOUT, Reason.CRASHED, Reason.LOST, Reason.TX_BROKEN, Reason.OUTPUT_LIMIT})


class Cause(StrEnum):
    """Where a run comes from."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    RETRY = "retry"
    BACKFILL = "backfill"
    BUFFERED = "buffered"


class MissReason(StrEnum):
    """Why an occurrence became no run."""

    OVERLAP = "overlap"
    COALESCED = "coalesced"
    TOO_LATE = "too_late"
    DISABLED = "disabled"
    PAUSED = "paused"
    BLACKOUT = "blackout"
    EXCLUDED = "excluded"
    SKIPPED_BY_USER = "skipped_by_user"
    RESCHEDULED = "rescheduled"
    BUFFER_OVERFLOW = "buffer_overflow"
    REQUEST_CANCELLED = "request_cancelled"
    REQUEST_EXPIRED = "request_expired"
    NO_WORKER = "no_worker"
    ENDED = "ended"
