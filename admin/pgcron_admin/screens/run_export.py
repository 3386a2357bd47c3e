"""Runs as a file: CSV or NDJSON, streamed in parts, bounded; what is left out is told at its end."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.permissions import requires
from pgcron_admin.principal import Permission
from pgcron_admin.queries.runs import RunAnswer, RunFilter, page_of_runs
from pgcron_admin.screens.jobs import Text
from pgcron_admin.screens.run_filter import Asked, wanted_of
from pgcron_py.errors import InvalidArguments, NotFound, PgCronError

PART = 1000
RUNS_MOST = 100_000
COLUMNS = (
    "id", "job", "seq", "status", "reason", "cause", "attempt", "scheduled_for", "started_at", "completed_at", "duration", "lag_ms", "worker_id",
    "requested_by", "error",
)  # fmt: skip
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute these


@get("/runs/export/{kind:str}", guards=[requires(Permission.VIEW)])
async def export_runs(
    kind: FromPath[str], database: NamedDependency[Database], cursors: NamedDependency[Cursors], status: Text = "", job: Text = "", cause: Text = "",
    reason: Text = "", worker: Text = "", since: Text = "", until: Text = "", search: Text = "", error: Text = "",
) -> Stream:  # fmt: skip
    if kind not in TYPES:
        raise NotFound(f"runs are not exported as {kind[:20]!r}", hint="there are csv and ndjson")
    async with database.read() as connection:
        wanted = await wanted_of(connection, Asked(status, job, cause, reason, worker, since, until, search, error))
    for name, text in wanted.problems.items():
        raise InvalidArguments(f"{name}: {text}", hint="the list of runs has the same filter", field=name)
    name = f'attachment; filename="pgcron-runs.{kind}"'
    body = _csv(database, cursors, wanted.filter) if kind == "csv" else _ndjson(database, cursors, wanted.filter)
    return Stream(body, media_type=TYPES[kind], headers={"Content-Disposition": name})


async def _parts(database: Database, cursors: Cursors, wanted: RunFilter) -> AsyncIterator[list[RunAnswer] | str]:
    """Each in a transaction of its own: who reads slowly holds nothing open. A text at the end says what is not in it."""
    cursor, count = None, 0
    try:
        while True:
            async with database.read(10) as connection:
                runs, cursor = await page_of_runs(connection, wanted, PART, cursor, cursors)
            count += len(runs)
            yield runs
            if cursor is None:
                return
            if count >= RUNS_MOST:
                yield f"left out: older runs; an export has {RUNS_MOST} at most, narrow the filter by time"
                return
    except PgCronError as error:
        yield f"left out: the rest; it could not be read: {error}"


async def _ndjson(database: Database, cursors: Cursors, wanted: RunFilter) -> AsyncIterator[bytes]:
    async for part in _parts(database, cursors, wanted):
        if isinstance(part, str):
            yield msgspec.json.encode({"note": part}) + b"\n"
        else:
            yield b"".join(msgspec.json.encode(run) + b"\n" for run in part)


async def _csv(database: Database, cursors: Cursors, wanted: RunFilter) -> AsyncIterator[bytes]:
    yield _rows([COLUMNS])
    async for part in _parts(database, cursors, wanted):
        yield _rows(
            [[part]] if isinstance(part, str) else [[_cell(getattr(run, name)) for name in COLUMNS] for run in part]
        )


def _rows(rows: Sequence[Sequence[str]]) -> bytes:
    told = io.StringIO()
    csv.writer(told).writerows(rows)
    return told.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    text = str(value)
    return f"'{text}" if isinstance(value, str) and not isinstance(value, UUID) and text.startswith(FORMULA) else text
