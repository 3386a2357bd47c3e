"""A small TCP proxy before PostgreSQL that can fall silent, cut, or swallow the reply to a statement."""

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
        self.port = 0
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started, port), daemon=True)
        self._thread.start()
        started.wait(10)

    def _run(self, started: threading.Event, port: int) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", port))
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    def swallow_reply_to(self, statement: bytes) -> None:
        """The next client that sends `statement` gets no reply, and its connection is cut once the server has answered."""
        self._sprung.clear()
        self._trap = statement

    def has_swallowed(self, seconds: float) -> bool:
        return self._sprung.wait(seconds)

    def cut_all(self) -> None:
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._writers)])

    def fall_silent(self, silent: bool = True) -> None:
        """Half-open: connections stay, nothing passes."""
        self._silent = silent

    def close(self) -> None:
        self.cut_all()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._socket_path)
        except OSError:
            writer.close()
            return
        swallowing = asyncio.Event()
        self._writers |= {writer, server_writer}
        try:
            await asyncio.wait(
                {
                    asyncio.ensure_future(self._forward(reader, server_writer, swallowing)),
                    asyncio.ensure_future(self._back(server_reader, writer, swallowing)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
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
                await self._while_silent()
                if swallowing.is_set():
                    self._sprung.set()  # the server has done it, the client will never know
                    return
                writer.write(data)
                await writer.drain()

    async def _while_silent(self) -> None:
        while self._silent:  # noqa: ASYNC110 - another thread says when it is over
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
