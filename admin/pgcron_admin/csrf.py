"""Requests that another site makes a browser send: refused by where they come from, and by a token they can't know.

Cookies only. A request with a bearer token needs neither: no browser adds that by itself.
"""

from __future__ import annotations

import hmac
from uuid import UUID

from litestar.datastructures import Headers

from pgcron_admin.front import Facts
from pgcron_py.errors import NotPermitted

HEADER, FIELD = "X-CSRF-Token", "csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SAME_SITE = frozenset({"same-origin", "none"})  # none: typed in, or from a bookmark


class CrossSiteRequest(NotPermitted):
    """The request comes from another site."""


class CsrfTokenMissing(NotPermitted):
    """The CSRF token is missing or wrong."""


def csrf_token(key: bytes, session: UUID) -> str:
    """Bound to the session: a new one at each sign-in, and none to plant in a cookie."""
    return hmac.digest(key, b"csrf " + session.bytes, "sha256").hex()


def check_origin(headers: Headers, facts: Facts) -> None:
    """Raises CrossSiteRequest. Browsers send at least one of the two with every unsafe request."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in SAME_SITE:
        raise CrossSiteRequest(f"the request comes from another site (Sec-Fetch-Site: {site[:20]})")
    if origin is not None and origin.lower() != facts.origin:
        raise CrossSiteRequest(
            f"the request comes from another origin than {facts.origin}",
            hint="behind a reverse proxy set PGCRON_ADMIN_PUBLIC_URL, or PGCRON_ADMIN_TRUSTED_PROXIES",
        )


def check_token(given: str, key: bytes, session: UUID) -> None:
    """Raises CsrfTokenMissing."""
    if not hmac.compare_digest(given.encode(), csrf_token(key, session).encode()):
        raise CsrfTokenMissing(
            "the CSRF token is missing or not this session's",
            hint=f"send csrfToken of GET /api/auth/me as the header {HEADER}",
        )
