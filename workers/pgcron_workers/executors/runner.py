"""Performing one run, step by step: resolve, build the context, perform, classify.

`async def` handlers run on their executor's event loop, `def` handlers in the main thread of a process of their own. Both
take the same road; only the calls differ, so each step is a small function and the two roads are at the end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import InvalidSavepointSpecification
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pgcron_py.context import JobContext
from pgcron_py.domain.words import JobId, Reason, RunId, Status, WorkerId
from pgcron_py.errors import LeaseLost, PgCronError
from pgcron_py.registry import Handler, PgCron, Signature, bound_arguments, signature_of
from pgcron_py.storage.runs import Finish
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.outcome import error_of, json_of, trace_of
from pgcron_workers.executors.stepping import Marker, Stepped
from pgcron_workers.executors.transactions import BROKEN_HINT, Guard, TransactionBroken, must_be_in_transaction
from pgcron_workers.session import CONNECT_TIMEOUT, KEEPALIVE
from pgcron_workers.tracing import spanned

Call = Callable[[], Any]

# No SQLSTATE: libpq lost the connection; 57P0x: the server is going down or coming up, or ended this backend.
_CONNECTION_LOST = frozenset({None, "57P01", "57P02", "57P03", "08000", "08003", "08006"})


@dataclass(slots=True)
class LiveRun:
    """A run that goes on here. stop_reason: why it was asked to end, once it was."""

    order: Order
    handler: Handler
    context: JobContext
    call: Call
    task: asyncio.Task[Any] | None = None
    stop_reason: Reason | None = None
    began: float = field(default_factory=time.monotonic)

    def stop(self, reason: Reason) -> None:
        """Cooperative: the context says so, and an async handler is cancelled at its next await."""
        if self.stop_reason is None:
            self.stop_reason = reason
            self.context._is_cancelled = True
            if self.task is not None:
                self.task.cancel()

    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)


class Runner:
    """Knows the application's handlers, their instances and their signatures."""

    def __init__(self, app: PgCron, worker_id: WorkerId | None, pools: Pools, marker: Marker | None = None) -> None:
        self._app = app
        self.worker_id = worker_id
        self._pools = pools
        self._marker = marker
        self._signatures: dict[str, Signature] = {}
        self._instances: dict[str, Any] = {}

    def prepare(self, order: Order) -> LiveRun:
        """Raises PgCronError when the handler is unknown or the arguments don't fit."""
        handler = self._app.handlers.get(order.handler)
        if handler is None:
            raise PgCronError(f"handler {order.handler!r} is not in application {self._app.name!r}")
        context = JobContext(
            order.run_id,
            order.job_id,
            order.job_name,
            order.scheduled_for,
            order.attempt,
            order.seq,
            order.cause,
            order.args,
        )
        return LiveRun(order, handler, context, self._call(handler, order, context))

    def _call(self, handler: Handler, order: Order, context: JobContext) -> Call:
        signature = self._signatures.get(handler.name)
        if signature is None:
            signature = self._signatures[handler.name] = signature_of(handler)
        arguments = bound_arguments(order.job_name, signature, order.args)
        if signature.context is not None:
            arguments[signature.context] = context
        function = handler.function
        if handler.owner is not None:
            function = partial(function, self._instance(handler))
        return partial(function, **arguments) if arguments else function

    def _instance(self, handler: Handler) -> Any:
        assert handler.owner is not None
        key = f"{handler.function.__module__}:{handler.owner}"
        if key not in self._instances:
            import sys

            owner: Any = sys.modules[handler.function.__module__]
            for part in handler.owner.split("."):
                owner = getattr(owner, part)
            self._instances[key] = self._app.factory(owner)
        return self._instances[key]

    async def perform_async(self, run: LiveRun) -> RunEnd:
        with spanned(run.order) as told:
            return told(await self._perform_async(run))

    async def _perform_async(self, run: LiveRun) -> RunEnd:
        with _timed_out_after(run, asyncio.get_running_loop()):
            try:
                if run.handler.transactional:
                    return await self._transactional_async(run)
                return _success(run, await self._stepped(run))
            except BaseException as error:
                return classified(run, error)

    def _stepped(self, run: LiveRun) -> Awaitable[Any]:
        """The handler's coroutine, its steps marked where the supervisor sees them."""
        return Stepped(run.call(), self._marker, run.order.run_id) if self._marker is not None else run.call()

    def perform_sync(self, run: LiveRun) -> RunEnd:
        with spanned(run.order) as told:
            return told(self._perform_sync(run))

    def _perform_sync(self, run: LiveRun) -> RunEnd:
        """In the main thread of a process of its own; the supervisor watches its time."""
        try:
            if run.handler.transactional:
                return self._transactional_sync(run)
            return _success(run, run.call())
        except BaseException as error:
            return classified(run, error)

    def _guard(self, run: LiveRun) -> Guard:
        assert self.worker_id is not None
        return Guard(self.worker_id, run.order.run_id, run.order.timeout_ms)

    async def _transactional_async(self, run: LiveRun) -> RunEnd:
        guard = self._guard(run)
        async with (await self._pools.async_()).connection() as connection:
            if (await connection.execute(guard.mark_backend, guard.owner)).rowcount != 1:
                raise LeaseLost()
            await connection.execute("BEGIN")
            row = await (await connection.execute(guard.limits, guard.limit_values)).fetchone()
            await connection.execute(f"SAVEPOINT {guard.savepoint}")
            run.context._connection = connection
            try:
                end = _success(run, await self._stepped(run))
                must_be_in_transaction(connection.info.transaction_status)
                with _savepoint_kept():
                    await connection.execute(guard.check)
                _same_transaction(row, await (await connection.execute(guard.xact_id)).fetchone())
                await connection.execute(guard.finish, guard.finish_values(_finish_of(run, end)))
            except BaseException:
                await _rolled_back(connection)
                raise
            await connection.execute("COMMIT")
            return _recorded(end)

    def _transactional_sync(self, run: LiveRun) -> RunEnd:
        guard = self._guard(run)
        with self._pools.sync().connection() as connection:
            if connection.execute(guard.mark_backend, guard.owner).rowcount != 1:
                raise LeaseLost()
            connection.execute("BEGIN")
            row = connection.execute(guard.limits, guard.limit_values).fetchone()
            connection.execute(f"SAVEPOINT {guard.savepoint}")
            run.context._connection = connection
            try:
                end = _success(run, run.call())
                must_be_in_transaction(connection.info.transaction_status)
                with _savepoint_kept():
                    connection.execute(guard.check)
                _same_transaction(row, connection.execute(guard.xact_id).fetchone())
                connection.execute(guard.finish, guard.finish_values(_finish_of(run, end)))
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise
            connection.execute("COMMIT")
            return _recorded(end)


class Pools:
    """Connections of transactional handlers: opened when the first one runs, reset after each run."""

    def __init__(self, database_url: str, size: int) -> None:
        self._url = database_url
        self._size = size
        self._async: AsyncConnectionPool[Any] | None = None
        self._sync: ConnectionPool[Any] | None = None
        self._lock = threading.Lock()

    async def async_(self) -> AsyncConnectionPool[Any]:
        if self._async is None:
            self._async = AsyncConnectionPool(
                self._url, min_size=0, max_size=self._size, open=False, kwargs=_CONNECTION, reset=_reset_async, configure=_configure_async, timeout=30,
                max_idle=60, check=AsyncConnectionPool.check_connection,
            )  # fmt: skip
            await self._async.open()
        return self._async

    def sync(self) -> ConnectionPool[Any]:
        with self._lock:
            if self._sync is None:
                self._sync = ConnectionPool(
                    self._url, min_size=0, max_size=self._size, open=True, kwargs=_CONNECTION, reset=_reset_sync, configure=_configure_sync, timeout=30,
                    max_idle=60, check=ConnectionPool.check_connection,
                )  # fmt: skip
            return self._sync


# Autocommit: BEGIN and COMMIT are sent by the guard, word for word, so that nothing else begins or ends a transaction.
# Nothing stays prepared: the reset between runs would take it away behind psycopg's back.
# A peer that is gone without a word is noticed as on the worker's own connections: else such a run would wait for hours.
_CONNECTION: dict[str, Any] = {
    "autocommit": True, "application_name": "pgcron handler", "prepare_threshold": None, "connect_timeout": CONNECT_TIMEOUT,
    **KEEPALIVE,
}  # fmt: skip


# DISCARD ALL but for the plans, which are ours: planning the finish anew for each run would cost more than the run.
CLEAN = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); "
    "DISCARD TEMP; DISCARD SEQUENCES"
)


async def _configure_async(connection: psycopg.AsyncConnection[Any]) -> None:
    connection.prepared_max = 0  # what a handler prepares on purpose is deallocated at once


def _configure_sync(connection: psycopg.Connection[Any]) -> None:
    connection.prepared_max = 0


async def _reset_async(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute(CLEAN)


def _reset_sync(connection: psycopg.Connection[Any]) -> None:
    connection.execute(CLEAN)


async def _rolled_back(connection: psycopg.AsyncConnection[Any]) -> None:
    if not connection.closed:
        await connection.rollback()


@contextmanager
def _savepoint_kept() -> Iterator[None]:
    try:
        yield
    except InvalidSavepointSpecification as error:
        raise TransactionBroken(BROKEN_HINT) from error


def _same_transaction(before: Any, after: Any) -> None:
    if before is None or after is None or before[-1] != after[0]:
        raise TransactionBroken(BROKEN_HINT)


@contextmanager
def _timed_out_after(run: LiveRun, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    if run.order.timeout_ms is None:
        yield
        return
    timer = loop.call_later(run.order.timeout_ms / 1000, run.stop, Reason.TIMEOUT)
    try:
        yield
    finally:
        timer.cancel()


def _success(run: LiveRun, value: Any) -> RunEnd:
    if run.stop_reason is not None:
        raise asyncio.CancelledError
    metadata = json_of(run.context.metadata) if run.context.metadata else {}
    result = _result_of(run, value)
    return RunEnd(run.order.run_id, Status.SUCCESS, metadata=metadata, result=result, duration=run.elapsed_ms())


def _result_of(run: LiveRun, value: Any = None) -> Any:
    """What the handler set wins over what it returned."""
    given = run.context._result if run.context._result is not None else value
    return None if given is None else json_of(given)


def _finish_of(run: LiveRun, end: RunEnd) -> Finish:
    return Finish(
        end.run_id, JobId(run.order.job_id), end.status, run.order.finish_token, duration=end.duration,
        metadata=end.metadata or None, result=end.result,
    )  # fmt: skip


def _recorded(end: RunEnd) -> RunEnd:
    return RunEnd(end.run_id, end.status, metadata=end.metadata, duration=end.duration, is_recorded=True)


def classified(run: LiveRun, error: BaseException) -> RunEnd:
    """FAILED, with the reason that fits; a run that was asked to end did end for that."""
    reason = run.stop_reason or _reason_of(run, error)
    text = _stopped_text(run) if run.stop_reason is not None else error_of(error)
    return RunEnd(
        run.order.run_id, Status.FAILED, reason, text, None if run.stop_reason else trace_of(error),
        json_of(run.context.metadata) or {}, _result_of(run), duration=run.elapsed_ms(),
    )  # fmt: skip


def _reason_of(run: LiveRun, error: BaseException) -> Reason:
    if isinstance(error, TransactionBroken):
        return Reason.TX_BROKEN
    if isinstance(error, LeaseLost) or getattr(error, "sqlstate", None) == "PC001":
        return Reason.LOST
    if run.handler.transactional and isinstance(error, psycopg.OperationalError) and error.sqlstate in _CONNECTION_LOST:
        return Reason.DB_ERROR
    return Reason.ERROR


def _stopped_text(run: LiveRun) -> str:
    if run.stop_reason is Reason.TIMEOUT:
        return f"timed out after {run.order.timeout_ms} ms"
    return f"stopped: {run.stop_reason}"


def parsed_order(message: dict[str, Any]) -> Order:
    scheduled_for = message["scheduled_for"]
    return Order(
        RunId(UUID(message["run_id"])), UUID(message["job_id"]), message["job_name"], message["handler"], message["args"],
        message["seq"], message["attempt"], message["cause"], scheduled_for and datetime.fromisoformat(scheduled_for),
        message["timeout_ms"], UUID(message["finish_token"]),
    )  # fmt: skip
