"""Operations of the product, statement by statement, in any order of turns, on a connection each.

An operation gets a connection whose statements wait for their turn; nothing else about it is changed. A turn is over when the
statement is done, or when it waits for somebody's lock: then the others go on, and it goes on when it may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncConnection

from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES

Operation = Callable[[Any], Awaitable[Any]]
FREE = ("BEGIN", "ROLLBACK", "SELECT clock_timestamp(), k.*")  # neither lock nor write
BLOCKED = "SELECT pid FROM unnest(%s::int[]) AS pid WHERE cardinality(pg_blocking_pids(pid)) > 0"
REFUSALS = frozenset({"PC004", "PC005", "PC006", "PC007", "PC008"})
PATIENCE = 10.0
A_MOMENT = 0.002


class Turns:
    """A connection whose statements wait for their turn."""

    def __init__(self, connection: AsyncConnection, on_change: asyncio.Event) -> None:
        self._connection, self._on_change = connection, on_change
        self._given = asyncio.Semaphore(0)
        self.is_waiting = False
        self.taken = 0

    async def execute(self, query: str, *values: Any, **options: Any) -> Any:
        if not query.lstrip().startswith(FREE):
            self.is_waiting = True
            self._on_change.set()
            await self._given.acquire()
            self.taken += 1
        return await self._connection.execute(query, *values, **options)

    def give(self, turns: int = 1) -> None:
        self.is_waiting = False
        for _ in range(turns):
            self._given.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@dataclass(slots=True)
class Player:
    """One operation on one connection. outcome: what it returned, or the refusal it met. conflicts: what it was retried for."""

    name: str
    connection: AsyncConnection
    operation: Operation
    turns: Turns = field(init=False)
    task: asyncio.Task[Any] = field(init=False)
    conflicts: list[str] = field(default_factory=list)

    def begin(self, on_change: asyncio.Event) -> None:
        self.turns = Turns(self.connection, on_change)
        self.task = asyncio.ensure_future(self.operation(self.turns))
        self.task.add_done_callback(lambda _: on_change.set())

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    @property
    def is_settled(self) -> bool:
        return self.task.done() or self.turns.is_waiting

    def turn(self) -> None:
        """Nothing for an operation that has ended, or whose last turn waits for a lock."""
        if self.turns.is_waiting and not self.task.done():
            self.turns.give()

    async def outcome(self) -> Any:
        """To the end, whatever turns that takes; again after what the product would try again."""
        self.turns.give(100)
        while True:
            try:
                return await asyncio.wait_for(self.task, PATIENCE)
            except psycopg.Error as error:
                await self.connection.rollback()
                if error.sqlstate in REFUSALS:
                    return error
                if error.sqlstate not in RETRIED_SQLSTATES:
                    raise
                self.conflicts.append(str(error.sqlstate))
                self.task = asyncio.ensure_future(self.operation(self.connection))


class Performance:
    """Players on their connections, and an observer who sees which of them wait for locks."""

    def __init__(self, players: list[Player], observer: AsyncConnection) -> None:
        self._players, self._observer = players, observer
        self._on_change = asyncio.Event()

    async def play(self, order: tuple[int, ...]) -> list[Any]:
        """Gives the turns in this order; the outcomes."""
        for player in self._players:
            player.begin(self._on_change)
        await self._settle()
        for number in order:
            self._players[number].turn()
            await self._settle()
        return await asyncio.gather(*(player.outcome() for player in self._players))

    async def _settle(self) -> None:
        """Until each player waits for its turn, has ended, or waits for a lock."""
        async with asyncio.timeout(PATIENCE):
            while busy := await self._busy():
                blocked = await (await self._observer.execute(BLOCKED, [[player.pid for player in busy]])).fetchall()
                if len(blocked) == len(busy):
                    return

    async def _busy(self) -> list[Player]:
        """Those that are not settled after a moment."""
        self._on_change.clear()
        busy = [player for player in self._players if not player.is_settled]
        if busy:
            with suppress(TimeoutError):
                async with asyncio.timeout(A_MOMENT):
                    await self._on_change.wait()
        return [player for player in self._players if not player.is_settled]


def merges(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order of `counts[i]` turns of each i."""
    if not any(counts):
        yield ()
    for number, count in enumerate(counts):
        if count:
            for rest in merges((*counts[:number], count - 1, *counts[number + 1 :])):
                yield (number, *rest)
