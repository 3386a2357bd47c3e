"""This worker's own view of its lease, by its monotonic clock: strict where doubt could run a job twice."""

from __future__ import annotations

import time

MAY_CLAIM, MAY_RUN, MUST_END = 0.6, 0.8, 0.95  # shares of the ttl since the last acknowledged beat


class Lease:
    """ttl in seconds. A beat counts from when it was sent: the database may have read it at once."""

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self._acknowledged = -float("inf")

    def acknowledged(self, sent: float) -> None:
        self._acknowledged = max(self._acknowledged, sent)

    def forget(self) -> None:
        self._acknowledged = -float("inf")

    @property
    def age(self) -> float:
        """Share of the ttl that has passed since the last acknowledged beat."""
        return (time.monotonic() - self._acknowledged) / self.ttl

    @property
    def may_claim(self) -> bool:
        return self.age < MAY_CLAIM

    @property
    def may_run(self) -> bool:
        return self.age < MAY_RUN

    @property
    def must_end(self) -> bool:
        return self.age >= MUST_END
