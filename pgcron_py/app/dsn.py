"""A database's address, for people to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgcron_py.errors import InvalidArguments

MASK = "***"
SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})

# As libpq divides it: urllib knows neither several hosts nor a password with ? or # in it. Up to the last @, lest a part shows.
URL = re.compile(
    r"(?P<scheme>postgres(?:ql)?://)(?:(?P<user>[^:@/]*)(?::(?P<password>[^/]*))?@)?(?P<rest>[^?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)


def checked_url(url: str) -> str:
    """The URL itself. Raises InvalidArguments when libpq can't read it; its own message might repeat a password."""
    try:
        conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        hint = "write it as postgresql://user:password@host:5432/dbname"
        raise InvalidArguments("the database URL can't be read", hint=hint) from None
    return url


def shown_url(url: str) -> str:
    """The URL or key=value string with each secret replaced by ***; nothing of it when it can't be read."""
    try:
        params = conninfo_to_dict(url)
    except (psycopg.Error, UnicodeError):
        return f"{MASK} (not a database URL)"
    if not SECRETS & params.keys():
        return url
    return _masked_url(url) if url.startswith(("postgres://", "postgresql://")) else _masked_pairs(params)


def _masked_pairs(params: Mapping[str, Any]) -> str:
    return make_conninfo("", **{key: MASK if key in SECRETS else value for key, value in params.items()})


def _masked_url(url: str) -> str:
    parts = URL.fullmatch(url)
    assert parts is not None, "libpq could read it"
    password = f":{MASK}" if parts["password"] is not None else ""
    login = f"{parts['user']}{password}@" if parts["user"] is not None else ""
    query = f"?{'&'.join(map(_masked_pair, parts['query'].split('&')))}" if parts["query"] is not None else ""
    return f"{parts['scheme']}{login}{parts['rest']}{query}"


def _masked_pair(pair: str) -> str:
    name, _, _ = pair.partition("=")
    return f"{name}={MASK}" if unquote(name) in SECRETS else pair
