"""Whether a failed run is tried again, and when. Pure: the random part is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pgcron_py.domain.words import Reason
from pgcron_py.outcomes import Fail, Retry

# What the author's word (max_attempts > 1) covers: repeating after the handler itself failed.
_AUTHOR_ALLOWS: Final = frozenset({Reason.ERROR, Reason.TIMEOUT, Reason.OUTPUT_LIMIT})
# Nobody knows how far these got: only idempotent handlers are repeated, at least this often.
_UNKNOWN_EXTENT: Final = frozenset({Reason.LOST, Reason.CRASHED, Reason.DB_ERROR, Reason.NEIGHBOUR, Reason.SHUTDOWN})
IDEMPOTENT_ATTEMPTS: Final = 5
ASKED_ATTEMPTS: Final = 5  # of a handler that raises Retry although its job says nothing of attempts

Wish = Literal["retry", "fail"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """backoff_ms: base; backoff_max_ms: cap; both for exponential backoff with full jitter.

    retry_on, no_retry_on: names of exceptions or of their bases, `ValueError` or `package.module.Error`.
    """

    max_attempts: int = 1
    is_idempotent: bool = False
    backoff_ms: int = 1000
    backoff_max_ms: int = 60_000
    retry_on: Sequence[str] = ()
    no_retry_on: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run FAILED. error_types: names of the exception and its bases; wish: what the handler asked for by raising
    Retry (wish_after_ms from now, None = the backoff) or Fail."""

    reason: Reason
    error_types: Sequence[str] = ()
    wish: Wish | None = None
    wish_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """after_ms from now; attempt: the number of the new row."""

    after_ms: int
    attempt: int


def exception_names(type_: type[BaseException]) -> tuple[str, str]:
    """The two names by which retry_on and no_retry_on know an exception: alone, and after its module."""
    name, module = (str(type.__dict__[word].__get__(type_)) for word in ("__qualname__", "__module__"))
    return str.__getitem__(name, slice(None)), f"{module}.{name}"


def failure_of(reason: Reason, error: BaseException) -> Failure:
    """What the retry rules need to know of what a handler raised. Never raises, however odd the exception's class."""
    try:
        bases = [base for base in type.__dict__["__mro__"].__get__(type(error)) if base is not object]
        names = tuple(name[:500] for base in bases for name in exception_names(base))
    except BaseException:
        names = ()
    kind = type(error)  # isinstance would ask the error's own __class__, which may raise
    if issubclass(kind, Retry):
        return Failure(reason, names, "retry", _wished_ms(error))
    return Failure(reason, names, "fail" if issubclass(kind, Fail) else None)


def _wished_ms(error: BaseException) -> int | None:
    """A subclass may have forgotten its base's __init__, or lie."""
    try:
        after_ms = getattr(error, "after_ms", None)
    except BaseException:
        return None
    return after_ms if type(after_ms) is int else None


def retry(policy: RetryPolicy, failure: Failure, attempt: int, luck: float) -> NextAttempt | None:
    """The next attempt of a run that FAILED, or None. luck: uniform in [0, 1)."""
    if failure.reason is Reason.ORPHANED_CLAIM:  # it never began: the same attempt, at once, for every handler
        return NextAttempt(0, attempt)
    if attempt >= _limit(policy, failure):
        return None
    if failure.wish_after_ms is not None:
        return NextAttempt(failure.wish_after_ms, attempt + 1)
    ceiling = min(policy.backoff_max_ms, policy.backoff_ms * 2 ** min(attempt - 1, 32))
    return NextAttempt(int(ceiling * luck), attempt + 1)


def _limit(policy: RetryPolicy, failure: Failure) -> int:
    """Most attempts for an occurrence that failed like this."""
    if failure.wish == "fail":
        return 1
    if failure.wish == "retry":
        return policy.max_attempts if policy.max_attempts > 1 else ASKED_ATTEMPTS
    if failure.reason in _UNKNOWN_EXTENT and policy.is_idempotent:
        return max(policy.max_attempts, IDEMPOTENT_ATTEMPTS)
    return policy.max_attempts if failure.reason in _AUTHOR_ALLOWS and _is_worth_it(policy, failure) else 1


def _is_worth_it(policy: RetryPolicy, failure: Failure) -> bool:
    """Whether the exception is one that the author wants tried again. Time-outs and the like have no exception."""
    if failure.reason is not Reason.ERROR:
        return True
    names = frozenset(failure.error_types)
    if not names.isdisjoint(policy.no_retry_on):
        return False
    return not policy.retry_on or not names.isdisjoint(policy.retry_on)
