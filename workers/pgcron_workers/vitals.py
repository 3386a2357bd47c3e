"""How a worker is at one instant, and what follows from it: ready or not, and its state in one word. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pgcron_py.domain.words import WorkerId
from pgcron_workers.lease import MAY_CLAIM


@dataclass(frozen=True, slots=True)
class Vitals:
    """slots: of all runs; processes: of `def` handlers, which take a slot and a process each.
    worker_id: None until registered. lease_age: share of the ttl since the last acknowledged beat (inf: none yet)."""

    worker_id: WorkerId | None
    lease_age: float
    is_executor_up: bool
    is_draining: bool
    is_paused: bool
    is_database_away: bool
    is_listening: bool
    is_pooled: bool
    slots: int
    slots_used: int
    processes: int
    processes_used: int
    results_waiting: int
    requests_waiting: int

    @property
    def is_lease_fresh(self) -> bool:
        return self.lease_age < MAY_CLAIM

    @property
    def is_ready(self) -> bool:
        return all(check.ok for check in self.checks().values())

    def checks(self) -> dict[str, Check]:
        """What readiness asks for, by name."""
        return {
            "registered": Check(self.worker_id is not None, str(self.worker_id or "no")),
            "database": Check(not self.is_database_away or self.is_lease_fresh, "away" if self.is_database_away else "reached"),
            "lease": Check(self.is_lease_fresh, _lease_state(self.lease_age)),
            "executor": Check(self.is_executor_up, "up" if self.is_executor_up else "down"),
            "draining": Check(not self.is_draining, "yes" if self.is_draining else "no"),
        }  # fmt: skip

    def status(self) -> str:
        """One line for `systemctl status`."""
        if self.is_draining:
            return f"draining, {_runs(self.slots_used)} left"
        if self.is_database_away:
            return "the database is away"
        if self.worker_id is None:
            return "starting"
        return "paused" if self.is_paused else f"ready, {self.slots} slots"


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    state: str


def _lease_state(age: float) -> str:
    return "none" if age == float("inf") else f"{age:.0%} of its time since the last beat"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
