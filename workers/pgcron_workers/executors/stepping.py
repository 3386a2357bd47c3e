"""Which run's code has the event loop right now: written where the supervisor can read it even when the loop is stuck."""

from __future__ import annotations

import mmap
import os
from collections.abc import Coroutine, Generator
from types import coroutine
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


@coroutine
def stepped(work: Coroutine[Any, Any, Any], marker: Marker, run: UUID) -> Generator[Any, Any, Any]:
    """Awaits a coroutine and marks each of its steps. Tasks that the handler makes itself are not marked."""
    steps, mark = work.__await__(), run.bytes
    value: Any = None
    error: BaseException | None = None
    while True:
        marker.enter(mark)
        try:
            awaited = steps.send(value) if error is None else steps.throw(error)
        except StopIteration as end:
            return end.value
        finally:
            marker.leave()
        value, error = None, None
        try:
            value = yield awaited
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as thrown:
            error = thrown
