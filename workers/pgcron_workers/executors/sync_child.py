"""A process for `def` handlers: one run at a time, in the main thread, so that a signal reaches it.

Forked from a server process that has imported the application once. It ends with that server, which ends with the
supervisor, even when a handler holds the interpreter, and by itself when its channel closes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import signal
import socket
import threading
import time
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from msgspec import Struct

from pgcron_py.domain.words import Reason, RunId, WorkerId
from pgcron_py.registry import load_app
from pgcron_workers import tracing
from pgcron_workers.builtins import add_builtins, builtin_secrets
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.capture import Outputs, captured, install
from pgcron_workers.executors.endings import classified
from pgcron_workers.executors.frames import Decoder, encode
from pgcron_workers.executors.lifeline import die_with
from pgcron_workers.executors.live_run import LiveRun
from pgcron_workers.executors.memory import limited
from pgcron_workers.executors.pools import Pools
from pgcron_workers.executors.runner import Runner
from pgcron_workers.executors.sanitise import keep_secret
from pgcron_workers.executors.wire import Asked, BelongsTo, Cancel, Output, failed_to_begin


class RunStopped(BaseException):
    """Raised inside a handler by SIGTERM: it was asked to end and did not."""


REASON_WITHIN_S = 1.0


class SyncChild:
    """The reader thread takes messages; the main thread performs."""

    def __init__(self, channel: socket.socket, runner: Runner) -> None:
        self._channel, self._runner = channel, runner
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._run: LiveRun | None = None
        self._stop_early: dict[RunId, Reason] = {}
        self._sending = threading.Lock()
        self._outputs = Outputs(lambda news: self._send(Output(news)))

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, self._terminate)
        threading.Thread(target=self._read, daemon=True, name="pgcron-channel").start()
        while True:
            self._perform(self._orders.get())

    def _read(self) -> None:
        decoder = Decoder[Asked](Asked)  # type: ignore[arg-type]  # a union is no type to mypy
        try:
            while data := self._channel.recv(1 << 18):
                for message in decoder.feed(data):
                    self._handle(message)
        except OSError:
            pass
        tracing.flush()
        os._exit(0)  # the supervisor is gone, or lets this process go

    def _handle(self, message: Asked) -> None:
        match message:
            case Order():
                self._orders.put(message)
            case BelongsTo():
                self._runner.worker_id = WorkerId(message.id)
            case Cancel():
                for run_id in message.run_ids:
                    self._ask_to_stop(RunId(run_id), message.reason)

    def _ask_to_stop(self, run_id: RunId, reason: Reason) -> None:
        self._stop_early[run_id] = reason
        run = self._run
        if run is not None and run.order.run_id == run_id:
            run.stop(reason)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        run = self._run
        if run is None:
            return
        # Why was sent before the signal, but a handler that computes in C lets no other thread read it. Sleeping does.
        until = time.monotonic() + REASON_WITHIN_S
        while run.stop_reason is None and time.monotonic() < until:
            time.sleep(0.002)
        raise RunStopped

    def _perform(self, order: Order) -> None:
        try:
            run = self._runner.prepare(order)
        except Exception as error:
            self._send(failed_to_begin(order, error))
            return
        self._run = run
        if reason := self._stop_early.get(run.order.run_id):
            run.stop(reason)
        self._outputs.open(run.output)
        try:
            with captured(run.output), limited(run.order.memory_limit_mib):
                end = asyncio.run(self._perform_async(run)) if run.handler.is_async else self._runner.perform_sync(run)
        except BaseException as error:  # a late signal, or an event loop that could not be had
            end = classified(run, error)
        finally:
            self._run = None
            self._stop_early.clear()
        if last := self._outputs.closed(run.output):
            self._send(Output(last))
        self._send(end)

    async def _perform_async(self, run: LiveRun) -> RunEnd:
        """An `async def` handler that needs a process of its own."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        run.on_stop = lambda: loop.call_soon_threadsafe(task.cancel)  # the reader thread calls it
        try:
            return await self._runner.perform_async(run)
        finally:
            await self._runner.close_async()

    def _send(self, message: Struct) -> None:
        try:
            with self._sending:
                self._channel.sendall(encode([message]))
        except OSError:
            os._exit(0)


def main(connection: Connection, config: dict[str, Any]) -> None:
    """What a forked process runs."""
    die_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=os.dup(connection.fileno()))
    connection.close()
    install()
    logging.basicConfig(level=config["log_level"].upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    app = load_app(config["app"])
    add_builtins(app, config.get("builtins", {}))
    keep_secret(config["database_url"], *builtin_secrets(config.get("builtins", {})))
    SyncChild(channel, Runner(app, None, Pools(config["database_url"], 1))).serve()
