"""What a supervisor asks of an executor, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct, field

from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.job import Timing
from pgcron_py.domain.retry import Failure, Wish
from pgcron_py.domain.words import Reason, RunId, Status
from pgcron_py.errors import PgCronError


@dataclass(frozen=True, slots=True)
class Application:
    """What an executor found: the app's name and release, its declared jobs, and its handlers as published."""

    name: str
    release: str
    declarations: list[JobDeclaration]
    handlers: list[dict[str, Any]]

    @property
    def handler_names(self) -> list[str]:
        return [handler["name"] for handler in self.handlers]


class Order(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="run"):
    """A run to perform. finish_token: with which its end is recorded, by whoever records it. timing: for the data interval."""

    run_id: RunId
    job_id: UUID
    job_name: str
    handler: str
    args: dict[str, Any]
    seq: int
    attempt: int
    cause: str
    scheduled_for: datetime | None
    timeout_ms: int | None
    memory_limit_mib: int | None
    finish_token: UUID
    timing: Timing | None = None


class RunEnd(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type", tag="end"):
    """How a run ended. duration in ms of the executor's monotonic clock.

    is_recorded: a transactional run whose COMMIT carried its record: nothing is left to write.
    error_types, wish, wish_after_ms: see Failure.
    """

    run_id: RunId
    status: Status
    reason: Reason | None = None
    error: str | None = None
    stack_trace: str | None = None
    metadata: Any = field(default_factory=dict)
    result: Any = None
    duration: int = 0
    is_recorded: bool = False
    skip_reason: str | None = None
    progress: Any = None
    error_types: Sequence[str] = ()
    wish: Wish | None = None
    wish_after_ms: int | None = None

    @property
    def failure(self) -> Failure | None:
        """What the retry rules look at; None for a success."""
        return None if self.reason is None else Failure(self.reason, self.error_types, self.wish, self.wish_after_ms)


class ApplicationFailed(PgCronError):
    """The application could not be loaded."""

    def __init__(self, message: str, *, hint: str | None = None, trace: str | None = None) -> None:
        super().__init__(message, hint=hint)
        if trace:
            self.add_note(trace)

    @property
    def details(self) -> str:
        return "\n".join([str(self), *getattr(self, "__notes__", ())])


class Executor(Protocol):
    """Performs runs somewhere else. Each submitted run ends in exactly one call of `on_end`."""

    on_end: Callable[[RunEnd], None]

    async def start(self) -> Application:
        """Loads the application. Raises ApplicationFailed with the reason."""

    def submit(self, orders: list[Order]) -> None: ...

    def make_ready(self, orders: list[Order]) -> None:
        """Of a claim that is not committed yet: what can be done before they begin. Then either begin_ready() or forget_ready()."""

    def begin_ready(self) -> None:
        """Those that were made ready are submitted."""

    def forget_ready(self) -> None:
        """Those that were made ready never begin."""

    def cancel(self, run_ids: list[RunId], reason: Reason, *, force: bool = False) -> None:
        """Asks runs to end; cooperative ones do. force: those with a process of their own are killed at once."""

    async def kill(self, reason: Reason) -> None:
        """Ends the executor at once; its runs end with `reason`."""

    async def stop(self) -> None:
        """Ends an executor that has no runs."""
