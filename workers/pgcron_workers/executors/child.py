"""The executor process of `async def` handlers: loads the application, says what it found, performs runs, and ends with
its supervisor.

Started as `python -m pgcron_workers.executors.child FD MARKER`, with a socket to the supervisor at FD, and shared memory
at MARKER (see stepping).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections import deque
from typing import Any, NoReturn
from uuid import UUID

from msgspec import Struct

from pgcron_py.domain.words import Reason, WorkerId
from pgcron_py.errors import PgCronError
from pgcron_py.handlers import schema_of, signature_of
from pgcron_py.registry import PgCron, load_app
from pgcron_workers import tracing
from pgcron_workers.builtins import add_builtins, builtin_secrets
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.capture import Outputs, capture, install
from pgcron_workers.executors.frames import Decoder, Message, encode
from pgcron_workers.executors.lifeline import die_with
from pgcron_workers.executors.live_run import LiveRun
from pgcron_workers.executors.outcome import error_of, trace_of
from pgcron_workers.executors.pools import Pools
from pgcron_workers.executors.runner import Runner
from pgcron_workers.executors.sanitise import keep_secret
from pgcron_workers.executors.stepping import Marker
from pgcron_workers.executors.wire import (
    Asked,
    BelongsTo,
    Cancel,
    Failed,
    Go,
    Hello,
    Never,
    Output,
    Ready,
    Stop,
    failed_to_begin,
)


class Child:
    """One executor process: its socket and its runs."""

    def __init__(self, channel: socket.socket, runner: Runner) -> None:
        self._channel = channel
        self._runner = runner
        self._runs: dict[LiveRun, asyncio.Task[None]] = {}
        self._outgoing: list[Struct] = []
        self._decoder = Decoder[Asked](Asked)  # type: ignore[arg-type]  # a union is no type to mypy
        self._loop = asyncio.get_running_loop()
        self._news: deque[Output] = deque()
        self._outputs = Outputs(self._tell)
        self._gate: asyncio.Future[None] | None = None

    async def serve(self) -> NoReturn:
        while data := await self._loop.sock_recv(self._channel, 1 << 18):
            for message in self._decoder.feed(data):
                self._handle(message)
        os._exit(0)  # the supervisor is gone: nobody could record what goes on here

    def _handle(self, message: Asked) -> None:
        match message:
            case Order():
                self._begin(self._prepared(message))
            case Ready():
                self._gate = self._gate or self._loop.create_future()
                for order in message.orders:
                    self._make_ready(self._prepared(order), self._gate)
            case Go():
                if (gate := self._closed_gate()) is not None:
                    gate.set_result(None)
            case Never():
                if (gate := self._closed_gate()) is not None:
                    gate.cancel()
            case Cancel():
                self._stop(set(message.run_ids), message.reason)
            case BelongsTo():
                self._runner.worker_id = WorkerId(message.id)
            case Stop():
                self._flush()
                tracing.flush()
                os._exit(0)

    def _stop(self, run_ids: set[UUID], reason: Reason) -> None:
        for run in [run for run in self._runs if run.order.run_id in run_ids]:
            run.stop(reason)

    def _prepared(self, order: Order) -> LiveRun | RunEnd:
        """Or the end of one that can't begin, to be told when it would have begun."""
        try:
            return self._runner.prepare(order)
        except Exception as error:
            return failed_to_begin(order, error)

    def _begin(self, run: LiveRun | RunEnd) -> None:
        if isinstance(run, RunEnd):
            self._send(run)
        else:
            self._outputs.open(run.output)
            self._runs[run] = self._loop.create_task(self._perform(run))

    def _closed_gate(self) -> asyncio.Future[None] | None:
        """Before which runs wait that were made ready, if any were."""
        gate, self._gate = self._gate, None
        return gate

    def _make_ready(self, run: LiveRun | RunEnd, gate: asyncio.Future[None]) -> None:
        """gate: before which its task waits, with others that begin at the same instant: then nothing is left to be made."""
        if isinstance(run, RunEnd):
            end = run
            gate.add_done_callback(lambda opened: None if opened.cancelled() else self._send(end))
            return
        run.in_a_crowd = True
        self._outputs.open(run.output)
        self._runs[run] = self._loop.create_task(self._perform_behind(gate, run))

    async def _perform_behind(self, gate: asyncio.Future[None], run: LiveRun) -> None:
        try:
            await gate
        except asyncio.CancelledError:  # its claim came to nothing
            del self._runs[run]
            self._outputs.closed(run.output)
        else:
            await self._perform(run)

    async def _perform(self, run: LiveRun) -> None:
        capture(run.output)
        run.on_stop = self._runs[run].cancel  # not before: a task that is cancelled before its first step has no end
        run.begins()
        self._ended(run, await self._runner.perform_async(run))

    def _ended(self, run: LiveRun, end: RunEnd) -> None:
        del self._runs[run]
        last = self._outputs.closed(run.output)
        self._send_news()
        if last:
            self._send(Output(last))
        self._send(end)

    def _tell(self, news: list[Message]) -> None:
        """In the thread of the outputs."""
        self._news.append(Output(news))
        self._loop.call_soon_threadsafe(self._send_news)

    def _send_news(self) -> None:
        while self._news:
            self._send(self._news.popleft())

    def _send(self, message: Struct) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(message)

    def _flush(self) -> None:
        """Whatever ended in this turn of the loop goes in one write. Blocking: a supervisor that doesn't read must not
        make this process grow."""
        if not self._outgoing:
            return
        messages, self._outgoing = self._outgoing, []
        data = memoryview(encode(messages))
        self._channel.setblocking(True)
        try:
            self._channel.sendall(data)
        except OSError:
            os._exit(0)
        finally:
            self._channel.setblocking(False)


def described(app: PgCron) -> Hello:
    handlers = [
        {
            "name": handler.name,
            "is_async": handler.is_async,
            "transactional": handler.transactional,
            "description": (handler.function.__doc__ or "").strip().partition("\n")[0][:500],
            "parameters": schema_of(signature_of(handler)),
        }
        for handler in app.handlers.values()
    ]
    declarations = [declaration.values() for declaration in app.declarations.values()]
    return Hello(app.name, app.release, declarations, handlers)


async def run(channel: socket.socket, config: dict[str, Any], marker: Marker) -> None:
    try:
        app = load_app(config["app"])
        add_builtins(app, config.get("builtins", {}))
        keep_secret(config["database_url"], *builtin_secrets(config.get("builtins", {})))
        hello = described(app)
    except PgCronError as error:
        channel.sendall(encode([Failed(str(error), error.hint)]))
        return
    except BaseException as error:
        channel.sendall(encode([Failed(error_of(error), trace=trace_of(error))]))
        return
    channel.sendall(encode([hello]))
    channel.setblocking(False)
    gc.freeze()  # what the application imported stays: no collection needs to look at it again
    pools = Pools(config["database_url"], config["connections"])
    await Child(channel, Runner(app, None, pools, marker)).serve()


def main() -> None:
    die_with(os.getppid())  # the end of the channel says the same, but only to a loop that nobody holds
    channel = socket.socket(fileno=int(sys.argv[1]))
    config: dict[str, Any] = next(iter(_first_message(channel)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to answer
    install()
    logging.basicConfig(level=config["log_level"].upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run(channel, config, Marker(int(sys.argv[2]))))


def _first_message(channel: socket.socket) -> list[Message]:
    decoder = Decoder[Message](Message)
    while data := channel.recv(1 << 16):
        if messages := list(decoder.feed(data)):
            return messages
    sys.exit(0)


if __name__ == "__main__":
    main()
