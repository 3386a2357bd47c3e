"""Answers of a moment ago, for those who ask the same: a thousand dashboards cost the database two questions a second.

    page = await recent.answer(("jobs", query), read)

An answer is given for half a second, and only while the connection that listens hears: a definition that changes ends it at once, and so does whatever this process writes.
What runs change nobody announces, so that is what may be half a second old. Where hints don't come, behind a transaction pooler or
while that connection is broken, nothing is kept. An answer must be the same for all who ask with that key: what depends on who asks
belongs into the key.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pgcron_admin.database import Database
from pgcron_admin.live.listener import Listener

KEPT_S = 0.5
MOST = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept:
    """began: when its reading began, which is when it is from. known: hints and own writes there had been by then."""

    began: float
    known: tuple[int, int]
    answer: asyncio.Task[Any]


class Recent:
    def __init__(self, database: Database, listener: Listener) -> None:
        self._database, self._listener = database, listener
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()  # the one that was read last comes last

    async def answer(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` gives, or gave a moment ago. Those who ask while it reads wait for the same. Raises what `read` raises."""
        self._listener.start()
        if not self._listener.is_listening:
            return await read()
        kept = self._kept.get(key)
        if kept is None or not self._is_good(kept):
            kept = self._read(key, read)
        # Shielded: one who goes away takes the answer from nobody else.
        return cast("T", await asyncio.shield(kept.answer))

    def _is_good(self, kept: _Kept) -> bool:
        return kept.known == self._known() and _now() - kept.began < KEPT_S and not _has_failed(kept.answer)

    def _known(self) -> tuple[int, int]:
        return self._listener.heard, self._database.written

    def _read(self, key: Hashable, read: Callable[[], Awaitable[Any]]) -> _Kept:
        async def reading() -> Any:
            return await read()

        kept = _Kept(_now(), self._known(), asyncio.get_running_loop().create_task(reading()))
        kept.answer.add_done_callback(_has_failed)  # looked at, also when all who asked have gone
        self._kept[key] = kept
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return kept


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _now() -> float:
    return asyncio.get_running_loop().time()
