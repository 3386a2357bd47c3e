"""Connections of transactional handlers: as clean for the next run as a new one."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from pgcron_workers.session import CONNECT_TIMEOUT, KEEPALIVE


class Pools:
    """Connections of transactional handlers: opened when the first one runs, reset after each run."""

    def __init__(self, database_url: str, size: int) -> None:
        self._url = database_url
        self._size = size
        self._async: AsyncConnectionPool[Any] | None = None
        self._sync: ConnectionPool[Any] | None = None
        self._lock = threading.Lock()

    async def async_(self) -> AsyncConnectionPool[Any]:
        if self._async is None:
            self._async = AsyncConnectionPool(
                self._url, min_size=0, max_size=self._size, open=False, kwargs=_CONNECTION, reset=_reset_async, configure=_configure_async, timeout=30,
                max_idle=60, check=AsyncConnectionPool.check_connection,
            )  # fmt: skip
            await self._async.open()
        return self._async

    def sync(self) -> ConnectionPool[Any]:
        with self._lock:
            if self._sync is None:
                self._sync = ConnectionPool(
                    self._url, min_size=0, max_size=self._size, open=True, kwargs=_CONNECTION, reset=_reset_sync, configure=_configure_sync, timeout=30,
                    max_idle=60, check=ConnectionPool.check_connection,
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
    "autocommit": True, "application_name": "pgcron handler", "prepare_threshold": None, "connect_timeout": CONNECT_TIMEOUT,
    **KEEPALIVE,
}  # fmt: skip


# DISCARD ALL but for the plans, which are ours: planning the finish anew for each run would cost more than the run.
CLEAN = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); "
    "DISCARD TEMP; DISCARD SEQUENCES"
)


async def _configure_async(connection: psycopg.AsyncConnection[Any]) -> None:
    connection.prepared_max = 0  # what a handler prepares on purpose is deallocated at once


def _configure_sync(connection: psycopg.Connection[Any]) -> None:
    connection.prepared_max = 0


async def _reset_async(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute(CLEAN)


def _reset_sync(connection: psycopg.Connection[Any]) -> None:
    connection.execute(CLEAN)
