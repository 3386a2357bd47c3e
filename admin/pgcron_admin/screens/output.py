"""The output of a run on its page: the last lines as view models, and all of it as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from pgcron_admin.database import Connection, Database
from pgcron_admin.live.output import lines_of
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.runs import run_of
from pgcron_admin.screens import ansi
from pgcron_admin.screens.jobs import many
from pgcron_admin.screens.views import Row
from pgcron_py.errors import PgCronError

LINES = 1000  # on the page without scripts; with them all can be had
END = 2**62
LAST: LiteralString = """
SELECT line_no, stream, level, at, text FROM pgcron.cron_log_line WHERE run_id = %(run)s ORDER BY line_no DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class OutputLine:
    """gap: how many lines before it were not kept."""

    no: int
    gap: int
    tone: str
    pieces: list[ansi.Piece]


async def last_lines(connection: Connection, run: UUID) -> list[OutputLine]:
    """In their order."""
    rows = await many(connection, LAST, {"run": run, "limit": LINES})
    return output_lines(list(reversed(rows)), starts_anywhere=len(rows) == LINES)


def output_lines(rows: Sequence[Row], *, starts_anywhere: bool) -> list[OutputLine]:
    """starts_anywhere: lines before the first are not shown, which is no gap."""
    found, before = [], rows[0]["line_no"] - 1 if rows and starts_anywhere else 0
    for row in rows:
        gap = row["line_no"] - before - 1
        found.append(OutputLine(row["line_no"], gap, tone_of(row["level"], row["stream"]), ansi.pieces(row["text"])))
        before = row["line_no"]
    return found


def tone_of(level: str | None, stream: str) -> str:
    if level in ("ERROR", "CRITICAL") or (level is None and stream == "stderr"):
        return "tone-failed"
    if level == "WARNING":
        return "tone-waiting"
    return "tone-idle" if level == "DEBUG" else ""


@get("/runs/{run_id:uuid}/output.txt", guards=[requires(Permission.VIEW)])
async def download_output(run_id: FromPath[UUID], database: NamedDependency[Database]) -> Stream:
    """All lines that are kept. It says where some are not, and whether it could not be finished."""
    async with database.read() as connection:
        run = await run_of(connection, run_id, with_trace=False)

    async def lines() -> AsyncIterator[bytes]:
        at = 0
        try:
            while part := await _part(database, run_id, at):
                yield "".join(_as_text(line, before) for line, before in _with_before(part, at)).encode()
                at = part[-1].no
        except PgCronError as error:
            yield f"[pgcron: the rest could not be read: {error}]\n".encode()

    name = f'attachment; filename="run-{run.seq}-{run_id}.txt"'
    return Stream(lines(), media_type="text/plain; charset=utf-8", headers={"Content-Disposition": name})


async def _part(database: Database, run: UUID, after: int) -> list[Any]:
    async with database.read() as connection:
        return list(await lines_of(connection, run, after, END))


def _with_before(part: Sequence[Any], at: int) -> list[tuple[Any, int]]:
    return list(zip(part, [at, *(line.no for line in part[:-1])], strict=True))


def _as_text(line: Any, before: int) -> str:
    gap = line.no - before - 1
    told = f"[pgcron: {gap} lines were not kept]\n" if gap else ""
    level = f" {line.level}" if line.level else ""
    return f"{told}{line.at:%Y-%m-%dT%H:%M:%S.%f}Z{level} {ansi.plain(line.text)}\n"
