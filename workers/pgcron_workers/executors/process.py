"""The executor process of `async def` handlers: started, fed, watched, and started again after a crash.

A run that does not end within the grace (cancel_grace) of being asked to, or that has the event loop and does not give it back,
can only be ended with its process. Its neighbours are innocent: they end as `neighbour`, which is no strike.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.words import Reason, RunId, Status, WorkerId
from pgcron_workers.executors.base import Application, ApplicationFailed, Order, RunEnd
from pgcron_workers.executors.frames import Decoder, Message, encode
from pgcron_workers.executors.newborn import Newborn, born
from pgcron_workers.executors.stepping import Marker
from pgcron_workers.executors.wire import BelongsTo, Cancel, Failed, Go, Hello, Never, Output, Ready, Stop, Told

START_LIMIT = 60.0  # seconds for importing the application


class ProcessExecutor:
    """end_backend: ends the backend that carries a transactional run."""

    def __init__(
        self, config: dict[str, Any], log: FilteringBoundLogger, end_backend: Callable[[RunId], Awaitable[None]],
        newborn: Newborn | None = None,
    ) -> None:  # fmt: skip
        self.on_end: Callable[[RunEnd], None] = lambda end: None
        self.on_output: Callable[[list[Message]], None] = lambda news: None
        self.on_restarted: Callable[[Application], None] = lambda application: None
        self._config = config
        self._log = log
        self._end_backend = end_backend
        self._grace: float = config["cancel_grace"]
        self._newborn = newborn
        self._marker, self._marker_fd = newborn.marker if newborn else Marker.made()
        self._running: dict[RunId, Order] = {}
        self._asked: dict[RunId, Reason] = {}
        self._timers: dict[RunId, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._worker_id: WorkerId | None = None
        self._kill_reason: Reason | None = None
        self._stopping = False
        self._held: list[Order] = []
        self._ready: list[Order] = []
        self._has_ready = False  # this process, not one before it

    @property
    def is_up(self) -> bool:
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> Application:
        newborn, self._newborn = self._newborn or born((self._marker, self._marker_fd)), None
        self._process = newborn.process
        reader, writer = await asyncio.open_connection(sock=newborn.channel)
        writer.write(encode([self._config]))
        decoder = Decoder[Told](Told)  # type: ignore[arg-type]  # a union is no type to mypy
        hello = await self._hello(reader, decoder)
        self._writer = writer
        if self._worker_id is not None:
            self.belongs_to(self._worker_id)
        self._reading = asyncio.create_task(self._read(reader, decoder), name="executor-reader")
        declarations = [JobDeclaration.from_values(values) for values in hello.declarations]
        return Application(hello.app, hello.release, declarations, hello.handlers)

    async def _hello(self, reader: asyncio.StreamReader, decoder: Decoder[Told]) -> Hello:
        try:
            async with asyncio.timeout(START_LIMIT):
                while data := await reader.read(1 << 18):
                    for message in decoder.feed(data):
                        if isinstance(message, Hello):
                            return message
                        assert isinstance(message, Failed)
                        raise ApplicationFailed(message.error, hint=message.hint, trace=message.trace)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            raise ApplicationFailed(f"the application took more than {START_LIMIT:g} s to import") from None
        except ConnectionError:
            pass  # it was killed before it read a word: the kernel resets such a connection
        code = await self._reap()
        raise ApplicationFailed(f"the executor ended with {_ending(code)} while it imported the application")

    def belongs_to(self, worker_id: WorkerId) -> None:
        self._worker_id = worker_id
        self._write([BelongsTo(worker_id)])

    def submit(self, orders: list[Order]) -> None:
        self._enter(orders)
        if self._writer is None:
            self._held.extend(orders)  # the process is being started again
            return
        self._write(orders)

    def make_ready(self, orders: list[Order]) -> None:
        self._has_ready = self._writer is not None and (self._has_ready or not self._ready)
        self._ready += orders
        if self._has_ready:
            self._write([Ready(orders)])

    def begin_ready(self) -> None:
        ready, self._ready = self._ready, []
        if not self._has_ready:
            self.submit(ready)
            return
        self._has_ready = False
        self._write([Go()])
        self._enter(ready)

    def forget_ready(self) -> None:
        if self._has_ready:
            self._write([Never()])
        self._ready, self._has_ready = [], False

    def _enter(self, orders: list[Order]) -> None:
        for order in orders:
            self._running[order.run_id] = order
            if order.timeout_ms is not None:
                self._watch(order.run_id, order.timeout_ms / 1000 + self._grace, Reason.TIMEOUT)

    def cancel(self, run_ids: list[RunId], reason: Reason, *, force: bool = False) -> None:
        mine = [run_id for run_id in run_ids if run_id in self._running]
        if mine:
            self._write([Cancel(list(mine), reason)])
        for run_id in mine:
            if run_id not in self._asked:
                self._asked[run_id] = reason
                self._watch(run_id, self._grace, reason)

    def _watch(self, run_id: RunId, seconds: float, reason: Reason) -> None:
        if (earlier := self._timers.pop(run_id, None)) is not None:
            earlier.cancel()
        self._timers[run_id] = asyncio.get_running_loop().call_later(seconds, self._overdue, run_id, reason)

    def _overdue(self, run_id: RunId, reason: Reason) -> None:
        """It was asked to end and did not: only the end of the process ends it."""
        if run_id not in self._running or self._process is None:
            return
        culprit = self._marker.current
        self._asked.setdefault(run_id, reason)
        self._log.warning(
            "run_does_not_end", run_id=str(run_id), reason=reason, loop_held_by=str(culprit) if culprit else None
        )
        task = asyncio.ensure_future(self._end_backends_then_kill())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_backends_then_kill(self) -> None:
        overdue = [run_id for run_id in self._asked if run_id in self._running]
        await asyncio.gather(*(self._end_backend(run_id) for run_id in overdue), return_exceptions=True)
        self._signal(signal.SIGKILL)

    async def kill(self, reason: Reason) -> None:
        self._kill_reason = reason
        self._signal(signal.SIGKILL)
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=5)

    async def stop(self) -> None:
        self._stopping = True
        self._write([Stop()])
        if self._process is not None:
            for _ in range(100):
                if self._process.poll() is not None:
                    break
                await asyncio.sleep(0.02)
            else:
                self._signal(signal.SIGKILL)
            await self._reap()
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=5)

    def _write(self, messages: Sequence[Struct]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(list(messages)))

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    async def _reap(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)

    async def _read(self, reader: asyncio.StreamReader, decoder: Decoder[Told]) -> None:
        try:
            while data := await reader.read(1 << 18):
                for message in decoder.feed(data):
                    if isinstance(message, RunEnd):
                        self._ended(message)
                    elif isinstance(message, Output):
                        self.on_output(message.runs)
        except ConnectionError:
            pass
        await self._gone()

    def _ended(self, end: RunEnd) -> None:
        if self._running.pop(end.run_id, None) is not None:
            if self._asked:
                self._asked.pop(end.run_id, None)
            if self._timers and (timer := self._timers.pop(end.run_id, None)) is not None:
                timer.cancel()
            self.on_end(end)

    async def _gone(self) -> None:
        """The process ended. Its runs did too; unless it was told to, a new process takes its place."""
        code = await self._reap()
        if self._writer is not None:
            self._writer.close()
            self._writer, self._has_ready = None, False
        culprit, told = self._marker.current, self._kill_reason
        self._marker.leave()
        self._kill_reason = None
        for run_id in [run_id for run_id in self._running if run_id not in {order.run_id for order in self._held}]:
            reason = told or self._blame(run_id, culprit)
            self._ended(RunEnd(run_id, Status.FAILED, reason, _why(reason, self._running[run_id], _ending(code))))
        if not self._stopping:
            self._log.warning("executor_ended", ending=_ending(code), pid=self.pid)
            await self._start_again()

    def _blame(self, run_id: RunId, culprit: UUID | None) -> Reason:
        """Whose end this was: the run that had the event loop; else those that were asked to end; else everybody's."""
        asked = self._asked.get(run_id)
        if culprit is not None:
            return (asked or Reason.CRASHED) if run_id == culprit else Reason.NEIGHBOUR
        if self._asked:
            return asked or Reason.NEIGHBOUR
        return Reason.CRASHED

    async def _start_again(self) -> None:
        delay = 0.05
        while not self._stopping:
            try:
                application = await self.start()
            except (ApplicationFailed, OSError) as error:
                details = error.details if isinstance(error, ApplicationFailed) else str(error)
                self._log.error("executor_not_started", error=details)
                self._give_up_held(str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            held, self._held = self._held, []
            self._write(held)
            self._log.info("executor_started", pid=self.pid)
            self.on_restarted(application)
            return

    def _give_up_held(self, error: str) -> None:
        held, self._held = self._held, []
        for order in held:
            self._ended(RunEnd(order.run_id, Status.FAILED, Reason.CRASHED, f"no executor: {error}"[:8000]))


def _why(reason: Reason, order: Order, ending: str) -> str:
    if reason is Reason.TIMEOUT:
        return f"timed out after {order.timeout_ms} ms; its executor was ended ({ending})"
    if reason is Reason.NEIGHBOUR:
        return f"another run ended the executor that it shared ({ending})"
    return f"the executor ended with {ending}"


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
