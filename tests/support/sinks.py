"""Receivers of notifications: a real HTTP server that answers, refuses, hangs or closes, and a real SMTP server."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpSink:
    """manner: an HTTP status to answer with, `hang` (until it is let go), or `close` without an answer."""

    port: int = 0
    manner: int | str = 204
    received: list[Received] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[str]:
        return [it.json["event"] for it in self.received]

    @property
    def paths(self) -> list[str]:
        return [it.path for it in self.received]


@contextlib.contextmanager
def http_sink(manner: int | str = 204) -> Iterator[HttpSink]:
    sink = HttpSink(manner=manner)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sink.received.append(Received(self.command, self.path, headers, body))
            manner = sink.manner
            if manner == "hang":
                sink.let_go.wait(60)
            if isinstance(manner, int):
                self.send_response(manner)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self.close_connection = True

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.let_go.set()
        server.shutdown()
        server.server_close()


class _Mailbox:
    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]  # of that policy
        return "250 OK"


class _AnyPort(Controller):
    """Knocks at the port that the kernel chose, not at port 0."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class SmtpSink:
    port: int
    mails: list[EmailMessage]

    @property
    def url(self) -> str:
        """Of a channel of apprise, with a password that must not be seen. SMTP in plain text has no login here."""
        return f"mailto://127.0.0.1:{self.port}?from=pgcron@shop.example&to=ops@shop.example&mode=insecure"


@contextlib.contextmanager
def smtp_sink() -> Iterator[SmtpSink]:
    mailbox = _Mailbox()
    controller = _AnyPort(mailbox, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield SmtpSink(controller.port, mailbox.mails)
    finally:
        controller.stop()
