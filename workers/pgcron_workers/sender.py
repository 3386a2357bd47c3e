"""The supervisor's side of the process that sends: started when needed, ended when it hangs or idles. Nothing here waits for it
longer than LIMIT."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from structlog.typing import FilteringBoundLogger

LIMIT = 20.0  # seconds for one order
ENDED = "the process that sends ended"
IDLE = 30.0  # seconds after which a process without orders is let go
Order = dict[str, Any]


class _Child:
    """One process and the orders that it has not answered."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.waiting: dict[str, asyncio.Future[str | None]] = {}
        self.is_retired = False  # something hangs in it: it gets no more orders
        self.reading = asyncio.ensure_future(self._read())

    @property
    def is_usable(self) -> bool:
        return not self.is_retired

    async def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ConnectionError, ValueError):
            async for line in self.process.stdout:
                answer = json.loads(line)
                if (future := self.waiting.pop(answer["key"], None)) is not None and not future.done():
                    future.set_result(answer["error"])
        self.is_retired = True  # before those who wait hear of it: who comes after them would wait for nobody
        for future in self.waiting.values():
            if not future.done():
                future.set_result(ENDED)
        self.waiting.clear()
        await self.process.wait()

    async def failure_of(self, order: Order, limit: float) -> str | None:
        assert self.process.stdin is not None
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.waiting[order["key"]] = future
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            async with asyncio.timeout(limit):
                await self.process.stdin.drain()
                return await future
        except TimeoutError:
            self.is_retired = True
            return f"no answer within {limit:g} s"
        except ConnectionError:
            return ENDED
        finally:
            self.waiting.pop(order["key"], None)
            if self.is_retired and not self.waiting:
                self.end()

    def end(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


class Sender:
    """limit: seconds for one order, whatever the receiver does."""

    def __init__(self, log: FilteringBoundLogger, limit: float = LIMIT, idle: float = IDLE) -> None:
        self._log, self._limit, self._idle = log, limit, idle
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._letting_go: asyncio.TimerHandle | None = None

    async def failure_of(self, order: Order) -> str | None:
        """Carries the order out; why that failed, None: it did not. Never raises, never takes longer than the limit and a start."""
        if self._letting_go is not None:
            self._letting_go.cancel()
        try:
            child = await self._usable()
        except OSError as error:
            return f"no process that sends could be started: {error}"
        failure = await child.failure_of(order, self._limit)
        if not child.waiting:
            self._letting_go = asyncio.get_running_loop().call_later(self._idle, self._let_go)
        return failure

    async def _usable(self) -> _Child:
        async with self._starting:
            if self._child is None or not self._child.is_usable:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "pgcron_py.notify.child", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
                )  # fmt: skip
                self._child = _Child(process)
                self._log.debug("sender_started", pid=process.pid)
            return self._child

    def _let_go(self) -> None:
        if self._child is not None and not self._child.waiting:
            self._child.end()
            self._child = None

    async def close(self) -> None:
        if self._letting_go is not None:
            self._letting_go.cancel()
        child, self._child = self._child, None
        if child is not None:
            child.end()
            await asyncio.wait({child.reading}, timeout=2)
