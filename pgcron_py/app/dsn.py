"""A database's address, for people to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgcron_py.errors import InvalidArguments

MASK = "***"
SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})


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
    return _masked_url(url) if re.match(r"postgres(ql)?://", url) else _masked_pairs(params)


def _masked_pairs(params: Mapping[str, Any]) -> str:
    return make_conninfo("", **{key: MASK if key in SECRETS else value for key, value in params.items()})


def _masked_url(url: str) -> str:
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    pairs = [(k, MASK if k in SECRETS else v) for k, v in parse_qsl(parts.query, keep_blank_values=True)]
    query = urlencode(pairs, quote_via=quote, safe="/*")
    return urlunsplit(parts._replace(netloc=f"{user}{colon}{MASK if colon else ''}{at}{host}", query=query))
