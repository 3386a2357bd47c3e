"""Connections of transactional handlers: as clean for the next run as a new one."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed, PoolTimeout

from pgcron_workers.session import BACKEND_PID, CONNECT_TIMEOUT, KEEPALIVE

APPLICATION = "pgcron handler"
WAIT = 30.0  # seconds, for a connection


class AsyncHandlerConnection(psycopg.AsyncConnection[Any]):
    """is_pooled: behind a transaction pooler, where each transaction may be on another backend."""

    is_pooled = False


class HandlerConnection(psycopg.Connection[Any]):
    """is_pooled: behind a transaction pooler, where each transaction may be on another backend."""

    is_pooled = False


AsyncPool: TypeAlias = AsyncConnectionPool[AsyncHandlerConnection]
SyncPool: TypeAlias = ConnectionPool[HandlerConnection]


class Pools:
    """Connections of transactional handlers: opened when the first one runs, reset after each run.

    A pool with one broken connection is given up as a whole: after a restart of the server all of them are, and the library would
    try one after the other, each time after twice as long a wait."""

    def __init__(self, database_url: str, size: int) -> None:
        self._url = database_url
        self._size = size
        self._async: AsyncPool | None = None
        self._sync: SyncPool | None = None
        self._lock = threading.Lock()

    @contextlib.asynccontextmanager
    async def connection_async(self) -> AsyncIterator[AsyncHandlerConnection]:
        """Raises PoolTimeout when there is none within WAIT seconds."""
        pool, connection = await self._sound_async(time.monotonic() + WAIT)
        try:
            yield connection
        finally:
            await pool.putconn(connection)

    @contextlib.contextmanager
    def connection(self) -> Iterator[HandlerConnection]:
        """Raises PoolTimeout when there is none within WAIT seconds."""
        pool, connection = self._sound(time.monotonic() + WAIT)
        try:
            yield connection
        finally:
            pool.putconn(connection)

    async def _sound_async(self, deadline: float) -> tuple[AsyncPool, AsyncHandlerConnection]:
        while True:
            pool = await self._open_async()
            try:
                connection = await pool.getconn(deadline - time.monotonic())
            except PoolClosed:  # somebody else gave it up
                continue
            except PoolTimeout:
                await self._give_up_async(pool)
                raise
            try:
                await pool.check_connection(connection)
            except psycopg.Error:
                await pool.putconn(connection)
                await self._give_up_async(pool)
            except BaseException:
                await pool.putconn(connection)
                raise
            else:
                return pool, connection

    def _sound(self, deadline: float) -> tuple[SyncPool, HandlerConnection]:
        while True:
            pool = self._open()
            try:
                connection = pool.getconn(deadline - time.monotonic())
            except PoolClosed:
                continue
            except PoolTimeout:
                self._give_up(pool)
                raise
            try:
                pool.check_connection(connection)
            except psycopg.Error:
                pool.putconn(connection)
                self._give_up(pool)
            except BaseException:
                pool.putconn(connection)
                raise
            else:
                return pool, connection

    async def _open_async(self) -> AsyncPool:
        if self._async is None:
            self._async = AsyncConnectionPool(
                self._url, connection_class=AsyncHandlerConnection, min_size=0, max_size=self._size, open=False, kwargs=_CONNECTION,
                reset=_reset_async, configure=_configure_async, max_idle=60,
            )  # fmt: skip
            await self._async.open()
        return self._async

    def _open(self) -> SyncPool:
        with self._lock:
            if self._sync is None:
                self._sync = ConnectionPool(
                    self._url, connection_class=HandlerConnection, min_size=0, max_size=self._size, open=True, kwargs=_CONNECTION,
                    reset=_reset_sync, configure=_configure_sync, max_idle=60,
                )  # fmt: skip
            return self._sync

    async def _give_up_async(self, pool: AsyncPool) -> None:
        if self._async is pool:
            self._async = None
        await pool.close(timeout=0)

    def _give_up(self, pool: SyncPool) -> None:
        with self._lock:
            if self._sync is pool:
                self._sync = None
        pool.close(timeout=0)

    async def close_async(self) -> None:
        """Before the event loop ends on which they were opened."""
        pool, self._async = self._async, None
        if pool is not None:
            await pool.close()

    def close(self) -> None:
        """What its threads were lent is closed when they return it."""
        with self._lock:
            pool, self._sync = self._sync, None
        if pool is not None:
            pool.close()


# Autocommit: BEGIN and COMMIT are sent by the guard, word for word, so that nothing else begins or ends a transaction.
# Nothing stays prepared: the reset between runs would take it away behind psycopg's back.
# A peer that is gone without a word is noticed as on the worker's own connections: else such a run would wait for hours.
_CONNECTION: dict[str, Any] = {
    "autocommit": True, "application_name": APPLICATION, "prepare_threshold": None, "connect_timeout": CONNECT_TIMEOUT,
    **KEEPALIVE,
}  # fmt: skip


_CLEAN_ALWAYS = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); "
    "DISCARD TEMP; DISCARD SEQUENCES"
)
# DISCARD ALL but for the plans, which are ours: planning the finish anew for each run would cost more than the run.
CLEAN = f"{_CLEAN_ALWAYS}; DEALLOCATE ALL"
# Behind a pooler the backend is somebody else's as soon as a transaction ends, so this is done in one that is chained to it.
# Prepared statements may be the pooler's own. RESET ALL gave the session the name of whoever the backend was opened for.
CLEAN_BEHIND_A_POOLER = f"{_CLEAN_ALWAYS}; SET application_name = '{APPLICATION}'; COMMIT"


async def commit_async(connection: AsyncHandlerConnection) -> None:
    if not connection.is_pooled:
        await connection.execute("COMMIT")
        return
    await connection.execute("COMMIT AND CHAIN")
    with contextlib.suppress(psycopg.Error):  # what counts is committed
        await connection.execute(CLEAN_BEHIND_A_POOLER)


def commit(connection: HandlerConnection) -> None:
    if not connection.is_pooled:
        connection.execute("COMMIT")
        return
    connection.execute("COMMIT AND CHAIN")
    with contextlib.suppress(psycopg.Error):
        connection.execute(CLEAN_BEHIND_A_POOLER)


async def roll_back_async(connection: AsyncHandlerConnection) -> None:
    if connection.closed:
        return
    if _can_chain(connection):
        await connection.execute("ROLLBACK AND CHAIN")
        await connection.execute(CLEAN_BEHIND_A_POOLER)
    else:
        await connection.rollback()


def roll_back(connection: HandlerConnection) -> None:
    if connection.closed:
        return
    if _can_chain(connection):
        connection.execute("ROLLBACK AND CHAIN")
        connection.execute(CLEAN_BEHIND_A_POOLER)
    else:
        connection.rollback()


def _can_chain(connection: AsyncHandlerConnection | HandlerConnection) -> bool:
    status = connection.info.transaction_status
    return connection.is_pooled and status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)


async def _configure_async(connection: AsyncHandlerConnection) -> None:
    connection.prepared_max = 0  # what a handler prepares on purpose is deallocated at once
    row = await (await connection.execute(BACKEND_PID)).fetchone()
    connection.is_pooled = row is not None and row[0] != connection.info.backend_pid


def _configure_sync(connection: HandlerConnection) -> None:
    connection.prepared_max = 0
    row = connection.execute(BACKEND_PID).fetchone()
    connection.is_pooled = row is not None and row[0] != connection.info.backend_pid


async def _reset_async(connection: AsyncHandlerConnection) -> None:
    if not connection.is_pooled:
        await connection.execute(CLEAN)


def _reset_sync(connection: HandlerConnection) -> None:
    if not connection.is_pooled:
        connection.execute(CLEAN)
