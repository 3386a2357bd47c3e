"""From an exception to words that any database takes: bounded, without NUL and lone surrogates, whatever was raised."""

from __future__ import annotations

import json
import traceback
from typing import Any

MAX_ERROR = 8_000
MAX_TRACE = 64_000
MAX_JSON = 256_000


def storable(text: str, limit: int) -> str:
    """Text as UTF-8 and PostgreSQL can hold it, at most `limit` characters."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def error_of(error: BaseException) -> str:
    """Type and message; a message that can't be had is said to be so."""
    try:
        message = str(error)
    except BaseException as worse:
        message = f"(no message: str() raised {type(worse).__name__})"
    return storable(f"{type(error).__name__}: {message}" if message else type(error).__name__, MAX_ERROR)


def trace_of(error: BaseException) -> str | None:
    try:
        return storable("".join(traceback.format_exception(error)), MAX_TRACE)
    except BaseException:
        return None


def json_of(value: Any) -> Any:
    """The value as JSON that jsonb takes; what isn't JSON becomes its str()."""
    try:
        text = json.dumps(value, allow_nan=False, default=str)
    except Exception:
        try:
            text = json.dumps(str(value))
        except Exception:
            return None
    if len(text) > MAX_JSON:
        return {"truncated": True, "size": len(text)}
    return _clean(json.loads(text))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value, MAX_JSON)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {storable(key, 1000): _clean(item) for key, item in value.items()}
    return value
