"""One database connection for one duty: opened when needed, given up after any doubt, with a deadline on every use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.types.json import set_json_loads

from pgcron_py.errors import DatabaseIsReadOnly, PgCronError

if TYPE_CHECKING:  # executors import this module, and log nothing
    from structlog.typing import FilteringBoundLogger

T = TypeVar("T")
Connection = psycopg.AsyncConnection[Any]
Use = Callable[[Connection], Awaitable[None]]

CONNECT_TIMEOUT = 5  # seconds
CONNECT_SPARE = 3  # seconds, for names and the first statements
DEADLINE = 8.0  # seconds: longer than every statement limit of ours, so it is only for a network that says nothing

KEEPALIVE: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
BACKEND_PID = "SELECT pg_backend_pid()"
"""Behind a pooler it differs from what the client was told when it connected."""

# Generic plans: each hot statement has one good plan, and planning it five times more would cost more than running it.
LIMITS = (
    "SET lock_timeout = '1s'; SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; "
    "SET pgcron.silent = 'on'; SET plan_cache_mode = 'force_generic_plan'; SET jit = off"
)


class DatabaseAway(Exception):
    """The database can't be reached, or a connection to it broke: try again later."""


class DatabaseWatch:
    """Says once when the database goes away, and once when it is back."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._away: set[str] = set()
        self.is_pooled = False

    @property
    def is_away(self) -> bool:
        return bool(self._away)

    def away(self, duty: str, error: BaseException) -> None:
        if not self._away:
            lines = str(error).strip().splitlines()
            hint = {"hint": error.hint} if isinstance(error, PgCronError) else {}
            self._log.warning("database_away", duty=duty, error=lines[0] if lines else type(error).__name__, **hint)
        self._away.add(duty)

    def back(self, duty: str) -> None:
        if duty in self._away:
            self._away.discard(duty)
            if not self._away:
                self._log.info("database_back")


class Session:
    """The connection of one duty. Not for concurrent use. warm_up: prepares the duty's statements on a new connection."""

    def __init__(self, url: str, duty: str, watch: DatabaseWatch, warm_up: Use | None = None) -> None:
        self._url = url
        self._duty = duty
        self._watch = watch
        self._warm_up = warm_up
        self._connection: Connection | None = None
        self._uses, self._replan_at = 0, 2
        self._attempts = attempts_of(url)

    async def run(self, use: Callable[[Connection], Awaitable[T]], deadline: float = DEADLINE) -> T:
        """use(connection) within `deadline` seconds. Raises DatabaseAway when the connection breaks or stays silent;
        other database errors go through, after a rollback."""
        connection = await self.connected()
        self._uses += 1
        is_overdue = self._uses >= 8 * self._replan_at  # never at rest: then in the middle of the work
        task = asyncio.ensure_future(self._planned_anew(connection, use) if is_overdue else use(connection))
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline)
            if not done:
                _cut(connection)
                await asyncio.wait({task}, timeout=2)
                task.cancel()
                raise DatabaseAway(f"no answer within {deadline:g} s")
            result = task.result()
        except asyncio.CancelledError:
            task.cancel()
            await self.close()
            raise
        except DatabaseAway as error:
            await self._given_up(error)
            raise
        except ReadOnlySqlTransaction as error:
            await self._given_up(error)
            raise DatabaseAway(str(error)) from error
        except psycopg.Error as error:
            if connection.broken or connection.closed or isinstance(error, psycopg.InterfaceError):
                await self._given_up(error)
                raise DatabaseAway(str(error)) from error
            await self._rolled_back(connection)
            raise
        self._watch.back(self._duty)
        return result

    async def rest(self, connection: Connection) -> None:
        """A use of the connection when its duty has nothing to do: makes old plans anew (see _planned_anew)."""
        self._uses -= 1  # a round that only rests is none: who idles for hours has nothing to plan anew
        if self._uses >= self._replan_at:
            await self._planned_anew(connection, self._warm_up or _nothing)

    async def _planned_anew(self, connection: Connection, use: Callable[[Connection], Awaitable[T]]) -> T:
        """After 2, 4, 8, … uses: a plan made while the tables were empty must not outlive their growth. To plan takes as long as
        to claim a batch, so it is done between the uses if there is a between."""
        while self._replan_at <= self._uses:
            self._replan_at *= 2
        await connection.execute("DISCARD PLANS", prepare=False)
        return await use(connection)

    async def connected(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            async with asyncio.timeout(self._attempts * CONNECT_TIMEOUT + CONNECT_SPARE):
                self._connection = await self._connect()
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self._given_up(error)
            raise DatabaseAway(str(error)) from error
        return self._connection

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            application_name=f"pgcron worker {self._duty}",
            **KEEPALIVE,
        )
        set_json_loads(loads, connection)
        try:
            cursor = await connection.execute(BACKEND_PID, prepare=False)
            row = await cursor.fetchone()
            if row is not None and row[0] != connection.info.backend_pid:
                self._watch.is_pooled = True
                connection.prepare_threshold = None  # the next transaction may be on another backend
            else:
                await connection.execute(LIMITS, prepare=False)
                connection.prepare_threshold = 0
            if self._warm_up is not None:
                await self._warmed_up(connection, self._warm_up)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _warmed_up(self, connection: Connection, warm_up: Use) -> None:
        """Without the schema there is nothing to prepare: whoever uses the connection will say so."""
        try:
            await warm_up(connection)
        except psycopg.ProgrammingError:
            await connection.rollback()

    async def _given_up(self, error: BaseException) -> None:
        # A standby, or what was the primary: the next connection may find the one that is it now.
        self._watch.away(self._duty, DatabaseIsReadOnly() if isinstance(error, ReadOnlySqlTransaction) else error)
        await self.close()

    async def _rolled_back(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(2):
                await connection.rollback()
        except (psycopg.Error, TimeoutError):
            await self.close()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


async def _nothing(connection: Connection) -> None:
    """No statements to prepare."""


def loads(data: str | bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:  # what only Python's reader takes: numbers beyond a float
        return json.loads(data)


def attempts_of(url: str) -> int:
    """How many addresses a URL names: each may keep silent for as long as a connection may take."""
    params = conninfo_to_dict(url)
    hosts = str(params.get("host") or params.get("hostaddr") or os.environ.get("PGHOST", ""))
    preferring = 2 if params.get("target_session_attrs") == "prefer-standby" else 1
    return preferring * (hosts.count(",") + 1)


def _cut(connection: Connection) -> None:
    """Ends a silent connection at the socket: libpq's own cancel would wait for the same silent server."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)
