"""What a handler may raise to say how its run ends. Everything else it raises is an error."""

from __future__ import annotations

from datetime import timedelta


class Outcome(Exception):
    """A handler's own word on how its run ends."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Skip(Outcome):
    """There is nothing to do: a SUCCESS, with the reason in skip_reason. What a transactional handler wrote is undone."""


class Fail(Outcome):
    """FAILED for good: no further attempt, whatever the job allows. The reason is the run's error, without a trace."""


class Retry(Outcome):
    """FAILED, and worth another attempt, as long as there are any left.

    after: seconds or a timedelta from now; None = the job's backoff. It counts as an attempt: up to max_attempts, or five
    when the job leaves that at one. Raises ValueError for a negative time, or one of more than 31 days.
    """

    LONGEST = timedelta(days=31)

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = None if after is None else after if isinstance(after, timedelta) else timedelta(seconds=after)
        if self.after is not None and not timedelta() <= self.after <= self.LONGEST:
            raise ValueError(f"Retry(after={after!r}): it must be from 0 to {self.LONGEST.total_seconds():g} seconds")

    @property
    def after_ms(self) -> int | None:
        return None if self.after is None else round(self.after / timedelta(milliseconds=1))
