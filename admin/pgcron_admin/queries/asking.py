"""Asking with filters that may be left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from pgcron_admin.database import Connection

Row = dict[str, Any]


async def all_rows(connection: Connection, query: LiteralString, params: Mapping[str, Any]) -> list[Row]:
    """Planned for these values: a prepared statement would get one plan for all, and `$1 IS NULL OR …` is no condition of an index then."""
    return await (await connection.execute(query, params, prepare=False)).fetchall()
