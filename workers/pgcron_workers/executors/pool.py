"""All executors of a worker behind one interface: `async def` handlers share a process, `def` handlers have one each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.words import Reason, RunId, WorkerId
from pgcron_workers.executors.base import Application, Order, RunEnd
from pgcron_workers.executors.newborn import Newborn
from pgcron_workers.executors.process import ProcessExecutor
from pgcron_workers.executors.sync_pool import SyncPool


class ExecutorPool:
    """on_end: called once for each submitted run. on_restarted: the application was loaded again after a crash."""

    def __init__(
        self, config: dict[str, Any], log: FilteringBoundLogger, end_backend: Callable[[RunId], Awaitable[None]],
        newborn: Newborn | None = None,
    ) -> None:  # fmt: skip
        self._async = ProcessExecutor(config, log, end_backend, newborn)
        self._sync = SyncPool(config, log, end_backend)
        self._is_async: dict[str, bool] = {}
        self._sync_start: asyncio.Task[None] | None = None
        self._ready_alone: list[Order] = []

    @property
    def on_end(self) -> Callable[[RunEnd], None]:
        return self._async.on_end

    @on_end.setter
    def on_end(self, call: Callable[[RunEnd], None]) -> None:
        self._async.on_end = self._sync.on_end = call

    def on_output(self, call: Callable[[list[dict[str, Any]]], None]) -> None:
        """call: takes the news of what runs write."""
        self._async.on_output = self._sync.on_output = call

    @property
    def on_restarted(self) -> Callable[[Application], None]:
        return self._async.on_restarted

    @on_restarted.setter
    def on_restarted(self, call: Callable[[Application], None]) -> None:
        def restarted(application: Application) -> None:
            self._know(application)
            call(application)

        self._async.on_restarted = restarted

    async def start(self) -> Application:
        """Loads the application. Raises ApplicationFailed with the reason."""
        application = await self._async.start()
        self._know(application)
        if not all(self._is_async.values()):
            await self._start_sync()
        return application

    def _start_sync(self) -> asyncio.Task[None]:
        if self._sync_start is None:
            self._sync_start = asyncio.ensure_future(self._sync.start())
        return self._sync_start

    def _know(self, application: Application) -> None:
        self._is_async = {handler["name"]: handler["is_async"] for handler in application.handlers}

    def is_async(self, handler: str) -> bool:
        return self._is_async.get(handler, True)

    def is_up(self, is_async: bool) -> bool:
        return self._async.is_up if is_async else self._sync_start is not None and self._sync_start.done()

    def belongs_to(self, worker_id: WorkerId) -> None:
        self._async.belongs_to(worker_id)
        self._sync.belongs_to(worker_id)

    def make_ready(self, orders: list[Order]) -> None:
        """Only for the process that is shared: what has a process of its own has nothing to prepare."""
        together, alone = self._parted(orders)
        self._ready_alone += alone
        if together:
            self._async.make_ready(together)

    def begin_ready(self) -> None:
        self._async.begin_ready()
        alone, self._ready_alone = self._ready_alone, []
        if alone:
            self._submit_alone(alone)

    def forget_ready(self) -> None:
        self._ready_alone = []
        self._async.forget_ready()

    def submit(self, orders: list[Order]) -> None:
        together, alone = self._parted(orders)
        if together:
            self._async.submit(together)
        if alone:
            self._submit_alone(alone)

    def _parted(self, orders: list[Order]) -> tuple[list[Order], list[Order]]:
        """Those that may share a process, and the others. A memory limit is a process's, so its run needs one of its own."""
        together: list[Order] = []
        alone: list[Order] = []
        for order in orders:
            may_share = order.memory_limit_mib is None and self._is_async.get(order.handler, True)
            (together if may_share else alone).append(order)
        return together, alone

    def _submit_alone(self, orders: list[Order]) -> None:
        """The first run that needs a process of its own, in an application of `async def` handlers, starts their server."""
        if self.is_up(is_async=False):
            self._sync.submit(orders)
        else:
            self._start_sync().add_done_callback(lambda start: self._sync.submit_or_fail(orders, start.exception()))

    def cancel(self, run_ids: list[RunId], reason: Reason, *, force: bool = False) -> None:
        self._async.cancel(run_ids, reason)  # never by force: neighbours share its process
        self._sync.cancel(run_ids, reason, force=force)

    async def kill(self, reason: Reason) -> None:
        """Ends every run at once, with `reason`; the executors are started again."""
        await asyncio.gather(self._async.kill(reason), self._sync.kill(reason))

    async def stop(self) -> None:
        await asyncio.gather(self._async.stop(), self._sync.stop())
