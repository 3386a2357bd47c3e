"""Which run's code has the event loop right now: written where the supervisor can read it even when the loop is stuck."""

from __future__ import annotations

import mmap
import os
from collections.abc import Coroutine, Generator
from typing import Any
from uuid import UUID

_SIZE = 16
_NOBODY = bytes(_SIZE)


class Marker:
    """16 bytes of shared memory: the id of the run whose code runs, or zeros."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, _SIZE)

    @classmethod
    def made(cls) -> tuple[Marker, int]:
        """A new one, and the file descriptor to hand to the executor."""
        fd = os.memfd_create("pgcron-marker", 0)
        os.ftruncate(fd, _SIZE)
        return cls(fd), fd

    def enter(self, run: bytes) -> None:
        self._memory[:_SIZE] = run

    def leave(self) -> None:
        self._memory[:_SIZE] = _NOBODY

    @property
    def current(self) -> UUID | None:
        run = self._memory[:_SIZE]
        return None if run == _NOBODY else UUID(bytes=run)


class Stepped:
    """Awaits a coroutine and marks each of its steps. Tasks that the handler makes itself are not marked."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], marker: Marker, run: UUID) -> None:
        self._coroutine, self._marker, self._run = coroutine, marker, run.bytes

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            self._marker.enter(self._run)
            try:
                awaited = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                self._marker.leave()
            value, error = None, None
            try:
                value = yield awaited
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as thrown:
                error = thrown
