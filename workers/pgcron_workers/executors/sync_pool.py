"""`def` handlers: one at a time each in a process of their own, kept for the next run while it behaves.

Ending a run that does not end by itself: its context says so (cooperative); after the grace (cancel_grace) its backend, if it
is transactional, and a SIGTERM, which raises inside the handler; after as long again a SIGKILL. Only that run is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from typing import Any

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.words import Reason, RunId, Status, WorkerId
from pgcron_workers.executors import sync_entry
from pgcron_workers.executors.base import ApplicationFailed, Order, RunEnd
from pgcron_workers.executors.frames import Decoder, Message, encode
from pgcron_workers.executors.wire import BelongsTo, Cancel, Output

IDLE_KEPT = 1  # warm processes kept for the next run
IDLE_SECONDS = 30.0  # others are let go after this


class Slot:
    """One process and at most one run in it."""

    def __init__(self, process: ForkServerProcess, channel: socket.socket) -> None:
        self.process, self.channel = process, channel
        self.order: Order | None = None
        self.stop_reason: Reason | None = None
        self.idle_since = time.monotonic()
        self.timers: list[asyncio.TimerHandle] = []

    def begin(self, order: Order) -> None:
        self.order, self.stop_reason = order, None

    def clear(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
        self.order = None
        self.idle_since = time.monotonic()

    def end_idle(self) -> None:
        """The process ends by itself when its channel does; the reader here sees that end."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_WR)

    def signal(self, number: signal.Signals) -> None:
        if self.process.pid is not None and self.process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


class SyncPool:
    """on_end: called once for each run. end_backend: ends the backend that carries a transactional run."""

    def __init__(
        self, config: dict[str, Any], log: FilteringBoundLogger, end_backend: Callable[[RunId], Awaitable[None]]
    ) -> None:
        self.on_end: Callable[[RunEnd], None] = lambda end: None
        self.on_output: Callable[[list[Message]], None] = lambda news: None
        self._config, self._log, self._end_backend = config, log, end_backend
        self._grace: float = config["cancel_grace"]
        self._context = multiprocessing.get_context("forkserver")
        self._slots: set[Slot] = set()
        self._idle: list[Slot] = []
        self._worker_id: WorkerId | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[
            RunId, Reason | None
        ] = {}  # for a process that is being started, and why not to begin at all
        self._backlog: deque[Order] = deque()  # for any process: there are as many as there may be
        self._closing = False
        self._idle_seconds: float = config.get("idle_seconds", IDLE_SECONDS)
        self._letting_go: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Starts the server process, which imports the application, and one warm process. Raises ApplicationFailed."""
        os.environ[sync_entry.APP_VARIABLE] = self._config["app"]
        os.environ[sync_entry.SUPERVISOR_VARIABLE] = str(os.getpid())
        self._context.set_forkserver_preload([sync_entry.PRELOAD])
        with sync_entry.main_module_left_alone():
            forkserver.ensure_running()  # here, in the main thread: the kernel ties its life to the thread that starts it
        try:
            slot = await self._new_slot()
        except (EOFError, OSError) as error:
            raise ApplicationFailed("the process that starts `def` handlers ended while it started") from error
        self._idle.append(slot)

    @property
    def pids(self) -> list[int]:
        return [slot.process.pid for slot in self._slots if slot.process.pid is not None]

    def belongs_to(self, worker_id: WorkerId) -> None:
        self._worker_id = worker_id
        for slot in self._slots:
            self._write(slot, BelongsTo(worker_id))

    def submit(self, orders: list[Order]) -> None:
        for order in orders:
            if self._idle:
                self._begin(self._idle.pop(), order)
            elif len(self._slots) + len(self._waiting) < self._config["processes"]:
                self._waiting[order.run_id] = None
                self._spawn(self._begin_in_new_slot(order))
            else:
                self._backlog.append(order)

    def submit_or_fail(self, orders: list[Order], error: BaseException | None) -> None:
        """error: why the server process could not be started."""
        if error is None:
            self.submit(orders)
            return
        for order in orders:
            self.on_end(RunEnd(order.run_id, Status.FAILED, Reason.CRASHED, f"no process for the handler: {error}"))

    def _next_from_backlog(self) -> None:
        """A process came free, or there is room for another."""
        if self._backlog and not self._closing:
            self.submit([self._backlog.popleft()])

    def _give_up_backlog(self, run_ids: set[RunId], reason: Reason) -> None:
        given_up = [order for order in self._backlog if order.run_id in run_ids]
        self._backlog = deque(order for order in self._backlog if order.run_id not in run_ids)
        for order in given_up:
            self.on_end(RunEnd(order.run_id, Status.FAILED, reason, f"stopped: {reason}, before it began"))

    def cancel(self, run_ids: list[RunId], reason: Reason, *, force: bool = False) -> None:
        wanted = set(run_ids)
        self._give_up_backlog(wanted, reason)
        for run_id in wanted & self._waiting.keys():
            self._waiting[run_id] = reason
        for slot in list(self._slots):
            if slot.order is not None and slot.order.run_id in wanted:
                self._stop_run(slot, reason)
                if force:
                    self._spawn(self._end_at_once(slot, slot.order.run_id))

    async def _end_at_once(self, slot: Slot, run_id: RunId) -> None:
        await self._end_backend(run_id)
        if slot.order is not None and slot.order.run_id == run_id:
            slot.signal(signal.SIGKILL)

    async def kill(self, reason: Reason) -> None:
        self._give_up_backlog({order.run_id for order in self._backlog}, reason)
        for slot in list(self._slots):
            slot.stop_reason = slot.stop_reason or reason
            slot.signal(signal.SIGKILL)
        for _ in range(250):
            if not any(slot.order for slot in self._slots):
                return
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._closing = True
        for slot in list(self._slots):
            slot.channel.close()
            if slot.order is not None:
                slot.signal(signal.SIGKILL)
        for slot in list(self._slots):
            await asyncio.to_thread(slot.process.join, 5)
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _new_slot(self) -> Slot:
        ours, theirs = self._context.Pipe(duplex=True)
        process = self._context.Process(target=sync_entry.main, args=(theirs, self._config), daemon=True)
        await asyncio.to_thread(_started, process)
        theirs.close()
        channel = socket.socket(fileno=os.dup(ours.fileno()))
        ours.close()
        channel.setblocking(False)
        slot = Slot(process, channel)
        self._slots.add(slot)
        self._spawn(self._read(slot))
        if self._worker_id is not None:
            self._write(slot, BelongsTo(self._worker_id))
        return slot

    async def _begin_in_new_slot(self, order: Order) -> None:
        try:
            slot = await self._new_slot()
        except Exception as error:
            self._waiting.pop(order.run_id, None)
            self.on_end(RunEnd(order.run_id, Status.FAILED, Reason.CRASHED, f"no process for the handler: {error}"))
            return
        reason = self._waiting.pop(order.run_id, None)
        self._begin(slot, order)
        if reason is not None:
            self._stop_run(slot, reason)

    def _begin(self, slot: Slot, order: Order) -> None:
        slot.begin(order)
        self._write(slot, order)
        if order.timeout_ms is not None:
            loop = asyncio.get_running_loop()
            slot.timers.append(loop.call_later(order.timeout_ms / 1000, self._stop_run, slot, Reason.TIMEOUT))

    def _stop_run(self, slot: Slot, reason: Reason) -> None:
        if slot.order is None or slot.stop_reason is not None:
            return
        slot.stop_reason = reason
        self._write(slot, Cancel([slot.order.run_id], reason))
        loop = asyncio.get_running_loop()
        slot.timers.append(loop.call_later(self._grace, self._terminate, slot, slot.order.run_id))

    def _terminate(self, slot: Slot, run_id: RunId) -> None:
        self._spawn(self._end_backend(run_id))
        slot.signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        slot.timers.append(loop.call_later(self._grace, slot.signal, signal.SIGKILL))

    def _write(self, slot: Slot, message: Struct) -> None:
        """Whole or not at all. The process's reader thread takes it, and an order comes only to a process that is idle."""
        try:
            slot.channel.setblocking(True)
            slot.channel.sendall(encode([message]))
            slot.channel.setblocking(False)
        except OSError:
            return  # it is gone: its reader notices

    async def _read(self, slot: Slot) -> None:
        loop, decoder = asyncio.get_running_loop(), Decoder[RunEnd | Output](RunEnd | Output)  # type: ignore[arg-type]  # a union is no type to mypy
        try:
            while data := await loop.sock_recv(slot.channel, 1 << 18):
                for message in decoder.feed(data):
                    if isinstance(message, Output):
                        self.on_output(message.runs)
                    else:
                        self._ended(slot, message)
        except OSError:
            pass
        await self._gone(slot)

    def _ended(self, slot: Slot, end: RunEnd) -> None:
        slot.clear()
        self._idle.append(slot)
        self.on_end(end)
        self._next_from_backlog()
        if len(self._idle) > IDLE_KEPT and self._letting_go is None:
            self._letting_go = asyncio.get_running_loop().call_later(self._idle_seconds, self._let_go_of_idle)

    def _let_go_of_idle(self) -> None:
        """Processes that nobody needed for a while, but for one."""
        self._letting_go, now = None, time.monotonic()
        while len(self._idle) > IDLE_KEPT and now - self._idle[0].idle_since >= self._idle_seconds:
            slot = self._idle.pop(0)
            slot.end_idle()
        if len(self._idle) > IDLE_KEPT and not self._closing:
            wait = self._idle_seconds - (now - self._idle[0].idle_since)
            self._letting_go = asyncio.get_running_loop().call_later(wait, self._let_go_of_idle)

    async def _gone(self, slot: Slot) -> None:
        """The process ended, with or without a run in it."""
        await asyncio.to_thread(slot.process.join, 5)
        self._slots.discard(slot)
        with contextlib.suppress(ValueError):
            self._idle.remove(slot)
        order, reason = slot.order, slot.stop_reason or Reason.CRASHED
        slot.clear()
        with contextlib.suppress(OSError):
            slot.channel.close()
        if order is not None:
            self.on_end(RunEnd(order.run_id, Status.FAILED, reason, ending_text(slot.process.exitcode, reason, order)))
        self._next_from_backlog()


def _started(process: ForkServerProcess) -> None:
    with sync_entry.main_module_left_alone():
        process.start()


def ending_text(code: int | None, reason: Reason, order: Order) -> str:
    how = (
        "an unknown end"
        if code is None
        else f"signal {signal.Signals(-code).name}"
        if code < 0
        else f"exit code {code}"
    )
    if reason is Reason.TIMEOUT:
        return f"timed out after {order.timeout_ms} ms; its process was ended ({how})"
    if reason is Reason.CRASHED:
        return f"the handler's process ended with {how}"
    return f"stopped: {reason}; its process was ended ({how})"
