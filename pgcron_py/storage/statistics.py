"""Adding ended runs to the days they began on."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection

COUNT_SOME = "SELECT counted, last FROM pgcron.count_some_runs(%(after)s, %(limit)s)"


async def count_some_runs(connection: AsyncConnection, after: UUID, limit: int) -> tuple[int, UUID | None]:
    """How many runs were counted, of jobs with ids after `after`, and where the next batch goes on; None: nothing is left."""
    row = await (await connection.execute(COUNT_SOME, {"after": after, "limit": limit})).fetchone()
    assert row is not None
    return row[0], row[1]
