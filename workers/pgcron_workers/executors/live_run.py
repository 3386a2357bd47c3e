"""A run that goes on in this process, from its order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from pgcron_py.context import JobContext
from pgcron_py.domain.words import Reason
from pgcron_py.handlers import Handler
from pgcron_workers.executors.base import Order
from pgcron_workers.executors.output import RunOutput

Call = Callable[[], Any]


def _nothing() -> None:
    """Nobody has to be woken."""


class LiveRun(Struct, eq=False):
    """stop_reason: why it was asked to end, once it was. on_stop: wakes a coroutine that waits, from any thread.
    in_a_crowd: others begin at the same instant."""

    order: Order
    handler: Handler
    context: JobContext
    call: Call
    output: RunOutput
    on_stop: Callable[[], object] = _nothing
    stop_reason: Reason | None = None
    began: float = field(default_factory=time.monotonic)
    over: float | None = None
    in_a_crowd: bool = False

    def begins(self) -> None:
        """Now: it may have been made ready before, and others may have been first."""
        self.began = self.context._began = time.monotonic()

    def stop(self, reason: Reason) -> None:
        """Cooperative: the context says so, and an async handler is cancelled at its next await."""
        if self.stop_reason is None:
            self.stop_reason = reason
            self.context._is_cancelled = True
            self.on_stop()

    def elapsed_ms(self) -> int:
        """Until its handler was over, or now."""
        return round(((self.over or time.monotonic()) - self.began) * 1000)
