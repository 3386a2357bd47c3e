"""The worker's own health: three pages over HTTP, and systemd told the same.

/health/live   503 when the worker can't mend itself: restart it. /health/ready  503 while it takes no runs. /metrics
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Protocol

from pgcron_py.errors import PgCronError
from pgcron_workers.observer import Observer
from pgcron_workers.sd_notify import Notifier
from pgcron_workers.session import DEADLINE
from pgcron_workers.vitals import Vitals

TICK = 1.0  # seconds between looks at oneself
PATIENCE_LEAST = 2 * DEADLINE  # a silent database is known to be away by then
REQUEST_LIMIT = 8192  # bytes
REQUEST_TIME = 5.0  # seconds, from the connection to the last byte of the answer
CONNECTIONS = 32

JSON, TEXT = "application/json", "text/plain; charset=utf-8"


class Observable(Protocol):
    """What a supervisor shows, and to whom it tells its work."""

    def vitals(self) -> Vitals: ...

    def tell(self, observer: Observer) -> None: ...


@dataclass(frozen=True, slots=True)
class Page:
    status: HTTPStatus
    body: bytes
    content_type: str = JSON


class Pulse:
    """Whether the worker can still mend itself: its loop turns, and its lease is not lost while the database answers.

    An outage of the database is no reason to end a worker: it would lose the results that wait to be written.
    """

    def __init__(self, vitals: Callable[[], Vitals], patience: float) -> None:
        self._vitals, self._patience = vitals, patience
        self._well_at = time.monotonic()

    def look(self) -> Vitals:
        vitals = self._vitals()
        if vitals.worker_id is None or vitals.lease_age < 1 or vitals.is_database_away:
            self._well_at = time.monotonic()
        return vitals

    @property
    def unwell_for(self) -> float:
        """Seconds since all was well; a loop that stood still could not look."""
        return time.monotonic() - self._well_at

    @property
    def is_live(self) -> bool:
        return self.unwell_for < self._patience


class Pages:
    """metrics: their text, in the format named beside it."""

    def __init__(self, pulse: Pulse, vitals: Callable[[], Vitals], metrics: Callable[[], tuple[bytes, str]]) -> None:
        self._pulse, self._vitals, self._metrics = pulse, vitals, metrics

    def page(self, path: str) -> Page:
        match path:
            case "/health/live":
                return self._live()
            case "/health/ready":
                return self._ready()
            case "/metrics":
                return Page(HTTPStatus.OK, *self._metrics())
            case _:
                return _plain(HTTPStatus.NOT_FOUND)

    def _live(self) -> Page:
        seconds = self._pulse.unwell_for
        state = "ok" if self._pulse.is_live else f"loop stalled or lease lost for {seconds:.1f} s"
        return _checked({"loop_and_lease": {"ok": self._pulse.is_live, "state": state}})

    def _ready(self) -> Page:
        return _checked({name: asdict(check) for name, check in self._vitals().checks().items()})


def _checked(checks: dict[str, dict[str, object]]) -> Page:
    ok = all(check["ok"] for check in checks.values())
    body = json.dumps({"ok": ok, "checks": checks}).encode() + b"\n"
    return Page(HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE, body)


def _plain(status: HTTPStatus) -> Page:
    return Page(status, f"{status.phrase}\n".encode(), TEXT)


class Server:
    """As much HTTP as probes speak: one GET or HEAD for each connection, bounded in size and time."""

    def __init__(self, page: Callable[[str], Page]) -> None:
        self._page = page
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(REQUEST_TIME):
                await self._answer(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, page = "GET", _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        with suppress(asyncio.LimitOverrunError):
            request = await reader.readuntil(b"\r\n\r\n")
            method, page = self._asked(request)
        writer.write(_head(page) + (b"" if method == "HEAD" else page.body))
        await writer.drain()

    def _asked(self, request: bytes) -> tuple[str, Page]:
        words = request.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return "GET", _plain(HTTPStatus.BAD_REQUEST)
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return method, _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        return method, self._page(target.partition("?")[0])


def _head(page: Page) -> bytes:
    allow = "Allow: GET, HEAD\r\n" if page.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    return (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\nContent-Type: {page.content_type}\r\n"
        f"Content-Length: {len(page.body)}\r\nCache-Control: no-store\r\n{allow}Connection: close\r\n\r\n"
    ).encode()


@asynccontextmanager
async def reported(supervisor: Observable, *, host: str, port: int | None, lease_ttl: float) -> AsyncIterator[None]:
    """Health over HTTP when there is a port, and to systemd when it asks. Raises PgCronError when the port can't be had."""
    notifier = Notifier.from_environment(os.environ)
    if port is None and not notifier.is_wanted:
        yield
        return
    pulse = Pulse(supervisor.vitals, max(lease_ttl, PATIENCE_LEAST))
    server = None if port is None else await _listening(host, port, _pages(supervisor, pulse).page)
    watch = asyncio.create_task(_keep_looking(pulse, notifier), name="health")
    try:
        yield
    finally:
        notifier.stopping()
        watch.cancel()
        if server is not None:
            server.close()


def _pages(supervisor: Observable, pulse: Pulse) -> Pages:
    from pgcron_workers.metrics import CONTENT_TYPE, Metrics

    metrics = Metrics(supervisor.vitals)
    supervisor.tell(metrics)
    return Pages(pulse, supervisor.vitals, lambda: (metrics.text(), CONTENT_TYPE))


async def _listening(host: str, port: int, page: Callable[[str], Page]) -> asyncio.Server:
    try:
        return await asyncio.start_server(Server(page).serve, host, port, limit=REQUEST_LIMIT)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise PgCronError(
            f"health port {port} of {host} can't be used: {reason}",
            hint="each worker of a host needs a port of its own: give another --health-port",
        ) from error


async def _keep_looking(pulse: Pulse, notifier: Notifier) -> None:
    tick = TICK if notifier.watchdog is None else min(TICK, notifier.watchdog / 4)
    while True:
        notifier.tell(pulse.look(), pulse.is_live)
        await asyncio.sleep(tick)
