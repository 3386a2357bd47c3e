"""The process's connections to the database: one pool, every statement limited, every use with a deadline.

    async with database.read() as connection:                                        # a read-only transaction
        rows = await (await connection.execute(QUERY, params)).fetchall()
    async with database.transaction(principal, reason=body.reason) as connection:    # one that writes, as somebody
        await connection.execute("SELECT pgcron.enable(%(name)s)", …)

Rows are dicts unless a cursor says otherwise. Refusals of SQL and an absent database are raised as our own errors, so
a route needs no `try`: see problems.py for what they answer. A transaction commits when the block ends, and nothing is sent
to a database that is gone twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from os import dup
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from pgcron_admin.principal import Principal
from pgcron_py.app.dsn import checked_url
from pgcron_py.errors import DatabaseUnavailable
from pgcron_py.storage.sqlstates import translated

Connection = psycopg.AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

WAIT_FOR_CONNECTION_S = 2.0
CONNECT_TIMEOUT_S = 2
# A reader waits less than 3 s in all for a database that is gone, silent or slow.
READ_DEADLINE_S, WRITE_DEADLINE_S = 2.5, 6.0
WAITERS = 500

TCP: dict[str, Any] = {
    "keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 3000,
}  # fmt: skip
# Local to the transaction: a pooler may give the next one to somebody else. One message, so one round trip.
BEGIN_READ: LiteralString = (
    "BEGIN READ ONLY; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '2s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL TimeZone = 'UTC'"
)
LONGER: LiteralString = "SELECT set_config('statement_timeout', %(limit)s, true)"
BEGIN_WRITE: LiteralString = (
    "BEGIN; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '5s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'postgres'; "
    # What the pooler's last client may have left.
    "SET LOCAL pgcron.silent = ''; SET LOCAL pgcron.declaring = ''; SET LOCAL pgcron.rehash = ''"
)
ACT_AS: LiteralString = """
SELECT pgcron.act_as(%(actor)s, %(reason)s, %(request_id)s, %(address)s), set_config('application_name', %(application)s, true)
"""


class Database:
    """url: a libpq URL. The database needn't be up yet; the pool opens at its first use and follows outages by itself.

    written: transactions of this process that may have changed something.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = checked_url(url)
        self.written = 0
        self.pool: Pool = AsyncConnectionPool(
            self.url,
            kwargs={
                "autocommit": True, "application_name": "pgcron admin", "connect_timeout": CONNECT_TIMEOUT_S,
                "row_factory": dict_row, **TCP,
            },
            min_size=0, max_size=pool_size, max_waiting=WAITERS, timeout=WAIT_FOR_CONNECTION_S,
            # Short: after an outage the next request connects at once, instead of a back-off that grew meanwhile.
            reconnect_timeout=1.0, configure=_configured, open=False, name="pgcron admin",
        )  # fmt: skip

    async def close(self) -> None:
        await self.pool.close()

    @asynccontextmanager
    async def read(self, seconds: int | None = None) -> AsyncIterator[Connection]:
        """A read-only transaction. Raises DatabaseUnavailable within 3 s, and our errors for refusals.

        seconds: for the few questions that nobody expects to be answered at once.
        """
        async with self._begun(BEGIN_READ, READ_DEADLINE_S if seconds is None else seconds + 0.5) as connection:
            if seconds is not None:
                await connection.execute(LONGER, {"limit": f"{seconds}s"})
            yield connection

    @asynccontextmanager
    async def transaction(
        self, principal: Principal, *, reason: str | None = None, request_id: str | None = None
    ) -> AsyncIterator[Connection]:
        """A transaction that writes; the audit names `principal`, and why. Raises as `read` does."""
        try:
            async with self._begun(BEGIN_WRITE, WRITE_DEADLINE_S) as connection:
                await act_as(connection, principal, reason, request_id or principal.request_id)
                yield connection
        finally:
            self.written += 1

    @asynccontextmanager
    async def _begun(self, begin: LiteralString, deadline: float) -> AsyncIterator[Connection]:
        until = asyncio.get_running_loop().time() + deadline
        try:
            connection = await self._taken(begin, until)
            try:
                with _cut_at(connection, until):
                    yield connection
                    await connection.execute("COMMIT")
            except BaseException:
                with _cut_at(connection, asyncio.get_running_loop().time() + 1.0), contextlib.suppress(psycopg.Error):
                    await connection.rollback()
                raise
            finally:
                await self.pool.putconn(connection)  # drops what is broken
        except psycopg.Error as error:
            ours = translated(error)
            if ours is None:
                raise
            raise ours from error

    async def _taken(self, begin: LiteralString, until: float) -> Connection:
        """A connection inside its transaction: one that broke while it waited in the pool is left for the next."""
        if self.pool.closed:
            await self._opened()
        while True:
            connection = await self.pool.getconn()
            try:
                with _cut_at(connection, until):
                    await connection.execute(begin, prepare=False)
            except BaseException as error:
                await self.pool.putconn(connection)
                is_over = asyncio.get_running_loop().time() >= until
                if isinstance(error, psycopg.OperationalError) and connection.broken and not is_over:
                    continue
                raise
            return connection

    async def _opened(self) -> None:
        try:
            await self.pool.open()
        except psycopg.OperationalError as error:  # closed for good: the process ends
            raise DatabaseUnavailable("the admin is shutting down") from error


async def act_as(connection: Connection, principal: Principal, reason: str | None, request_id: str) -> None:
    """Says who acts in this transaction, for the audit."""
    params = {
        "actor": principal.actor, "reason": reason, "request_id": request_id, "address": principal.address,
        "application": f"pgcron admin {principal.means}".strip(),
    }  # fmt: skip
    await connection.execute(ACT_AS, params)


async def _configured(connection: Connection) -> None:
    cursor = await connection.execute("SELECT pg_backend_pid() AS pid", prepare=False)
    row = await cursor.fetchone()
    if row is not None and row["pid"] != connection.info.backend_pid:
        connection.prepare_threshold = None  # behind a pooler the next transaction may be on another backend


@contextlib.contextmanager
def _cut_at(connection: Connection, when: float) -> Iterator[None]:
    """Ends a silent connection at the socket: libpq's own cancel would wait for the same silent server."""
    timer = asyncio.get_running_loop().call_at(when, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=dup(connection.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)
