"""A server that speaks TLS, before one that doesn't."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from support.proxy import Proxy, socket_of

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out certificate.pem"
)


class TlsProxy(Proxy):
    """encrypted: connections that came by TLS; others are refused."""

    def __init__(self, socket_path: str, folder: Path) -> None:
        subprocess.run(CERTIFICATE.split(), cwd=folder, check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        self.encrypted = 0
        super().__init__(socket_path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                self.encrypted += 1
                await super()._serve(reader, writer)
        writer.close()


@contextlib.contextmanager
def encrypted(url: str, folder: Path) -> Iterator[tuple[TlsProxy, str]]:
    """A proxy before the server of a `…?host=/socket/dir&port=N` URL, and the URL through it, by TLS only."""
    parts, proxy = urlsplit(url), TlsProxy(socket_of(url), folder)
    user = parts.netloc.rpartition("@")[0]
    options = "sslmode=require&gssencmode=disable"
    try:
        yield proxy, urlunsplit((parts.scheme, f"{user}@127.0.0.1:{proxy.port}", quote(parts.path), options, ""))
    finally:
        proxy.close()
