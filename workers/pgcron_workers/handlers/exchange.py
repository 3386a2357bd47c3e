"""One HTTP request to one address: connected to what was checked, under the name that was asked for, bounded in time and size."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pgcron_workers.handlers.addresses import Address
from pgcron_workers.handlers.urls import PORTS, Url

LOOK_EVERY = 0.05  # seconds
MOST_BODY = 64 * 1024  # bytes of an answer that are read at all


class ExchangeFailed(Exception):
    """No answer, or none that can be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """body: the first MOST_BODY bytes; is_cut: there were more."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """connect: seconds for one connection and its TLS. until: monotonic second at which all of it is over; so it is when
    is_cancelled."""

    connect: float
    until: float
    is_cancelled: Callable[[], bool] = lambda: False

    @property
    def left(self) -> float:
        return self.until - time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.left <= 0 or self.is_cancelled()


class _Pinned(http.client.HTTPConnection):
    """Knows the name for Host and TLS, and the addresses to connect to."""

    def __init__(self, url: Url, addresses: Sequence[Address], limits: Limits, tls: ssl.SSLContext | None) -> None:
        super().__init__(url.host, url.port, timeout=limits.connect)
        self.default_port = PORTS[url.scheme]  # so that Host has no port that goes without saying
        self._addresses, self._limits, self._tls = addresses, limits, tls

    def connect(self) -> None:
        failed: OSError | None = None
        for address in self._addresses:
            try:
                self.sock = self._connected(address)
                return
            except ssl.SSLError:
                raise
            except OSError as error:
                failed = error
        raise failed or ExchangeFailed("no address to connect to")

    def _connected(self, address: Address) -> socket.socket:
        seconds = min(self._limits.connect, self._limits.left)
        if seconds <= 0:
            raise TimeoutError
        sock = socket.create_connection((str(address), self.port), seconds)
        if self._tls is None:
            return sock
        try:
            return self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise


def exchanged(
    method: str,
    url: Url,
    headers: Mapping[str, str],
    body: bytes | None,
    addresses: Sequence[Address],
    limits: Limits,
    tls: ssl.SSLContext | None,
) -> Answer:
    """Raises ExchangeFailed."""
    connection = _Pinned(url, addresses, limits, tls if url.scheme == "https" else None)
    try:
        connection.connect()
        with _cut_in_time(limits, connection.sock):
            connection.sock.settimeout(max(0.001, limits.left))
            connection.request(method, url.target, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read(MOST_BODY + 1)
        if limits.is_over:
            raise TimeoutError  # what was read may be what came before the cut
        return Answer(
            answer.status,
            answer.reason,
            {name.lower(): value for name, value in answer.headers.items()},
            content[:MOST_BODY],
            len(content) > MOST_BODY,
        )
    except ssl.SSLCertVerificationError as error:
        raise ExchangeFailed(f"the certificate of {url.host} is refused: {error.verify_message}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or limits.is_over:
            raise ExchangeFailed("no answer in time") from None
        raise ExchangeFailed(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()


@contextlib.contextmanager
def _cut_in_time(limits: Limits, sock: socket.socket) -> Iterator[None]:
    """An answer that drips never meets a socket's time-out: when the time is over, or somebody cancels, its connection is shut."""
    channel = socket.socket(fileno=os.dup(sock.fileno()))
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_EVERY):
            if limits.is_over:
                with contextlib.suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)
                return

    watcher = threading.Thread(target=watch, daemon=True, name="pgcron-http-time")
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        channel.close()
