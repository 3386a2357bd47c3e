"""Jobs, their past and what people did, in one transaction: an interrupted demo leaves an empty database, not half a story."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import psycopg

from pgcron_py.app.sync import sync_declarations
from pgcron_workers.demo.showcase.app import app
from pgcron_workers.demo.showcase.history import write_history
from pgcron_workers.demo.showcase.story import tell_story

DICE = 2611
COUNT = "SELECT counted, last FROM pgcron.count_some_runs(%s, 5000)"


def seed_showcase(superuser_url: str, dice: int = DICE) -> int:
    """Nothing where there are jobs already. Returns how many runs it wrote."""
    with psycopg.connect(superuser_url) as connection:
        if connection.execute("SELECT id FROM pgcron.cron_job LIMIT 1").fetchone() is not None:
            return 0
    asyncio.run(_declare(superuser_url))
    with psycopg.connect(superuser_url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        written = write_history(connection, row[0], random.Random(dice))
        tell_story(connection, row[0])
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE pgcron.cron_job, pgcron.cron_log, pgcron.cron_log_line")
        _count(connection)
    return written


async def _declare(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await sync_declarations(connection, app.name, app.release, list(app.declarations.values()))


def _count(connection: psycopg.Connection) -> None:
    """Into days, as workers do it: statistics are there at once."""
    after: UUID | None = UUID(int=0)
    while after is not None:
        row = connection.execute(COUNT, (after,)).fetchone()
        assert row is not None
        after = row[1]
