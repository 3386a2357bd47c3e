"""A small TCP proxy before PostgreSQL that can fall silent, cut, stall, or lose a statement or its reply."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit


class Proxy:
    """Between clients and the server's socket. trap: bytes in a client's message after which nothing is passed back."""

    def __init__(self, socket_path: str, port: int = 0) -> None:
        self._socket_path = socket_path
        self._loop = asyncio.new_event_loop()
        self._trap: bytes | None = None
        self._sprung = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._silent = False
        self._stalled = False
        self._cut_at: bytes | None = None
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started, port), daemon=True)
        self._thread.start()
        started.wait(10)

    def _run(self, started: threading.Event, port: int) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", port))
        self.port = self._server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    def swallow_reply_to(self, statement: bytes) -> None:
        """The next client that sends `statement` gets no reply, and its connection is cut once the server has answered."""
        self._sprung.clear()
        self._trap = statement

    def cut_at(self, statement: bytes) -> None:
        """The next client that sends `statement` is cut off, and the server never sees it."""
        self._cut_at = statement

    def has_swallowed(self, seconds: float) -> bool:
        return self._sprung.wait(seconds)

    def cut_all(self) -> None:
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._writers)])

    def fall_silent(self, silent: bool = True) -> None:
        """Half-open: connections stay, nothing passes."""
        self._silent = silent

    def stall_replies(self, stalled: bool = True) -> None:
        """Half-open the other way: the server hears, and its answers don't arrive."""
        self._stalled = stalled

    def calm(self) -> None:
        """No fault is left, nor waiting."""
        self._silent = self._stalled = False
        self._trap = self._cut_at = None

    def close(self) -> None:
        self.cut_all()
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _ended(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=3)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        except OSError:
            writer.close()
            return
        swallowing = asyncio.Event()
        self._writers |= {writer, server_writer}
        both = {
            asyncio.ensure_future(self._forward(reader, server_writer, swallowing)),
            asyncio.ensure_future(self._back(server_reader, writer, swallowing)),
        }
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the end of the proxy
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            self._writers -= {writer, server_writer}
            for it in (writer, server_writer):
                with contextlib.suppress(OSError):
                    it.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowing: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._while_silent()
                if self._cut_at is not None and self._cut_at in data:
                    self._cut_at = None
                    return
                if self._trap is not None and self._trap in data:
                    self._trap = None
                    swallowing.set()
                writer.write(data)
                await writer.drain()

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowing: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._while_silent(replies=True)
                if swallowing.is_set():
                    self._sprung.set()  # the server has done it, the client will never know
                    return
                writer.write(data)
                await writer.drain()

    async def _while_silent(self, replies: bool = False) -> None:
        while self._silent or (replies and self._stalled):  # noqa: ASYNC110 - another thread says when it is over
            await asyncio.sleep(0.02)


def socket_of(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    return f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"


@contextlib.contextmanager
def proxied(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of a `…?host=/socket/dir&port=N` URL, and the URL through it."""
    parts = urlsplit(url)
    proxy = Proxy(socket_of(url))
    user = parts.netloc.rpartition("@")[0]
    try:
        yield (
            proxy,
            urlunsplit((parts.scheme, f"{user}@127.0.0.1:{proxy.port}", quote(parts.path), "sslmode=disable", "")),
        )
    finally:
        proxy.close()
