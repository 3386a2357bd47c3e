"""Whether a failed run is tried again, and when. Pure: the random part is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgcron_py.domain.words import Reason

# What the author's word (max_attempts > 1) covers: repeating after the handler itself failed.
_AUTHOR_ALLOWS: Final = frozenset({Reason.ERROR, Reason.TIMEOUT, Reason.OUTPUT_LIMIT})
# Nobody knows how far these got: only idempotent handlers are repeated, at least this often.
_UNKNOWN_EXTENT: Final = frozenset({Reason.LOST, Reason.CRASHED, Reason.DB_ERROR, Reason.NEIGHBOUR, Reason.SHUTDOWN})
IDEMPOTENT_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """backoff_ms: base; backoff_max_ms: cap; both for exponential backoff with full jitter."""

    max_attempts: int = 1
    is_idempotent: bool = False
    backoff_ms: int = 1000
    backoff_max_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Retry:
    """after_ms from now; attempt: the number of the new row."""

    after_ms: int
    attempt: int


def retry(policy: RetryPolicy, reason: Reason, attempt: int, luck: float) -> Retry | None:
    """The retry of a run that FAILED, or None. luck: uniform in [0, 1)."""
    if reason is Reason.ORPHANED_CLAIM:  # it never began: the same attempt, at once, for every handler
        return Retry(0, attempt)
    limit = policy.max_attempts if reason in _AUTHOR_ALLOWS else 1
    if reason in _UNKNOWN_EXTENT and policy.is_idempotent:
        limit = max(policy.max_attempts, IDEMPOTENT_ATTEMPTS)
    if attempt >= limit:
        return None
    ceiling = min(policy.backoff_max_ms, policy.backoff_ms * 2 ** min(attempt - 1, 32))
    return Retry(int(ceiling * luck), attempt + 1)
