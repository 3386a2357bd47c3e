"""Pings in healthchecks.io's form: URL/start, URL, URL/fail; the run's id in `rid`, so that its start and end are matched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pgcron_py.notify.http import Request, sent

SUFFIX = {"start": "/start", "success": "", "fail": "/fail"}


def send(url: str, ping: Mapping[str, Any]) -> None:
    """Raises SendFailed."""
    sent(request_for(url, ping))


def request_for(url: str, ping: Mapping[str, Any]) -> Request:
    """GET; a failure is a POST whose body says why."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, f"rid={ping['run_id']}"]))
    path = parts.path.rstrip("/") + SUFFIX[ping["ping"]]
    target = urlunsplit(parts._replace(path=path, query=query))
    why = "\n".join(str(ping[name]) for name in ("reason", "error") if ping.get(name))
    return Request("POST", target, {"Content-Type": "text/plain"}, why.encode()) if why else Request("GET", target, {})
