"""The end of the process, for streams that would hold it up.

while not stopping.is_set:
    message = await stopping.first(queue.get(), timeout=15)      # None: time is over, or the process ends
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stopping:
    """Set once. Not thread-safe: set it in the event loop (a signal handler of uvicorn's is)."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()

    async def first(self, wanted: Coroutine[Any, Any, T], timeout: float) -> T | None:
        """What `wanted` gives; None when `timeout` seconds pass or the process ends before."""
        task, end = asyncio.ensure_future(wanted), asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait({task, end}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            end.cancel()
