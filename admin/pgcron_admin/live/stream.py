"""One open stream: what waits to be sent to it, where it stands in the output of runs, and how it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from pgcron_admin.database import Database
from pgcron_admin.live.events import PING, End, EndReason, Lines, event_of
from pgcron_admin.live.output import catch_up, event_id_of
from pgcron_admin.live.topics import Topic
from pgcron_py.errors import PgCronError

HEARTBEAT_S = 15.0
CHECK_EVERY_S = 30.0
CHECK_AGAIN_S = 5.0
BACKLOG_MESSAGES = 200
BACKLOG_BYTES = 1_048_576
GRACE_S = 1.0
RETRY_MS = 2000

ENDS: dict[EndReason, End] = {
    "shutdown": End(reason="shutdown", message="the admin is shutting down", come_back=True),
    "slow": End(reason="slow", message="this client reads more slowly than there is news", come_back=True),
    "unavailable": End(reason="unavailable", message="the database did not answer", come_back=True),
    "signed_out": End(reason="signed_out", message="the session or token has ended", come_back=False),
    "not_permitted": End(reason="not_permitted", message="the permission cron.view is gone", come_back=False),
}

Check = Callable[[], Awaitable[EndReason | None]]


class Stream:
    """topics: what it follows. positions: up to which line of each run it was sent. abort: cuts its connection, where that can be done."""

    def __init__(
        self, topics: frozenset[Topic], positions: dict[UUID, int], abort: Callable[[], None] | None = None
    ) -> None:
        self.topics, self.positions = topics, positions
        self.needs_whole = True
        self.ended: EndReason | None = None
        self._abort = abort
        self._backlog: deque[bytes | Lines] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._cut: asyncio.TimerHandle | None = None

    def give(self, message: bytes | Lines) -> None:
        """Never waits: who can't keep up is sent away."""
        if self.ended is not None:
            return
        size = len(message)
        if len(self._backlog) >= BACKLOG_MESSAGES or (self._backlog and self._bytes + size > BACKLOG_BYTES):
            self.end("slow")
            return
        self._backlog.append(message)
        self._bytes += size
        self._wake()

    def end(self, reason: EndReason) -> None:
        """Soon: what waits is dropped, and a connection that takes nothing more is cut."""
        if self.ended is None:
            self.ended = reason
            self._backlog.clear()
            if self._abort is not None:
                self._cut = asyncio.get_running_loop().call_later(GRACE_S, self._abort)
            self._wake()

    def closed(self) -> None:
        if self._cut is not None:
            self._cut.cancel()

    async def next(self, seconds: float) -> bytes | Lines | None:
        """None when nothing came for so long, or when it ended."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._backlog and self.ended is None and (left := until - loop.time()) > 0:
            self._waiter = loop.create_future()
            timer = loop.call_later(left, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if not self._backlog:
            return None
        message = self._backlog.popleft()
        self._bytes -= len(message)
        return message

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def sent(stream: Stream, database: Database, check: Check) -> AsyncIterator[bytes]:
    """What goes over the wire, until the stream ends. check: why it has to, asked every 30 s."""
    yield f"retry: {RETRY_MS}\n\n".encode()
    loop = asyncio.get_running_loop()
    check_at = loop.time() + CHECK_EVERY_S
    while stream.ended is None:
        message = await stream.next(min(HEARTBEAT_S, max(check_at - loop.time(), 0.0)))
        if isinstance(message, bytes):
            yield message
        elif message is not None:
            async for piece in _lines(stream, database, message):
                yield piece
        elif stream.ended is None:
            yield PING
        if stream.ended is None and loop.time() >= check_at:
            check_at = loop.time() + await _checked(stream, check)
    yield event_of("end", ENDS[stream.ended])


async def _checked(stream: Stream, check: Check) -> float:
    """Seconds until the next check. A database that is away has ended nobody's session."""
    try:
        reason = await check()
    except PgCronError:
        return CHECK_AGAIN_S
    if reason is not None:
        stream.end(reason)
    return CHECK_EVERY_S


async def _lines(stream: Stream, database: Database, lines: Lines) -> AsyncIterator[bytes]:
    """Those that it doesn't have yet. Who is not where they begin reads what lies between: nobody gets a line twice, or never."""
    run, positions = lines.run, stream.positions
    upto = lines.after if positions[run] <= lines.after else lines.upto
    try:
        async for reached, event in catch_up(database, run, positions[run], upto):
            positions[run] = reached
            yield event_id_of(positions) + event
            if stream.ended is not None:
                return
    except PgCronError:
        stream.end("unavailable")  # it comes back, and says how far it got
        return
    positions[run] = max(positions[run], upto)
    if positions[run] == lines.after and lines.event:
        positions[run] = lines.upto
        yield event_id_of(positions) + lines.event
    yield lines.totals
