"""Pages of lists: a cursor says after which row the next page begins, and the header `Link` where to find it.

A cursor is sealed: it comes from us, for this list in this order, or it is refused. It holds no row's number, so rows that come and
go meanwhile neither shift a page nor show twice.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from pgcron_admin.front import facts_of
from pgcron_py.errors import InvalidArguments

SEAL_BYTES = 16
LENGTH_MOST = 1000

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[
    str | None,
    QueryParameter(description="Where to go on: from the header `Link` of the page before.", max_length=1000),
]


class Cursors:
    """key: what they are sealed with, the same in all processes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sealed(self, of: str, values: Sequence[Any]) -> str:
        """of: the list and its order. values: of the last row that was shown."""
        told = msgspec.json.encode(values)
        return urlsafe_b64encode(self._seal(of, told) + told).rstrip(b"=").decode()

    def opened(self, of: str, cursor: str | None) -> list[Any] | None:
        """Raises InvalidArguments for one that we did not make, or made for another list."""
        if cursor is None:
            return None
        try:
            raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        except ValueError:
            raw = b""
        seal, told = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
        if len(cursor) > LENGTH_MOST or not hmac.compare_digest(seal, self._seal(of, told)):
            raise InvalidArguments(
                "cursor: this is not one that we gave for this list in this order",
                hint="take it from the header Link of the page before, or begin without one", field="cursor",
            )  # fmt: skip
        found: list[Any] = msgspec.json.decode(told)
        return found

    def _seal(self, of: str, told: bytes) -> bytes:
        return hmac.digest(self._key, b"cursor\0" + of.encode() + b"\0" + told, "sha256")[:SEAL_BYTES]


def link_to_next(request: Request[Any, Any, Any], cursor: str | None) -> dict[str, str]:
    """The header `Link` for the page that begins at `cursor`; none when there is no further page."""
    if cursor is None:
        return {}
    scope = request.scope
    kept = [(name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name != "cursor"]
    query = urlencode([*kept, ("cursor", cursor)])
    return {"Link": f'<{facts_of(scope).base_path}{scope["path"]}?{query}>; rel="next"'}
