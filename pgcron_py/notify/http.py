"""One HTTP request that follows nothing and waits for little."""

from __future__ import annotations

import base64
import http.client
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pgcron_py.notify.errors import SendFailed

TIMEOUT = 10.0  # seconds for each step; whoever started this process limits the whole
AGENT = "pgcron"


@dataclass(frozen=True, slots=True)
class Request:
    """url: http or https, maybe with user:password@."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None


def sent(request: Request) -> None:
    """Returns when the receiver answered 2xx. Raises SendFailed."""
    try:
        parts = urlsplit(request.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SendFailed("the URL can't be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SendFailed("the URL is not http:// or https:// with a host")
    connection: http.client.HTTPConnection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    )
    headers = {"User-Agent": AGENT, **request.headers}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    try:
        connection.request(
            request.method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), request.body, headers
        )
        answer = connection.getresponse()
        answer.read(1024)
    except TimeoutError:
        raise SendFailed(f"no answer within {TIMEOUT:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SendFailed(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise SendFailed(f"answered {answer.status} {answer.reason}")
