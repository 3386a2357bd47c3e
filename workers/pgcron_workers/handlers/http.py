"""`pgcron.http`: one HTTP request to a URL that the worker's settings allow, and to public addresses unless they say more.

Each redirect is checked as the first URL was: allowed, resolved once, connected to what was checked; never from https to http.
No proxy of the environment is used: it would connect for us, to whatever it likes.
"""

from __future__ import annotations

import http.client
import json as json_
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Literal
from urllib.parse import urljoin

import pgcron_py
from pgcron_py.context import JobContext
from pgcron_py.handlers import builtin
from pgcron_py.outcomes import Fail, Outcome
from pgcron_workers.handlers.addresses import AddressRefused, Network, NotResolved, Resolve, checked_addresses, resolved
from pgcron_workers.handlers.exchange import Answer, ExchangeFailed, Limits, exchanged
from pgcron_workers.handlers.urls import InvalidUrl, Pattern, Url

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

MOST_REDIRECTS = 5
LONGEST_TIMEOUT = 86_400.0  # seconds
KEPT_BODY = 1_024  # bytes of an answer that the run's result shows
TOLD_HEADERS = (
    "content-type",
    "content-length",
    "date",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "x-request-id",
)
OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "proxy-authorization"}
)
# What an origin may be told that the user's headers were not meant for.
HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class RequestFailed(Outcome):
    """No answer came."""


class UnexpectedStatus(Outcome):
    """An answer came, with another status than expected."""


@dataclass(frozen=True, slots=True)
class Rules:
    """allow: patterns of URLs; none = nothing. private: networks that may be reached although they are private."""

    allow: Sequence[Pattern] = ()
    private: Sequence[Network] = ()

    @classmethod
    def of(cls, allow: Sequence[str], private: Sequence[str] = ()) -> Rules:
        """Raises InvalidArguments."""
        return cls([Pattern.of(text) for text in allow], [ip_network(text) for text in private])

    def allows(self, url: Url) -> bool:
        return any(pattern.allows(url) for pattern in self.allow)


rules = Rules()
"""From PGCRON_HTTP_ALLOW and PGCRON_HTTP_ALLOW_PRIVATE."""


@builtin("pgcron.http")
def call_url(
    ctx: JobContext,
    url: str,
    method: Method = "GET",
    headers: dict[str, str] | None = None,
    body: str | None = None,
    json: Any = None,
    expect: list[int | str] | None = None,
    timeout: float = 30.0,
    connect_timeout: float = 10.0,
    follow_redirects: bool = True,
) -> None:
    """Asks a URL that the worker's settings allow; a status other than 2xx, or than `expect` lists, is a failure."""
    expected = _ranges(["200-299"] if expect is None else expect)
    for name, seconds in (("timeout", timeout), ("connect_timeout", connect_timeout)):
        if not 0 < seconds <= LONGEST_TIMEOUT:
            raise Fail(f"{name} is {seconds:g}: it must be more than 0, and at most {LONGEST_TIMEOUT:g} seconds")
    if body is not None and json is not None:
        raise Fail("it has both body and json: give one of them")
    data = json_.dumps(json, ensure_ascii=False) if json is not None else body
    asked = _Asked(
        method, _checked_headers(headers or {}, is_json=json is not None), None if data is None else data.encode()
    )
    caller = Caller(
        rules, Limits(connect_timeout, time.monotonic() + timeout, lambda: ctx.cancelled), follow=follow_redirects
    )
    try:
        answer = caller.call(url, asked)
    finally:
        ctx.result(caller.told)
    if not any(low <= answer.status <= high for low, high in expected):
        raise UnexpectedStatus(f"answered {answer.status} {answer.reason}".rstrip())


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    headers: Mapping[str, str]
    body: bytes | None

    def after(self, status: int, *, to_other_origin: bool) -> _Asked:
        """What a redirect makes of a request: as browsers do it, and without what was meant for the first origin."""
        headers = {k: v for k, v in self.headers.items() if not to_other_origin or k.lower() in HARMLESS}
        if (status == 303 and self.method != "HEAD") or (status in (301, 302) and self.method == "POST"):
            return _Asked("GET", {k: v for k, v in headers.items() if k.lower() != "content-type"}, None)
        return _Asked(self.method, headers, self.body)


@dataclass(slots=True)
class Caller:
    """One call with its redirects. told: what is known of the answer so far, as JSON."""

    rules: Rules
    limits: Limits
    resolve: Resolve = resolved
    tls: ssl.SSLContext | None = None
    follow: bool = True
    told: dict[str, Any] = field(default_factory=dict)

    def call(self, text: str, asked: _Asked) -> Answer:
        """Raises Fail for what is not allowed, RequestFailed when no answer came."""
        url = self._checked(text)
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._exchange(url, asked)
            self._tell(url, answer)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not location or not self.follow:
                return answer
            self.told.setdefault("redirects", []).append(str(url))
            next_url = self._checked(urljoin(str(url), location), was=url)
            asked = asked.after(answer.status, to_other_origin=next_url.origin != url.origin)
            url = next_url
        raise RequestFailed(f"more than {MOST_REDIRECTS} redirects")

    def _checked(self, text: str, was: Url | None = None) -> Url:
        what = "the URL" if was is None else f"the redirect from {was.host}"
        try:
            url = Url.of(text)
        except InvalidUrl as error:
            raise Fail(f"{what} is refused: {error}") from None
        if was is not None and was.scheme == "https" and url.scheme != "https":
            raise Fail(f"{what} is refused: it leads from https to http")
        if not self.rules.allows(url):
            raise Fail(
                f"{what} is refused: PGCRON_HTTP_ALLOW does not allow {url.scheme}://{url.host}:{url.port}{url.path}"
            )
        return url

    def _exchange(self, url: Url, asked: _Asked) -> Answer:
        try:
            addresses = checked_addresses(
                url.host,
                url.port,
                self.rules.private,
                self.resolve,
                max(0.0, min(self.limits.connect, self.limits.left)),
            )
            if self.tls is None and url.scheme == "https":
                self.tls = ssl.create_default_context()
            return exchanged(asked.method, url, asked.headers, asked.body, addresses, self.limits, self.tls)
        except AddressRefused as error:
            raise Fail(str(error)) from None
        except (NotResolved, ExchangeFailed) as error:
            raise RequestFailed(f"{url.host}: {error}") from None

    def _tell(self, url: Url, answer: Answer) -> None:
        self.told |= {
            "status": answer.status,
            "url": str(url),
            "headers": {name: answer.headers[name] for name in TOLD_HEADERS if name in answer.headers},
            "body": answer.body[:KEPT_BODY].decode(_charset(answer), "replace"),
            "is_cut": answer.is_cut or len(answer.body) > KEPT_BODY,
        }


def _checked_headers(headers: Mapping[str, str], *, is_json: bool) -> dict[str, str]:
    found = {"User-Agent": f"pgcron/{pgcron_py.__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    found |= {"Content-Type": "application/json"} if is_json else {}
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in OURS:
            raise Fail(f"header {name!r} can't be set")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value) or not _is_latin(value):
            raise Fail(f"the value of header {name!r} has letters or control characters that headers don't take")
        found = {known: old for known, old in found.items() if known.lower() != name.lower()} | {name: value}
    return found


def _is_latin(value: str) -> bool:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _ranges(expect: Sequence[int | str]) -> list[tuple[int, int]]:
    """[200, "300-399", "4xx"] as pairs."""
    found = []
    for item in expect:
        match = re.fullmatch(r"([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?", str(item).strip().lower())
        if match is None:
            raise Fail(f"expect has {item!r}: write a status such as 204, a range such as '200-299', or '2xx'")
        hundreds, low, high = match.groups()
        found.append((int(hundreds) * 100, int(hundreds) * 100 + 99) if hundreds else (int(low), int(high or low)))
    return found


def _charset(answer: Answer) -> str:
    message = http.client.HTTPMessage()
    message["content-type"] = answer.headers.get("content-type", "")
    name = str(message.get_content_charset("utf-8"))
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return "utf-8"
    return name
