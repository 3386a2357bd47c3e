"""What comes before any route: who the client is behind trusted proxies, which host was asked for, and safe headers.

The facts of a request are in its scope: `facts_of(request.scope)`.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from pgcron_admin.metrics import Metrics
from pgcron_admin.settings import AdminSettings, IPNetwork

Headers = Sequence[tuple[bytes, bytes]]

KEY = "pgcron_facts"
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS: dict[bytes, bytes] = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    # Not no-referrer: with it browsers send `Origin: null` with forms, which the check of origins refuses.
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}
HSTS = (b"strict-transport-security", b"max-age=31536000")


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one request. origin: scheme and host as the browser sees them. base_path: what was cut off its path."""

    request_id: str
    address: str | None
    scheme: str
    host: str
    origin: str
    base_path: str

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"


def facts_of(scope: Any) -> Facts:
    facts = scope[KEY]
    assert isinstance(facts, Facts)
    return facts


class Front:
    """An ASGI application around the admin's. methods: of each path, for the header Allow."""

    def __init__(self, app: ASGIApp, settings: AdminSettings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self.methods: dict[str, bytes] = {}
        self._settings = settings
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = tuple(scope["headers"])
        facts = self._facts(scope, headers)
        scope[KEY] = facts  # type: ignore[literal-required]  # our own key in the scope
        if self._is_strange(facts.host):
            await _refused(scope, facts, send)
            return
        await self._app(scope, receive, self._with_headers(scope, send, facts))

    def _with_headers(self, scope: Any, send: Send, facts: Facts) -> Send:
        began = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                if scope["method"] == "OPTIONS":
                    _correct_allow(message, self.methods.get(scope.get("path_template", "")))
                _add_headers(message, facts)
                self._metrics.answered(scope["method"], message["status"], time.perf_counter() - began)
            await send(message)

        return sent

    def _facts(self, scope: Any, headers: Headers) -> Facts:
        client = scope.get("client")
        peer = client[0] if client else None
        believed = _is_in(peer, self._settings.trusted_proxies)
        address = _client_address(peer, headers, self._settings.trusted_proxies) if believed else peer
        scheme = (believed and _last(headers, b"x-forwarded-proto")) or scope.get("scheme", "http")
        host = (believed and _last(headers, b"x-forwarded-host")) or _last(headers, b"host") or ""
        scheme = "https" if scheme == "https" else "http"
        origin = self._settings.public_url or f"{scheme}://{host.lower()}"
        asked = _last(headers, b"x-request-id") if believed else ""
        request_id = asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
        return Facts(request_id, address, scheme, host, origin, self._cut_base(scope))

    def _cut_base(self, scope: Any) -> str:
        """Takes away the path below which the admin is mounted or shown, whether or not the proxy did."""
        path, cut = scope["path"], ""
        for base in (scope.get("root_path", "").rstrip("/"), self._settings.base_path):
            if base and (path == base or path.startswith(f"{base}/")):
                path, cut = path[len(base) :] or "/", cut + base
        scope["path"], scope["root_path"] = path, ""
        return cut or self._settings.base_path

    def _is_strange(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return not HOST.fullmatch(host) or (bool(self._hosts) and name.lower() not in self._hosts)


def _is_in(address: str | None, networks: Sequence[IPNetwork]) -> bool:
    try:
        return address is not None and any(ipaddress.ip_address(address) in network for network in networks)
    except ValueError:
        return False


def _client_address(peer: str | None, headers: Headers, trusted: Sequence[IPNetwork]) -> str | None:
    """From right to left: what a trusted proxy wrote is believed, what the client wrote before it is not."""
    told = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    nearest = peer
    for part in reversed([part.strip() for part in told.split(",") if part.strip()]):
        if not _is_in(nearest, trusted):
            break
        try:
            nearest = str(ipaddress.ip_address(part.strip("[]")))
        except ValueError:
            break
    return nearest


def _last(headers: Headers, wanted: bytes) -> str:
    """The last value of a header: the nearest proxy's."""
    found = [value for name, value in headers if name == wanted]
    return found[-1].decode("latin-1").rsplit(",", 1)[-1].strip() if found else ""


def _correct_allow(message: HTTPResponseStartEvent, methods: bytes | None) -> None:
    """Litestar names only the methods of the handler that it saw first."""
    if methods is not None:
        headers = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"allow"]
        message["headers"] = [*headers, (b"allow", methods)]


def _add_headers(message: HTTPResponseStartEvent, facts: Facts) -> None:
    """A route's own header wins; the request id is ours."""
    headers = [(name.lower(), value) for name, value in message.get("headers", [])]
    present = {name for name, _ in headers}
    headers += [(name, value) for name, value in HEADERS.items() if name not in present]
    if facts.is_secure:
        headers.append(HSTS)
    headers.append((b"x-request-id", facts.request_id.encode()))
    message["headers"] = headers


async def _refused(scope: Any, facts: Facts, send: Send) -> None:
    message = "this host is not answered here"
    problem = {
        "type": "urn:pgcron:problem:unknown_host", "title": "Bad Request", "status": 400, "detail": message,
        "instance": scope["path"], "message": message, "statusCode": 400, "requestId": facts.request_id,
        "code": "unknown_host", "hint": "name it in PGCRON_ADMIN_ALLOWED_HOSTS",
    }  # fmt: skip
    body = json.dumps(problem).encode()
    start: HTTPResponseStartEvent = {
        "type": "http.response.start", "status": 400, "headers": [
            (b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())],
    }  # fmt: skip
    _add_headers(start, facts)
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
