"""Which URLs `pgcron.http` may ask: read once, compared part by part, never as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pgcron_py.errors import InvalidArguments

PORTS = {"http": 80, "https": 443}
LONGEST = 8_000
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_DOTS = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\;]|$)")


class InvalidUrl(ValueError):
    """A URL that is not asked, whatever the settings allow; says why, without the URL."""


@dataclass(frozen=True, slots=True)
class Url:
    """scheme: http or https. host: lower case, ASCII, no brackets, no dot at its end. target: path and query, as sent."""

    scheme: str
    host: str
    port: int
    path: str
    target: str

    @classmethod
    def of(cls, text: str) -> Url:
        """Raises InvalidUrl."""
        if len(text) > LONGEST or _UNSAFE.search(text):
            raise InvalidUrl("it has spaces, backslashes or control characters" if len(text) <= LONGEST else "too long")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise InvalidUrl("it can't be read") from None
        if parts.scheme not in PORTS or not host:
            raise InvalidUrl("it is not http:// or https:// with a host")
        if "@" in parts.netloc:
            raise InvalidUrl("it has a user before the host: use the header Authorization")
        path = parts.path or "/"
        if not (path + parts.query).isascii():
            raise InvalidUrl("its path or query has letters that must be percent-encoded")
        target = path + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, _ascii(host), PORTS[parts.scheme] if port is None else port, path, target)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """`SCHEME://HOST[:PORT][/PATH]`: HOST may be `*.example.com` (what is below it) or `*`; PORT may be `*`; PATH may end in `*`.

    Without PORT the scheme's own; without PATH, or with `/`, every path.
    """

    scheme: str
    host: str
    port: int | None
    path: str

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Raises InvalidArguments."""
        try:
            return cls._of(text)
        except InvalidUrl as error:
            raise InvalidArguments(
                f"http_allow (PGCRON_HTTP_ALLOW) has {text!r}: {error}",
                hint="write scheme, host, maybe a port and a path: https://api.example.com/hooks/*",
            ) from None

    @classmethod
    def _of(cls, text: str) -> Pattern:
        match = re.fullmatch(
            r"(https?)://(\*|(?:\*\.)?[^\s/*:@?#\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(\*|\d{1,5}))?(/[^\s*?#]*\*?)?", text
        )
        if match is None:
            raise InvalidUrl("it is no pattern of URLs")
        scheme, host, port, path = match.groups()
        wild = "*." if host.startswith("*.") else ""
        name = host if host == "*" else wild + _ascii(host.removeprefix(wild).strip("[]").lower())
        number = None if port == "*" else int(port) if port else PORTS[scheme]
        return cls(scheme, name, number, "/*" if path in (None, "/") else path)

    def allows(self, url: Url) -> bool:
        return (
            url.scheme == self.scheme
            and self.port in (None, url.port)
            and self._allows_host(url.host)
            and self._allows_path(url.path)
        )

    def _allows_host(self, host: str) -> bool:
        if self.host.startswith("*."):
            return host.endswith(self.host[1:]) and host != self.host[1:]
        return self.host in ("*", host)

    def _allows_path(self, path: str) -> bool:
        if self.path == "/*":
            return True
        if _DOTS.search(_decoded(path)):
            return False  # who serves it may go up and out of what the pattern allows
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


def _decoded(path: str) -> str:
    """Until nothing is encoded any more: a proxy and the server behind it may each decode once."""
    for _ in range(5):
        decoded = unquote(path)
        if decoded == path:
            return path
        path = decoded
    return "/../"


def _ascii(host: str) -> str:
    host = host.lower().removesuffix(".")
    if "%" in host:
        raise InvalidUrl("its host has a zone or is percent-encoded")
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise InvalidUrl("its host is no name") from None
