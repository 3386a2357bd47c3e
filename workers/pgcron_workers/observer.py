"""What duties tell about their work. This one keeps nothing: without a health port nothing is counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pgcron_py.domain.job import Job, NewMiss, NewRun
from pgcron_py.domain.words import Reason, Status


class Observer:
    """Told after the COMMIT of what it is told about. Times in seconds unless their names say ms."""

    def claim_took(self, seconds: float) -> None:
        """A claim that locked something, from BEGIN to its COMMIT."""

    def claimed(self, now: datetime, runs: Iterable[tuple[Job, NewRun]]) -> None:
        """now: the database's time in that claim."""

    def missed(self, misses: Iterable[NewMiss]) -> None:
        """Occurrences that became no run."""

    def ended(self, status: Status, reason: Reason | None, duration_ms: int | None) -> None:
        """A run's end is recorded. duration_ms: None when nobody knows (the run's worker was lost)."""

    def executor_restarted(self) -> None:
        """A new executor process took the place of one that ended."""


class Observers(Observer):
    """Tells several."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def claim_took(self, seconds: float) -> None:
        for observer in self._observers:
            observer.claim_took(seconds)

    def claimed(self, now: datetime, runs: Iterable[tuple[Job, NewRun]]) -> None:
        told = list(runs)
        for observer in self._observers:
            observer.claimed(now, told)

    def missed(self, misses: Iterable[NewMiss]) -> None:
        told = list(misses)
        for observer in self._observers:
            observer.missed(told)

    def ended(self, status: Status, reason: Reason | None, duration_ms: int | None) -> None:
        for observer in self._observers:
            observer.ended(status, reason, duration_ms)

    def executor_restarted(self) -> None:
        for observer in self._observers:
            observer.executor_restarted()


NOBODY = Observer()
