"""A run that goes on in this process, from its order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pgcron_py.context import JobContext
from pgcron_py.domain.job import Timing
from pgcron_py.domain.words import JobId, Reason, RunId
from pgcron_py.handlers import Handler
from pgcron_workers.executors.base import Order

Call = Callable[[], Any]


def _nothing() -> None:
    """Nobody reports progress, nobody has to be woken."""


@dataclass(slots=True)
class LiveRun:
    """stop_reason: why it was asked to end, once it was. on_stop: wakes a coroutine that waits, from any thread.
    latest_progress: what its handler reported last."""

    order: Order
    handler: Handler
    context: JobContext
    call: Call
    on_stop: Callable[[], object] = _nothing
    latest_progress: Callable[[], dict[str, Any] | None] = _nothing
    stop_reason: Reason | None = None
    began: float = field(default_factory=time.monotonic)

    def stop(self, reason: Reason) -> None:
        """Cooperative: the context says so, and an async handler is cancelled at its next await."""
        if self.stop_reason is None:
            self.stop_reason = reason
            self.context._is_cancelled = True
            self.on_stop()

    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


def parsed_order(message: dict[str, Any]) -> Order:
    scheduled_for, timing = message["scheduled_for"], message["timing"]
    job_id, name = JobId(UUID(message["job_id"])), message["job_name"]
    return Order(
        RunId(UUID(message["run_id"])), job_id, name, message["handler"], message["args"],
        message["seq"], message["attempt"], message["cause"], scheduled_for and datetime.fromisoformat(scheduled_for),
        message["timeout_ms"], message["memory_limit_mib"], UUID(message["finish_token"]),
        timing and Timing.of_message(job_id, name, timing),
    )  # fmt: skip
