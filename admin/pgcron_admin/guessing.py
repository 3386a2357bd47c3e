"""What makes guessing passwords slow: a throttle in the database, and Argon2id apart from the event loop.

The throttle is asked, and its answer committed, before a password is looked at: attempts at once through many processes
are counted one by one. It slows down and never locks out (sql/functions/web_v01.sql says how much).
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NewType, TypeVar

from pgcron_admin.database import Database
from pgcron_admin.metrics import Metrics
from pgcron_admin.principal import Principal
from pgcron_py.app import passwords
from pgcron_py.errors import TooManyRequests

T = TypeVar("T")
Key = NewType("Key", bytes)

AT_ONCE = 2  # a verification takes 64 MiB and a core for 100 ms
WAITING = 32
BEGIN = "SELECT pgcron.begin_sign_in(%(address)s, %(account)s) AS wait"
END = "SELECT pgcron.end_sign_in(%(address)s, %(account)s)"


class Throttle:
    """key: what account names and addresses are hashed with."""

    def __init__(self, database: Database, key: bytes, metrics: Metrics) -> None:
        self._database, self._key, self._metrics = database, key, metrics

    async def begin(self, principal: Principal, account: str) -> None:
        """Counts an attempt. Raises TooManyRequests when it has to wait."""
        async with self._database.transaction(principal) as connection:
            row = await (await connection.execute(BEGIN, self._params(principal, account))).fetchone()
        wait = int(row["wait"]) if row else 0
        if wait > 0:
            self._metrics.sign_in("throttled")
            raise TooManyRequests("too many attempts to sign in", retry_after=wait)

    async def end(self, principal: Principal, account: str) -> None:
        """The attempt was good."""
        async with self._database.transaction(principal) as connection:
            await connection.execute(END, self._params(principal, account))

    def _params(self, principal: Principal, account: str) -> dict[str, Key]:
        return {
            "address": self._hashed(f"address {_network(principal.address)}"),
            "account": self._hashed(f"account {account}"),
        }

    def _hashed(self, text: str) -> Key:
        return Key(hmac.digest(self._key, text.encode(), "sha256"))


def _network(address: str | None) -> str:
    """An IPv6 client has a /64 of addresses."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Passwords:
    """Verifies in threads of its own, few at a time; for an unknown user a hash that nobody has."""

    def __init__(self, metrics: Metrics) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._metrics = metrics
        self._waiting = 0
        self._dummy: str | None = None

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """False for no hash, after as much work. Raises TooManyRequests."""
        if self._dummy is None:
            self._dummy = await self.hashed("a password of nobody")
        self._metrics.password_verified()
        right = await self._threaded(passwords.is_right, password_hash or self._dummy, password)
        return right and password_hash is not None

    async def hashed(self, password: str) -> str:
        return await self._threaded(passwords.hashed, password)

    async def _threaded(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= WAITING:
            raise TooManyRequests("too many passwords wait to be looked at", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
