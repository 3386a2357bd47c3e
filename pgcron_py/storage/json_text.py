"""Rows for json_to_recordset, as one text."""

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
