"""Adding ended runs to the days they began on."""

from __future__ import annotations

from uuid import UUID

from psycopg import AsyncConnection

COUNT_SOME = "SELECT counted, last, held FROM pgcron.count_some_runs(%(after)s, %(limit)s)"


async def count_some_runs(connection: AsyncConnection, after: UUID, limit: int) -> tuple[int, UUID | None, UUID | None]:
    """How many runs were counted, of jobs with ids after `after`; where the next batch goes on (None: nothing is left); and a
    job with more than a batch of its own that somebody holds: the next batch meets it again, unless it goes on after it."""
    row = await (await connection.execute(COUNT_SOME, {"after": after, "limit": limit})).fetchone()
    assert row is not None
    return row[0], row[1], row[2]
