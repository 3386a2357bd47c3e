"""Which runs this worker knows: what the reconciliation compares with the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from pgcron_py.domain.job import Job
from pgcron_py.domain.retry import RetryPolicy
from pgcron_py.domain.words import RunId


@dataclass(slots=True)
class KnownRun:
    """A run of ours from its claim's COMMIT (acknowledged, monotonic seconds) to its recorded end. cancel_text: who wanted it cancelled and why,
    once somebody did; is_forced: and without asking its handler first."""

    run_id: RunId
    job: Job
    attempt: int
    finish_token: UUID
    acknowledged: float = 0.0
    has_ended: bool = False
    cancel_text: str | None = None
    is_forced: bool = False

    @property
    def policy(self) -> RetryPolicy:
        job = self.job
        return RetryPolicy(
            job.max_attempts, job.is_idempotent, job.backoff_ms, job.backoff_max_ms, job.retry_on, job.no_retry_on
        )


class Book:
    """known = registered before a claim was sent + running + waiting in the recorder until acknowledged."""

    def __init__(self) -> None:
        self._registered: set[RunId] = set()
        self.runs: dict[RunId, KnownRun] = {}

    def register(self, run_ids: Iterable[RunId]) -> None:
        """Before the claim that inserts them is sent."""
        self._registered.update(run_ids)

    def unregister(self, run_ids: Iterable[RunId]) -> None:
        """After that claim is settled: rolled back, unknown, or its runs entered."""
        self._registered.difference_update(run_ids)

    def enter(self, runs: Iterable[KnownRun]) -> None:
        now = time.monotonic()
        for run in runs:
            run.acknowledged = now
            self.runs[run.run_id] = run

    def forget(self, run_id: RunId) -> None:
        self.runs.pop(run_id, None)

    def clear(self) -> list[RunId]:
        gone = list(self.runs)
        self.runs.clear()
        self._registered.clear()
        return gone

    def log_level_of(self, run_id: UUID) -> str:
        """What its job wants kept: all, errors or none. A run that is not known any more was judged."""
        run = self.runs.get(RunId(run_id))
        return run.job.log_level if run else "all"

    @property
    def performing(self) -> list[RunId]:
        return [run_id for run_id, run in self.runs.items() if not run.has_ended]

    @property
    def performing_count(self) -> int:
        return sum(not run.has_ended for run in self.runs.values())

    def count_performing(self, of_handler: Callable[[str], bool]) -> int:
        return sum(not run.has_ended and of_handler(run.job.handler) for run in self.runs.values())

    def unknown_among(self, running: Iterable[UUID]) -> list[RunId]:
        """RUNNING rows of mine that never began here."""
        return [RunId(id_) for id_ in running if id_ not in self.runs and id_ not in self._registered]

    def taken_away(self, running: Iterable[UUID], beat_sent: float) -> list[RunId]:
        """Runs that go on here although somebody ended their rows before the beat."""
        alive = set(running)
        return [
            run_id
            for run_id, run in self.runs.items()
            if not run.has_ended and run.acknowledged < beat_sent and run_id not in alive
        ]
