"""Requests that JavaScript sends for a page that stays: forms in the background (frontend/src/states.js), and htmx's own."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.types import Message, Scope

FORM, WHERE = "x-pgcron-form", "x-location"


def is_enhanced(request: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether an error is to be told beside a control, not on a page of its own."""
    return request.headers.get("hx-request") == "true" or FORM in request.headers


async def tell_where(message: Message, scope: Scope) -> None:
    """A redirect that a script can read: fetch would follow it, and the page would be made twice."""
    if message["type"] != "http.response.start" or message["status"] != 303:
        return
    if any(name == FORM.encode() for name, _ in scope["headers"]):
        kept = [
            (name, value)
            for name, value in message["headers"]
            if name.lower() not in (b"content-length", b"content-type")
        ]
        message["headers"] = [(WHERE.encode() if name.lower() == b"location" else name, value) for name, value in kept]
        message["status"] = 204
