"""Which runs this worker knows: what the reconciliation compares with the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
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
        self._registered: list[Sequence[RunId]] = []
        self._ended = 0  # of the runs: those that wait to be recorded
        self.runs: dict[RunId, KnownRun] = {}

    def register(self, run_ids: Sequence[RunId]) -> None:
        """Before the claim that inserts them is sent. A list may grow afterwards, as its claim decides."""
        self._registered.append(run_ids)

    def unregister(self, run_ids: Sequence[RunId]) -> None:
        """This very list, after its claim is settled: rolled back, unknown, or its runs entered."""
        self._registered = [it for it in self._registered if it is not run_ids]

    def enter(self, runs: Iterable[KnownRun]) -> None:
        now = time.monotonic()
        for run in runs:
            run.acknowledged = now
            self.runs[run.run_id] = run

    def ended(self, run_id: RunId) -> KnownRun | None:
        """Its handler is over, and it waits to be recorded. None: it was given up."""
        run = self.runs.get(run_id)
        if run is not None and not run.has_ended:
            run.has_ended = True
            self._ended += 1
        return run

    def forget(self, run_id: RunId) -> KnownRun | None:
        run = self.runs.pop(run_id, None)
        if run is not None and run.has_ended:
            self._ended -= 1
        return run

    def clear(self) -> list[RunId]:
        gone = list(self.runs)
        self.runs.clear()
        self._registered, self._ended = [], 0
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
        return len(self.runs) - self._ended

    def count_performing(self, of_handler: Callable[[str], bool]) -> int:
        return sum(not run.has_ended and of_handler(run.job.handler) for run in self.runs.values())

    def unknown_among(self, running: Iterable[UUID]) -> list[RunId]:
        """RUNNING rows of mine that never began here."""
        registered = set().union(*self._registered)
        return [RunId(id_) for id_ in running if id_ not in self.runs and id_ not in registered]

    def taken_away(self, running: Iterable[UUID], beat_sent: float) -> list[RunId]:
        """Runs that go on here although somebody ended their rows before the beat."""
        alive = set(running)
        return [
            run_id
            for run_id, run in self.runs.items()
            if not run.has_ended and run.acknowledged < beat_sent and run_id not in alive
        ]
