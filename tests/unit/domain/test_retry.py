"""Whether a failed run is tried again: one table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pgcron_py import Fail, Retry, Skip
from pgcron_py.domain.retry import (
    ASKED_ATTEMPTS,
    IDEMPOTENT_ATTEMPTS,
    Failure,
    NextAttempt,
    RetryPolicy,
    failure_of,
    retry,
)
from pgcron_py.domain.words import Reason

ONCE, THRICE = RetryPolicy(), RetryPolicy(max_attempts=3)
IDEMPOTENT = RetryPolicy(is_idempotent=True)
PICKY = RetryPolicy(
    max_attempts=3, retry_on=["OSError", "json.decoder.JSONDecodeError"], no_retry_on=["FileNotFoundError"]
)


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
        (PICKY, Reason.TIMEOUT, 1, 2),  # no exception: the rules about them say nothing
    ],
)
def test_who_is_tried_again(policy: RetryPolicy, reason: Reason, attempt: int, expected: int | None) -> None:
    again = retry(policy, Failure(reason), attempt, 0.5)
    assert (again.attempt if again else None) == expected


class AppError(Exception): ...


class Busy(AppError, ConnectionError): ...


@pytest.mark.parametrize(
    ("policy", "error", "attempt", "expected"),
    [
        (PICKY, OSError("x"), 1, 2),
        (PICKY, ConnectionResetError("a subclass"), 1, 2),
        (PICKY, Busy(), 1, 2),
        (PICKY, FileNotFoundError("a subclass, but never"), 1, None),
        (PICKY, ValueError("not one of them"), 1, None),
        (RetryPolicy(max_attempts=2, no_retry_on=["AppError"]), Busy(), 1, None),
        (RetryPolicy(max_attempts=2, no_retry_on=["AppError"]), ValueError(), 1, 2),
        (RetryPolicy(max_attempts=2, retry_on=[f"{__name__}.AppError"]), Busy(), 1, 2),
        (RetryPolicy(max_attempts=2, retry_on=["elsewhere.AppError"]), Busy(), 1, None),
        (THRICE, Fail("for good"), 1, None),
        (ONCE, Retry("not yet"), 1, 2),
        (ONCE, Retry("not yet"), ASKED_ATTEMPTS, None),
        (THRICE, Retry("not yet"), 3, None),
        (PICKY, Retry("its own word"), 1, 2),
    ],
)
def test_exceptions_decide_by_their_names_and_bases(
    policy: RetryPolicy, error: Exception, attempt: int, expected: int | None
) -> None:
    again = retry(policy, failure_of(Reason.ERROR, error), attempt, 0.5)
    assert (again.attempt if again else None) == expected


def test_a_handler_says_when_it_wants_to_be_tried_again() -> None:
    assert retry(ONCE, failure_of(Reason.ERROR, Retry(after=90)), 1, 0.1) == NextAttempt(90_000, 2)
    assert retry(ONCE, failure_of(Reason.ERROR, Retry(after=timedelta(0))), 1, 0.1) == NextAttempt(0, 2)


@pytest.mark.parametrize("after", [-1, timedelta(days=32), float("nan")])
def test_a_time_that_makes_no_sense_is_refused_where_it_is_said(after: float) -> None:
    with pytest.raises(ValueError, match=r"after|nan|NaN"):
        Retry(after=after)


def test_an_exception_whose_class_lies_about_itself_is_still_a_failure() -> None:
    class Meta(type):
        @property
        def __mro__(cls) -> tuple[type, ...]:  # type: ignore[override]
            raise RuntimeError

    class Liar(ValueError, metaclass=Meta): ...

    assert "builtins.ValueError" in failure_of(Reason.ERROR, Liar()).error_types
    assert failure_of(Reason.ERROR, Skip()).wish is None


def test_a_run_that_never_began_is_repeated_at_once_with_the_same_attempt() -> None:
    assert retry(ONCE, Failure(Reason.ORPHANED_CLAIM), 1, 0.9) == NextAttempt(0, 1)


def test_the_wait_grows_exponentially_up_to_its_cap_with_full_jitter() -> None:
    policy, failure = RetryPolicy(max_attempts=100, backoff_ms=1000, backoff_max_ms=5000), Failure(Reason.ERROR)
    waits = [retry(policy, failure, attempt, 0.999999) for attempt in (1, 2, 3, 4, 90)]
    assert [again.after_ms for again in waits if again] == [999, 1999, 3999, 4999, 4999]
    assert retry(policy, failure, 3, 0.0) == NextAttempt(0, 4)


def test_strikes_are_the_jobs_own_doing() -> None:
    assert {reason for reason in Reason if reason.is_strike} == {
        Reason.ERROR, Reason.TIMEOUT, Reason.CRASHED, Reason.LOST, Reason.TX_BROKEN, Reason.OUTPUT_LIMIT,
    }  # fmt: skip
