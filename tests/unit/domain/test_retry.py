"""Whether a failed run is tried again: one table."""

from __future__ import annotations

import pytest

from pgcron_py.domain.retry import IDEMPOTENT_ATTEMPTS, Retry, RetryPolicy, retry
from pgcron_py.domain.words import Reason

ONCE, THRICE = RetryPolicy(), RetryPolicy(max_attempts=3)
IDEMPOTENT = RetryPolicy(is_idempotent=True)


@pytest.mark.parametrize(
    ("policy", "reason", "attempt", "expected"),
    [
        (ONCE, Reason.ERROR, 1, None),
        (THRICE, Reason.ERROR, 1, 2),
        (THRICE, Reason.TIMEOUT, 2, 3),
        (THRICE, Reason.ERROR, 3, None),
        (THRICE, Reason.LOST, 1, None),  # nobody knows how far it got
        (THRICE, Reason.CRASHED, 1, None),
        (IDEMPOTENT, Reason.LOST, 1, 2),
        (IDEMPOTENT, Reason.CRASHED, 1, 2),
        (IDEMPOTENT, Reason.ERROR, 1, None),
        (IDEMPOTENT, Reason.LOST, IDEMPOTENT_ATTEMPTS, None),
        (THRICE, Reason.CANCELLED, 1, None),
        (THRICE, Reason.TX_BROKEN, 1, None),
    ],
)
def test_who_is_tried_again(policy: RetryPolicy, reason: Reason, attempt: int, expected: int | None) -> None:
    again = retry(policy, reason, attempt, 0.5)
    assert (again.attempt if again else None) == expected


def test_a_run_that_never_began_is_repeated_at_once_with_the_same_attempt() -> None:
    assert retry(ONCE, Reason.ORPHANED_CLAIM, 1, 0.9) == Retry(0, 1)


def test_the_wait_grows_exponentially_up_to_its_cap_with_full_jitter() -> None:
    policy = RetryPolicy(max_attempts=100, backoff_ms=1000, backoff_max_ms=5000)
    waits = [retry(policy, Reason.ERROR, attempt, 0.999999) for attempt in (1, 2, 3, 4, 90)]
    assert [again.after_ms for again in waits if again] == [999, 1999, 3999, 4999, 4999]
    assert retry(policy, Reason.ERROR, 3, 0.0) == Retry(0, 4)


def test_strikes_are_the_jobs_own_doing() -> None:
    assert {reason for reason in Reason if reason.is_strike} == {
        Reason.ERROR, Reason.TIMEOUT, Reason.CRASHED, Reason.LOST, Reason.TX_BROKEN, Reason.OUTPUT_LIMIT,
    }  # fmt: skip
