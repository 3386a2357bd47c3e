"""One run of a job, here and now, in the test's own process: same arguments and context as in a worker, no record."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4, uuid5

from pgcron_py.context import JobContext
from pgcron_py.domain.words import Cause, Status
from pgcron_py.errors import InvalidArguments, JobNotFound
from pgcron_py.handlers import Handler, bound_arguments, signature_of
from pgcron_py.outcomes import Skip
from pgcron_py.registry import PgCron

_JOBS = UUID("b7f5c8de-6c2f-4f0e-9d3e-2f1f0a6f5c11")
_CAUGHT = (Exception, SystemExit)


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a run ended. result: what the handler gave back; metadata: what it wrote to its context; error: what it raised;
    skip_reason: of a handler that raised Skip, which is a success."""

    job_name: str
    scheduled_for: datetime | None
    attempt: int = 1
    cause: str = Cause.MANUAL
    result: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    skip_reason: str | None = None

    @property
    def status(self) -> Status:
        return Status.SUCCESS if self.error is None else Status.FAILED


def run_job(
    app: PgCron,
    name: str,
    *,
    args: dict[str, Any] | None = None,
    scheduled_for: datetime | None = None,
    attempt: int = 1,
    connection: Any = None,
    catch: bool = False,
) -> JobResult:
    """Runs a declared job (or a handler registered by name), `def` or `async def`; that in an event loop of its own.

    args: instead of the declared ones. connection: for transactional handlers; effects are kept when the handler
    succeeds and undone when it raises, and it may not commit. What the handler raises is raised here; with catch=True it is the result's error.
    Raises JobNotFound; InvalidDeclaration when args don't fit; InvalidArguments without the connection that is needed.
    """
    call = _Call(app, name, args, connection, JobFacts(scheduled_for, attempt), catch)
    return _performed(call, name)


async def arun_job(
    app: PgCron,
    name: str,
    *,
    args: dict[str, Any] | None = None,
    scheduled_for: datetime | None = None,
    attempt: int = 1,
    connection: Any = None,
    catch: bool = False,
) -> JobResult:
    """run_job for tests that are coroutines: on their event loop. A `def` handler blocks it."""
    call = _Call(app, name, args, connection, JobFacts(scheduled_for, attempt), catch)
    return await call.aperform() if call.handler.is_async else call.perform()


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a context says of its run."""

    scheduled_for: datetime | None = None
    attempt: int = 1
    seq: int = 1
    cause: str = Cause.MANUAL


def job_id_of(app: PgCron, name: str) -> UUID:
    """The same in each test: jitter depends on it."""
    return uuid5(_JOBS, f"{app.name}/{name}")


class _Call:
    def __init__(
        self, app: PgCron, name: str, args: dict[str, Any] | None, connection: Any, facts: JobFacts, catch: bool
    ) -> None:
        self.handler, declared = _found(app, name)
        values = declared if args is None else args
        if self.handler.transactional and connection is None:
            raise InvalidArguments(f"job {name!r} is transactional", hint="give it a connection: connection=…")
        self._context = JobContext(
            uuid4(), job_id_of(app, name), name, facts.scheduled_for, facts.attempt, facts.seq, facts.cause, values
        )
        self._facts, self._catch = facts, catch
        self._connection = connection if self.handler.transactional else None
        self._context._connection = self._connection
        self._function = _bound(app, self.handler, self._context)

    def perform(self) -> JobResult:
        try:
            with self._transaction():
                return self._result(self._function())
        except Skip as skip:
            return self._result(None, skip_reason=skip.reason)
        except _CAUGHT as error:
            return self._failed(error)

    async def aperform(self) -> JobResult:
        try:
            if self._connection is None:
                return self._result(await self._function())
            async with self._transaction():
                return self._result(await self._function())
        except Skip as skip:
            return self._result(None, skip_reason=skip.reason)
        except _CAUGHT as error:
            return self._failed(error)

    def _transaction(self) -> Any:
        """psycopg refuses commit() and rollback() inside; a stand-in for a connection may have none."""
        begin = getattr(self._connection, "transaction", None)
        return nullcontext() if begin is None else begin()

    def _result(self, value: Any, error: BaseException | None = None, skip_reason: str | None = None) -> JobResult:
        context = self._context
        return JobResult(
            context.job_name, context.scheduled_for, context.attempt, context.cause, value, context.metadata, error, skip_reason
        )  # fmt: skip

    def _failed(self, error: BaseException) -> JobResult:
        if not self._catch:
            raise error
        return self._result(None, error)


def perform(app: PgCron, name: str, facts: JobFacts, connection: Any = None) -> JobResult:
    """A run of the schedule's; what it raises is the result's error."""
    call = _Call(app, name, None, connection, facts, catch=True)
    return _performed(call, name)


def _performed(call: _Call, name: str) -> JobResult:
    if not call.handler.is_async:
        return call.perform()
    if _in_event_loop():
        raise InvalidArguments(
            f"job {name!r} is async and an event loop runs here", hint="await arun_job(…), or call from a plain test"
        )
    return asyncio.run(call.aperform())


def _found(app: PgCron, name: str) -> tuple[Handler, dict[str, Any]]:
    if (declaration := app.declarations.get(name)) is not None:
        return app.handlers[declaration.handler], declaration.args
    if name in app.handlers:
        return app.handlers[name], {}
    known = ", ".join(sorted(app.declarations)) or "none"
    raise JobNotFound(f"app {app.name!r} declares no job {name!r}", hint=f"declared: {known}")


def _bound(app: PgCron, handler: Handler, context: JobContext) -> Callable[[], Any]:
    signature = signature_of(handler)
    arguments = bound_arguments(context.job_name, signature, context.args)
    if signature.context is not None:
        arguments[signature.context] = context
    function = handler.function
    return (
        partial(function, **arguments)
        if handler.owner is None
        else partial(function, _instance(app, handler), **arguments)
    )


def _instance(app: PgCron, handler: Handler) -> Any:
    assert handler.owner is not None
    owner: Any = sys.modules[handler.function.__module__]
    for part in handler.owner.split("."):
        owner = getattr(owner, part)
    return app.factory(owner)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
