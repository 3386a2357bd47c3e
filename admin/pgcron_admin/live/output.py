"""The lines of runs while they are written: read once, for all who follow, and again for those who are behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from pgcron_admin.database import Connection, Database
from pgcron_admin.live.events import Lines, event_of
from pgcron_admin.live.topics import Kind, Topic, ids_of
from pgcron_admin.wire import Answer

LINES_MOST = 1000
POSITION_MOST = 2**63 - 1

TOTALS: LiteralString = """
SELECT r.id AS run_id, coalesce(o.lines, 0) AS total, coalesce(o.dropped_lines, 0) AS dropped, coalesce(o.is_complete, false) AS is_complete,
  coalesce((SELECT max(l.line_no) FROM pgcron.cron_log_line l WHERE l.run_id = r.id), 0) AS upto
FROM unnest(%(ids)s::uuid[]) r (id) LEFT JOIN pgcron.cron_log_output o ON o.run_id = r.id
"""
LINES: LiteralString = """
SELECT line_no AS no, stream, level, at, text FROM pgcron.cron_log_line
WHERE run_id = %(run)s AND line_no > %(after)s AND line_no <= %(upto)s ORDER BY line_no LIMIT %(limit)s
"""


class Line(Answer):
    """no: its number, dense as the run wrote it; what lies between two numbers was dropped. level: of a logging record."""

    no: int
    stream: str
    level: str | None
    at: datetime
    text: str


class OutputEvent(Answer):
    topic: str
    lines: Sequence[Line]


class TotalsEvent(Answer):
    """total, dropped: lines of the run so far. isComplete: all of them were sent, and there will be no more."""

    topic: str
    total: int
    dropped: int
    is_complete: bool


class Output:
    """Beside the runs themselves. A line comes to a stream once: Lines say where they begin, and whoever is elsewhere reads."""

    kinds: Collection[Kind] = (Kind.RUN,)

    def __init__(self) -> None:
        self._upto: dict[UUID, int] = {}
        self._told: dict[UUID, tuple[Any, ...]] = {}

    async def look(
        self, connection: Connection, topics: Collection[Topic], fresh: Collection[Topic]
    ) -> Sequence[Lines]:
        # The totals first: when they say that all is there, it is there to be read.
        rows = await (await connection.execute(TOTALS, {"ids": ids_of(topics, Kind.RUN)})).fetchall()
        is_fresh = set(ids_of(fresh, Kind.RUN))
        return [
            lines for row in rows if (lines := await self._look_at(connection, row, row["run_id"] in is_fresh)) is not None
        ]  # fmt: skip

    async def _look_at(self, connection: Connection, row: Mapping[str, Any], is_fresh: bool) -> Lines | None:
        run, upto = row["run_id"], row["upto"]
        after = self._upto.setdefault(run, upto)
        lines = await lines_of(connection, run, after, upto) if upto > after else []
        reached = lines[-1].no if lines else after
        is_all = reached >= upto
        totals = (row["total"], row["dropped"], row["is_complete"] and is_all)
        if not (lines or is_fresh or totals != self._told.get(run)):
            return None
        self._upto[run], self._told[run] = reached, totals
        total, dropped, is_complete = totals
        told = TotalsEvent(topic=topic_of(run), total=total, dropped=dropped, is_complete=is_complete)
        return Lines(run, after, reached, _event(run, lines) if lines else b"", event_of("output_totals", told))

    def forget(self, topics: Collection[Topic]) -> None:
        for run in ids_of(topics, Kind.RUN):
            self._upto.pop(run, None)
            self._told.pop(run, None)


async def catch_up(database: Database, run: UUID, after: int, upto: int) -> AsyncIterator[tuple[int, bytes]]:
    """Events with the lines in between, and up to which line each goes."""
    while after < upto:
        async with database.read() as connection:
            lines = await lines_of(connection, run, after, upto)
        if not lines:
            return
        after = lines[-1].no
        yield after, _event(run, lines)


async def lines_of(connection: Connection, run: UUID, after: int, upto: int) -> list[Line]:
    params = {"run": run, "after": after, "upto": upto, "limit": LINES_MOST}
    return [Line(**row) for row in await (await connection.execute(LINES, params)).fetchall()]


def _event(run: UUID, lines: Sequence[Line]) -> bytes:
    return event_of("output", OutputEvent(topic=topic_of(run), lines=lines))


def topic_of(run: UUID) -> str:
    return str(Topic(Kind.RUN, run))


def positions_of(event_id: str | None, runs: Collection[UUID]) -> dict[UUID, int]:
    """Where each run's lines go on, by the id of the last event that a client saw; from the first line for what it doesn't name."""
    positions = dict.fromkeys(runs, 0)
    for part in (event_id or "").split(","):
        run, _, line = part.partition(".")
        try:
            id_, no = UUID(run), int(line)
        except ValueError:
            continue  # not ours, or cut: the lines come again from the first
        if id_ in positions and 0 <= no <= POSITION_MOST:
            positions[id_] = no
    return positions


def event_id_of(positions: Mapping[UUID, int]) -> bytes:
    return b"id: " + ",".join(f"{run}.{no}" for run, no in positions.items()).encode() + b"\n"
