"""Connections of transactional handlers: as clean for the next run as a new one."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pgcron_workers.session import BACKEND_PID, CONNECT_TIMEOUT, KEEPALIVE

APPLICATION = "pgcron handler"


class AsyncHandlerConnection(psycopg.AsyncConnection[Any]):
    """is_pooled: behind a transaction pooler, where each transaction may be on another backend."""

    is_pooled = False


class HandlerConnection(psycopg.Connection[Any]):
    """is_pooled: behind a transaction pooler, where each transaction may be on another backend."""

    is_pooled = False


class Pools:
    """Connections of transactional handlers: opened when the first one runs, reset after each run."""

    def __init__(self, database_url: str, size: int) -> None:
        self._url = database_url
        self._size = size
        self._async: AsyncConnectionPool[AsyncHandlerConnection] | None = None
        self._sync: ConnectionPool[HandlerConnection] | None = None
        self._lock = threading.Lock()

    async def async_(self) -> AsyncConnectionPool[AsyncHandlerConnection]:
        if self._async is None:
            self._async = AsyncConnectionPool(
                self._url, connection_class=AsyncHandlerConnection, min_size=0, max_size=self._size, open=False, kwargs=_CONNECTION,
                reset=_reset_async, configure=_configure_async, timeout=30, max_idle=60, check=AsyncConnectionPool.check_connection,
            )  # fmt: skip
            await self._async.open()
        return self._async

    def sync(self) -> ConnectionPool[HandlerConnection]:
        with self._lock:
            if self._sync is None:
                self._sync = ConnectionPool(
                    self._url, connection_class=HandlerConnection, min_size=0, max_size=self._size, open=True, kwargs=_CONNECTION,
                    reset=_reset_sync, configure=_configure_sync, timeout=30, max_idle=60, check=ConnectionPool.check_connection,
                )  # fmt: skip
            return self._sync

    async def close_async(self) -> None:
        """Before the event loop ends on which they were opened."""
        pool, self._async = self._async, None
        if pool is not None:
            await pool.close()


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
