"""What runs print and log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from pgcron_admin.database import Connection
from pgcron_admin.queries.runs import run_not_found
from pgcron_admin.wire import Answer

LINES: LiteralString = """
SELECT line_no, stream, level, at, text FROM pgcron.cron_log_line
 WHERE run_id = %(id)s AND line_no > %(after)s AND (%(stream)s::text IS NULL OR stream = %(stream)s) ORDER BY line_no LIMIT %(limit)s
"""
EXISTS: LiteralString = "SELECT FROM pgcron.runs WHERE run_id = %(id)s"


class LineAnswer(Answer):
    """stream: stdout, stderr or log. level: of a logging record. Numbers that are missing were left out to bound the output."""

    line_no: int
    stream: str
    level: str | None
    at: datetime
    text: str


async def lines_of(
    connection: Connection, run_id: UUID, *, stream: str | None, after: int, limit: int
) -> Sequence[LineAnswer]:
    """Raises NotFound when there is no such run."""
    if await (await connection.execute(EXISTS, {"id": run_id})).fetchone() is None:
        raise run_not_found(run_id)
    params = {"id": run_id, "after": after, "stream": stream, "limit": limit}
    return [LineAnswer(**row) for row in await (await connection.execute(LINES, params)).fetchall()]
