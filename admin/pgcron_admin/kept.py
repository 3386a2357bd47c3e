"""Answers that are kept for a moment: costly to make, and the same for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """seconds: how old an answer may be. most: answers to different questions."""

    def __init__(self, seconds: float, most: int = 32) -> None:
        self._seconds, self._most = seconds, most
        self._made: dict[Hashable, tuple[float, asyncio.Task[T]]] = {}

    async def get(self, question: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """The answer, or that of somebody who asked the same a moment ago. Raises what `make` does; errors are not kept."""
        loop = asyncio.get_running_loop()
        at, task = self._made.get(question, (0.0, None))
        if task is None or (task.done() and (loop.time() - at > self._seconds or task.cancelled() or task.exception())):
            task = loop.create_task(_awaited(make))
            self._made.pop(question, None)
            self._made[question] = (loop.time(), task)
            while len(self._made) > self._most:
                del self._made[next(iter(self._made))]
        return await asyncio.shield(task)


async def _awaited(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
