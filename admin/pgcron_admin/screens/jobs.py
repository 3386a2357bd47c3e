"""How screens find the job that a path names, and ask the database."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Annotated, Any
from uuid import UUID

from litestar.params import Parameter

from pgcron_admin.database import Connection
from pgcron_admin.screens import queries, views
from pgcron_py.errors import JobNotFound

NOTICES = {
    "enabled": "The job is enabled.", "disabled": "The job is disabled.", "asked": "A run was asked for.", "skipped": "The next run will be skipped.",
    "rescheduled": "The schedule was changed.",
}  # fmt: skip
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Text = Annotated[str, Parameter(max_length=200)]


async def last_runs(connection: Connection, jobs: list[Any]) -> dict[Any, list[views.Row]]:
    found: dict[Any, list[views.Row]] = defaultdict(list)
    for row in await many(connection, queries.LAST_RUNS, {"jobs": jobs, "limit": views.BARS}):
        found[row["job_id"]].append(row)
    return found


async def job_of(connection: Connection, key: str) -> tuple[str, UUID]:
    """Name and id of the job that a path names. Raises JobNotFound."""
    row = await one_or_none(connection, queries.JOB_OF, {"key": key})
    if row is None:
        raise JobNotFound(f"no job is named {key!r}")
    return row["name"], row["id"]


async def many(connection: Connection, query: Any, params: dict[str, Any] | None = None) -> list[views.Row]:
    return await (await connection.execute(query, params)).fetchall()


async def one_or_none(connection: Connection, query: Any, params: dict[str, Any] | None = None) -> views.Row | None:
    return await (await connection.execute(query, params)).fetchone()


async def one(connection: Connection, query: Any, params: dict[str, Any] | None = None) -> views.Row:
    row = await one_or_none(connection, query, params)
    assert row is not None, "a query of one row"
    return row
