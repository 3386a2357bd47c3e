"""Performing one run, step by step: resolve, build the context, perform, classify.

`async def` handlers run on their executor's event loop, `def` handlers in the main thread of a process of their own. Both
take the same road; only the calls differ, so each step is a small function and the two roads are at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from psycopg.errors import InvalidSavepointSpecification

from pgcron_py.context import JobContext
from pgcron_py.domain.words import Reason, WorkerId
from pgcron_py.errors import LeaseLost, PgCronError
from pgcron_py.handlers import Handler, Signature, bound_arguments, signature_of
from pgcron_py.outcomes import Skip
from pgcron_py.registry import PgCron
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.endings import ended, finish_of, recorded, skipped, success
from pgcron_workers.executors.live_run import Call, LiveRun
from pgcron_workers.executors.output import RunOutput
from pgcron_workers.executors.pools import Pools, commit, commit_async, roll_back, roll_back_async
from pgcron_workers.executors.stepping import Marker, stepped
from pgcron_workers.executors.transactions import (
    BROKEN_HINT,
    Guard,
    TransactionBroken,
    must_be_in_transaction,
    must_not_be_over,
)
from pgcron_workers.tracing import is_wanted, spanned


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
        output = RunOutput(order.run_id)
        context = JobContext(
            order.run_id,
            order.job_id,
            order.job_name,
            order.scheduled_for,
            order.attempt,
            order.seq,
            order.cause,
            order.args,
            _timing=order.timing,
            _timeout=None if order.timeout_ms is None else order.timeout_ms / 1000,
            _on_progress=output.progress,
        )
        return LiveRun(order, handler, context, self._call(handler, order, context), output)

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

    def perform_async(self, run: LiveRun) -> Coroutine[Any, Any, RunEnd]:
        return self._spanned_async(run) if is_wanted() else self._perform_async(run)

    async def _spanned_async(self, run: LiveRun) -> RunEnd:
        with spanned(run.order) as told:
            return told(await self._perform_async(run))

    async def _perform_async(self, run: LiveRun) -> RunEnd:
        timer = None
        if (limit := run.order.timeout_ms) is not None:
            timer = asyncio.get_running_loop().call_later(limit / 1000, run.stop, Reason.TIMEOUT)
        try:
            if run.stop_reason is not None:  # asked to end before it began
                raise asyncio.CancelledError
            if run.handler.transactional:
                return await self._transactional_async(run)
            return success(run, await self._stepped(run))
        except BaseException as error:
            return ended(run, error)
        finally:
            if timer is not None:
                timer.cancel()

    def _stepped(self, run: LiveRun) -> Awaitable[Any]:
        """The handler's coroutine, its steps marked where the supervisor sees them."""
        steps = stepped(run.call(), self._marker, run.order.run_id) if self._marker is not None else run.call()
        return _others_first(run, steps) if run.in_a_crowd else steps

    def perform_sync(self, run: LiveRun) -> RunEnd:
        with spanned(run.order) as told:
            return told(self._perform_sync(run))

    def _perform_sync(self, run: LiveRun) -> RunEnd:
        """In the main thread of a process of its own; the supervisor watches its time."""
        try:
            if run.handler.transactional:
                return self._transactional_sync(run)
            return success(run, run.call())
        except BaseException as error:
            return ended(run, error)

    async def close_async(self) -> None:
        """Before the event loop ends."""
        await self._pools.close_async()

    def _guard(self, run: LiveRun) -> Guard:
        assert self.worker_id is not None
        return Guard(self.worker_id, run.order.run_id, run.order.timeout_ms)

    async def _transactional_async(self, run: LiveRun) -> RunEnd:
        guard = self._guard(run)
        async with self._pools.connection_async() as connection:
            if (await connection.execute(guard.mark_backend, guard.owner(connection.is_pooled))).rowcount != 1:
                raise LeaseLost()
            await connection.execute("BEGIN")
            row = await (await connection.execute(guard.limits, guard.limit_values)).fetchone()
            await connection.execute(f"SAVEPOINT {guard.savepoint}")
            run.context._connection = connection
            try:
                try:
                    end = success(run, await self._stepped(run))
                    must_be_in_transaction(connection.info.transaction_status)
                except Skip as skip:
                    end = skipped(run, skip)
                    must_not_be_over(connection.info.transaction_status)
                    with _savepoint_kept():
                        await connection.execute(guard.undo)
                with _savepoint_kept():
                    await connection.execute(guard.check)
                _same_transaction(row, await (await connection.execute(guard.xact_id)).fetchone())
                await connection.execute(guard.finish, guard.finish_values(finish_of(run, end)))
            except BaseException:
                await roll_back_async(connection)
                raise
            await commit_async(connection)
            return recorded(end)

    def _transactional_sync(self, run: LiveRun) -> RunEnd:
        guard = self._guard(run)
        with self._pools.connection() as connection:
            if connection.execute(guard.mark_backend, guard.owner(connection.is_pooled)).rowcount != 1:
                raise LeaseLost()
            connection.execute("BEGIN")
            row = connection.execute(guard.limits, guard.limit_values).fetchone()
            connection.execute(f"SAVEPOINT {guard.savepoint}")
            run.context._connection = connection
            try:
                try:
                    end = success(run, run.call())
                    must_be_in_transaction(connection.info.transaction_status)
                except Skip as skip:
                    end = skipped(run, skip)
                    must_not_be_over(connection.info.transaction_status)
                    with _savepoint_kept():
                        connection.execute(guard.undo)
                with _savepoint_kept():
                    connection.execute(guard.check)
                _same_transaction(row, connection.execute(guard.xact_id).fetchone())
                connection.execute(guard.finish, guard.finish_values(finish_of(run, end)))
            except BaseException:
                roll_back(connection)
                raise
            commit(connection)
            return recorded(end)


async def _others_first(run: LiveRun, steps: Awaitable[Any]) -> Any:
    """What is left to do after a handler waits until the first lines of those have run that begin at the same instant."""
    result = await steps
    run.over = time.monotonic()
    try:  # noqa: SIM105  # suppress() would cost as much as all of this
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        pass  # too late: it has ended
    return result


@contextmanager
def _savepoint_kept() -> Iterator[None]:
    try:
        yield
    except InvalidSavepointSpecification as error:
        raise TransactionBroken(BROKEN_HINT) from error


def _same_transaction(before: Any, after: Any) -> None:
    if before is None or after is None or before[-1] != after[0]:
        raise TransactionBroken(BROKEN_HINT)
