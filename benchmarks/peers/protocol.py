"""What each adapter of a Python peer does: `adapter.py ROLE ORDER`, where ORDER is a JSON object with at least "url".

    setup      make the peer's tables
    schedule   put "count" schedules into the database that are due at "cron" (peers that declare them in the worker: nothing)
    fill       enqueue "count" requests of "task" that are ready now
    trigger    enqueue "count" requests at "rate" a second; prints {"calls": [[key, epoch], ...]}
    work       run handlers until SIGTERM; prints {"ready": true}, then {"starts": [[key, epoch], ...]} as they start

An order of work says what for: "count" schedules due at "cron" (0: none), "concurrency", and "tells": every start, or the first.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

Role = Callable[[dict[str, Any]], Awaitable[None]]


class Recorder:
    """Starts of handlers, told at most ten times a second by a thread that sleeps while there is nothing to tell."""

    def __init__(self, tells: str) -> None:
        self._starts: list[tuple[str, float]] = []
        self._news = threading.Event()
        self._only_first, self._has_told = tells == "first", False
        threading.Thread(target=self._tell, daemon=True).start()

    def start(self, key: str) -> None:
        if self._has_told:
            return
        self._starts.append((key, time.time()))
        if self._only_first:
            self._has_told = True
        self._news.set()

    def _tell(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            starts, self._starts = self._starts, []
            say({"starts": starts})
            time.sleep(0.1)


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def call_at_rate(count: int, rate: float, call: Callable[[str], Awaitable[object]]) -> None:
    calls = []
    for number in range(count):
        began = time.time()
        await call(str(number))
        calls.append((str(number), began))
        await asyncio.sleep(max(0.0, 1 / rate - (time.time() - began)))
    say({"calls": calls})


async def until_told(task: asyncio.Future[Any]) -> None:
    """Runs a worker's main task until SIGTERM; its own end is an error."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    say({"ready": True})
    waiting = asyncio.ensure_future(told.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        raise SystemExit("the worker ended by itself")


def main(roles: dict[str, Role]) -> None:
    role, order = sys.argv[1], json.loads(sys.argv[2])
    if role in roles:
        asyncio.run(_run(roles[role], order))


async def _run(role: Role, order: dict[str, Any]) -> None:
    await role(order)
    if role.__name__ == "work":
        sys.stdout.flush()
        # Locks and leases of a killed worker don't matter: its database is dropped.
        import os

        os._exit(0)
