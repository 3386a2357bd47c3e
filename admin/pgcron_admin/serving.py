"""Serving the admin with uvicorn: bounded heads of requests, streams that end with the process, logs on stderr."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pgcron_admin.app import create_app
from pgcron_admin.controllers.events import ABORT
from pgcron_admin.settings import AdminSettings, check_exposure, is_loopback
from pgcron_admin.stopping import Stopping
from pgcron_py.settings import Settings

SHUTDOWN_WITHIN_S = 5
HEAD_BYTES = 65_536
HEAD_WITHIN_S = 15.0
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's own bounds neither the size of a head nor the time that it takes to come."""

    _head_bytes = 0
    _is_in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_in_head:
            if self._deadline is None and not self._head_bytes:
                self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._abort)
            self._head_bytes += len(data)
        super().data_received(data)
        # After parsing: whatever is left of a large piece may be a body.
        if self._is_in_head and self._head_bytes > HEAD_BYTES:
            self._abort()

    def on_headers_complete(self) -> None:
        self.scope["extensions"] = {ABORT: {"abort": self._abort}}
        self._in_time()
        self._is_in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_head = True
        super().on_message_complete()

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _abort(self) -> None:
        self.transport.abort()


class AdminServer(uvicorn.Server):
    """Tells open streams at once that the process ends: uvicorn itself would wait for them first."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
        super().handle_exit(sig, frame)


def serve(settings: AdminSettings, host: str, port: int, tls: tuple[Path, Path] | None) -> None:
    """Until a signal. tls: certificate and key as PEM. Raises InvalidArguments where it would not be safe."""
    check_exposure(settings, host, has_tls=tls is not None)
    app = create_app(with_hosts(settings, host))
    certificate, key = tls or (None, None)
    config = uvicorn.Config(
        app, host=host, port=port, http=BoundedProtocol, ws="none", lifespan="on", timeout_graceful_shutdown=SHUTDOWN_WITHIN_S,
        # Forwarded headers are front.py's: uvicorn would believe whoever connects from this machine.
        proxy_headers=False, server_header=False, access_log=False, ssl_certfile=certificate, ssl_keyfile=key,
    )  # fmt: skip
    AdminServer(config, app.parts.stopping).run()


def with_hosts(settings: AdminSettings, host: str) -> AdminSettings:
    """On a loopback address with no proxy before it, only its own names are answered: a page elsewhere could name it otherwise."""
    if settings.allowed_hosts or settings.trusted_proxies or not is_loopback(host):
        return settings
    public = (settings.public_url or "").partition("://")[2]
    names = (*LOOPBACK_NAMES, *((public.rsplit(":", 1)[0] if ":" in public else public,) if public else ()))
    return settings.model_copy(update={"allowed_hosts": names})


def configure_logs(settings: Settings) -> None:
    """One line for each event on stderr: for people on a terminal, as JSON elsewhere."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        processors.append(structlog.dev.ConsoleRenderer())
    structlog.configure(
        processors=processors,
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
    )
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # an outage is told once for each request already
