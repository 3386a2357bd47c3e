"""One executor process behind the Executor interface: started, fed, watched, and started again after a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.domain.words import Reason, RunId, Status, WorkerId
from pgcron_workers.executors.base import Application, ApplicationFailed, Order, RunEnd
from pgcron_workers.executors.child import END_KEYS
from pgcron_workers.executors.frames import Decoder, Message, encode

START_LIMIT = 60.0  # seconds for importing the application


class ProcessExecutor:
    """`async def` handlers on the process's event loop, `def` handlers in its threads."""

    def __init__(self, config: dict[str, Any], log: FilteringBoundLogger) -> None:
        self.on_end: Callable[[RunEnd], None] = lambda end: None
        self.on_restarted: Callable[[Application], None] = lambda application: None
        self._config = config
        self._log = log
        self._running: set[RunId] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._worker_id: WorkerId | None = None
        self._kill_reason: Reason | None = None
        self._stopping = False
        self._held: list[Order] = []

    @property
    def is_up(self) -> bool:
        return self._writer is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> Application:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - fork and exec take a millisecond, once
                [sys.executable, "-m", "pgcron_workers.executors.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(encode([self._config]))
        decoder = Decoder()
        hello = await self._hello(reader, decoder)
        self._writer = writer
        if self._worker_id is not None:
            self.belongs_to(self._worker_id)
        self._reading = asyncio.create_task(self._read(reader, decoder), name="executor-reader")
        declarations = [JobDeclaration.from_values(values) for values in hello["declarations"]]
        return Application(hello["app"], hello["release"], declarations, hello["handlers"])

    async def _hello(self, reader: asyncio.StreamReader, decoder: Decoder) -> Message:
        try:
            async with asyncio.timeout(START_LIMIT):
                while data := await reader.read(1 << 18):
                    for message in decoder.feed(data):
                        if message["type"] == "hello":
                            return message
                        raise ApplicationFailed(
                            message["error"] + (f"\n{message['trace']}" if message["trace"] else ""),
                            hint=message["hint"],
                        )
        except TimeoutError:
            self._signal(signal.SIGKILL)
            raise ApplicationFailed(f"the application took more than {START_LIMIT:g} s to import") from None
        code = await self._reap()
        raise ApplicationFailed(f"the executor ended with {_ending(code)} while it imported the application")

    def belongs_to(self, worker_id: WorkerId) -> None:
        self._worker_id = worker_id
        self._write([{"type": "worker", "id": str(worker_id)}])

    def submit(self, orders: list[Order]) -> None:
        self._running.update(order.run_id for order in orders)
        if self._writer is None:
            self._held.extend(orders)  # the process is being started again
            return
        self._write([_as_message(order) for order in orders])

    def cancel(self, run_ids: list[RunId], reason: Reason) -> None:
        mine = [str(run_id) for run_id in run_ids if run_id in self._running]
        if mine:
            self._write([{"type": "cancel", "run_ids": mine, "reason": reason}])

    async def kill(self, reason: Reason) -> None:
        self._kill_reason = reason
        self._signal(signal.SIGKILL)
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=5)

    async def stop(self) -> None:
        self._stopping = True
        self._write([{"type": "stop"}])
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

    def _write(self, messages: list[Message]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(messages))

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    async def _reap(self) -> int:
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)

    async def _read(self, reader: asyncio.StreamReader, decoder: Decoder) -> None:
        try:
            while data := await reader.read(1 << 18):
                for message in decoder.feed(data):
                    self._ended(_as_end(message))
        except ConnectionError:
            pass
        await self._gone()

    def _ended(self, end: RunEnd) -> None:
        if end.run_id in self._running:
            self._running.discard(end.run_id)
            self.on_end(end)

    async def _gone(self) -> None:
        """The process ended. Its runs did too; unless it was told to, a new process takes its place."""
        code = await self._reap()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        reason, text = self._kill_reason or Reason.CRASHED, f"the executor ended with {_ending(code)}"
        self._kill_reason = None
        for run_id in list(self._running):
            self._ended(RunEnd(run_id, Status.FAILED, reason, text))
        if not self._stopping:
            self._log.warning("executor_ended", ending=_ending(code), pid=self.pid)
            await self._start_again()

    async def _start_again(self) -> None:
        delay = 0.05
        while not self._stopping:
            try:
                application = await self.start()
            except ApplicationFailed as error:
                self._log.error("executor_not_started", error=str(error))
                self._give_up_held(str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            held, self._held = self._held, []
            self._write([_as_message(order) for order in held])
            self._log.info("executor_started", pid=self.pid)
            self.on_restarted(application)
            return

    def _give_up_held(self, error: str) -> None:
        held, self._held = self._held, []
        for order in held:
            self._ended(RunEnd(order.run_id, Status.FAILED, Reason.CRASHED, f"no executor: {error}"[:8000]))


def _as_message(order: Order) -> Message:
    return {
        "type": "run", "run_id": str(order.run_id), "job_id": str(order.job_id), "job_name": order.job_name, "handler": order.handler,
        "args": order.args, "seq": order.seq, "attempt": order.attempt, "cause": order.cause,
        "scheduled_for": order.scheduled_for and order.scheduled_for.isoformat(), "timeout_ms": order.timeout_ms,
        "finish_token": str(order.finish_token),
    }  # fmt: skip


def _as_end(message: Message) -> RunEnd:
    values = {key: message[key] for key in END_KEYS}
    reason = values.pop("reason")
    status = Status(values.pop("status"))
    return RunEnd(RunId(UUID(message["run_id"])), status, reason and Reason(reason), **values)


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
