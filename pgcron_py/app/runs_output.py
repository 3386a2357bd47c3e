"""Reading what runs write, also while they go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pgcron_py.app.runs import STATUS
from pgcron_py.app.session import Connection, rows, value

# When a run prints faster than it is read, its tail moves on: what was dropped in between is a line of its own.
LINES = """
SELECT line_no, stream, level, at, text FROM pgcron.cron_log_line
 WHERE run_id = %(id)s AND line_no > %(after)s AND (%(stream)s::text IS NULL OR stream = %(stream)s)
 ORDER BY line_no LIMIT 1000
"""
IS_COMPLETE = "SELECT is_complete FROM pgcron.cron_log_output WHERE run_id = %(id)s"
PAUSE = 0.2  # seconds between two looks
PATIENCE = 1.0  # seconds for the last lines of a run that has ended, when nothing says that they are all there


@dataclass(frozen=True, slots=True)
class OutputLine:
    """stream: stdout, stderr or log. level: of a logging record."""

    line_no: int
    stream: str
    level: str | None
    at: datetime
    text: str


def output_of(connection: Connection, run_id: UUID, stream: str | None = None, after: int = 0) -> Iterator[OutputLine]:
    """The lines that are there, in order."""
    while found := rows(connection, OutputLine, LINES, {"id": run_id, "after": after, "stream": stream}):
        yield from found
        after = found[-1].line_no


def follow_output(connection: Connection, run_id: UUID, stream: str | None = None) -> Iterator[OutputLine]:
    """Lines as they come, until the run has ended and all are there."""
    after, ended_at = 0, None
    while True:
        is_over = _is_over(connection, run_id)
        if is_over is None:
            ended_at = ended_at or time.monotonic()
        for line in output_of(connection, run_id, stream, after):
            after = line.line_no
            yield line
        if is_over or (ended_at and time.monotonic() - ended_at > PATIENCE):
            return
        time.sleep(PAUSE)


def _is_over(connection: Connection, run_id: UUID) -> bool | None:
    """None: it has ended, but nothing says that all its lines are there."""
    if value(connection, STATUS, {"id": run_id}) == "RUNNING":
        return False
    return True if value(connection, IS_COMPLETE, {"id": run_id}) else None
