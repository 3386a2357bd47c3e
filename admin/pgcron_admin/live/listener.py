"""The LISTEN connection of this process: one, kept alive, asked whether it still hears, made anew when it broke.

What it hears are hints: a definition, the kill switch or a request changed. Whoever wants to know what changed looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable

import psycopg
import structlog
from psycopg import sql

from pgcron_admin.database import CONNECT_TIMEOUT_S, TCP

CHANNEL = "pgcron"
PROBE_EVERY_S = 5.0
SEND_WITHIN_S = 3.0
BACK_OFF_S = (0.5, 10.0)
POOLED_AGAIN_S = 300.0

log = structlog.get_logger("pgcron.admin")

Hint = Callable[[str], None]


class Listener:
    """heard: counts hints, and each beginning and end of listening. is_listening: whether hints come at all."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._probe_channel = f"pgcron_admin_{secrets.token_hex(8)}"
        self._task: asyncio.Task[None] | None = None
        self._on_hint: list[Hint] = []
        self._on_change: list[Callable[[], None]] = []
        self.is_listening = False
        self.heard = 0

    def start(self) -> None:
        """At its first use, as the pool: the host of the application may never say that it starts."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="pgcron listener")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def tell(self, *, hint: Hint | None = None, change: Callable[[], None] | None = None) -> None:
        """hint: called with the payload of each. change: called when it begins or ceases to hear; what was said before is not known."""
        if hint is not None:
            self._on_hint.append(hint)
        if change is not None:
            self._on_change.append(change)

    async def _run(self) -> None:
        wait = BACK_OFF_S[0]
        while True:
            began = time.monotonic()
            try:
                await self._listen()
                wait = POOLED_AGAIN_S
            except (psycopg.Error, OSError, TimeoutError) as error:
                if time.monotonic() - began > BACK_OFF_S[1]:
                    wait = BACK_OFF_S[0]
                log.warning("not_listening", error=str(error).strip().splitlines()[:1], again_in=round(wait, 1))
            finally:
                self._set(is_listening=False)
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, BACK_OFF_S[1])

    def _set(self, *, is_listening: bool) -> None:
        if self.is_listening != is_listening:
            self.heard += 1
            self.is_listening = is_listening
            for change in self._on_change:
                change()

    async def _listen(self) -> None:
        """Until it breaks. Returns when it can't work at all: behind a transaction pooler."""
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name="pgcron admin listen", connect_timeout=CONNECT_TIMEOUT_S,
            prepare_threshold=None, **TCP,
        )  # fmt: skip
        async with connection:
            if await _is_pooled(connection):
                log.warning(
                    "behind_a_pooler", effect="changes are seen within half a second, and lists are not cached",
                    hint="give the admin a direct connection",
                )  # fmt: skip
                return
            for channel in (CHANNEL, self._probe_channel):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            log.info("listening")
            self._set(is_listening=True)
            while True:
                await self._probe(connection)

    async def _probe(self, connection: psycopg.AsyncConnection) -> None:
        """Hears for a while. Raises TimeoutError when the connection looks alive, and yet not even its own hint comes."""
        async with asyncio.timeout(SEND_WITHIN_S):
            await connection.execute(sql.SQL("NOTIFY {}").format(sql.Identifier(self._probe_channel)))
        came = False
        async for notification in connection.notifies(timeout=PROBE_EVERY_S):
            if notification.channel == self._probe_channel:
                came = True
                continue
            self.heard += 1
            for hint in self._on_hint:
                hint(notification.payload)
        if not came:
            raise TimeoutError(f"a notification to itself did not come within {PROBE_EVERY_S:g} s")


async def _is_pooled(connection: psycopg.AsyncConnection) -> bool:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return row is None or row[0] != connection.info.backend_pid
