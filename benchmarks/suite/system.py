"""What every measured system can do, ours and the peers'. The cases know nothing else of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from suite.database import Database

Task = Literal["noop", "sync"]


@dataclass(frozen=True)
class Limits:
    """What would take for ever, or can't be done: said in the report, not measured."""

    drain: int = 100_000
    most_schedules: int = 1000
    left_out: dict[str, str] = field(default_factory=dict)  # case letter: why


@dataclass(frozen=True)
class Part:
    """Processes of a worker whose cost is told apart."""

    name: str
    pids: list[int]


class Crew(Protocol):
    """Running workers."""

    def parts(self) -> list[Part]: ...


class System(Protocol):
    name: str
    settings: str
    limits: Limits
    database: Database

    def lag_ms(self, schedules: int, workers: int) -> tuple[list[float], int, int]:
        """Handler start minus due; missed; duplicated."""

    def run_now_ms(self, count: int, rate: float) -> list[float]:
        """From the client's call to the handler's first line."""

    def fill(self, count: int, task: Task) -> None:
        """Empties the system, then enqueues requests that are ready now."""

    def fill_schedules(self, count: int) -> None:
        """Empties the system, then puts schedules there of which none is due."""

    def working(self, workers: int, task: Task = "noop", schedules: int = 0) -> AbstractContextManager[Crew]:
        """Workers that are ready; what was filled is being drained."""

    def drained(self, crew: Crew, count: int, seconds: float) -> float:
        """Seconds from the first start until the database shows everything recorded."""

    def is_drained(self) -> bool: ...
