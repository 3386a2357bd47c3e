"""Many values as one text: rows for json_to_recordset, and arrays."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def json_text(rows: list[Any]) -> str:
    """ids, instants and words as their text; what is no JSON raises TypeError."""
    try:
        return msgspec.json.encode(rows).decode()
    except (
        UnicodeEncodeError
    ):  # a lone surrogate: the database refuses it by name, and the others of a batch don't suffer
        return json.dumps(msgspec.to_builtins(rows))


def array_text(values: list[Any]) -> str:
    """ids, instants, numbers and words of ours (no quote and no backslash in them) or None, as PostgreSQL writes an array: as JSON does,
    but for the brackets."""
    return "{" + msgspec.json.encode(values)[1:-1].decode() + "}"
