"""Which jobs changed since one looked last: definition, plan or counters, whoever changed them and however.

    changes = JobChanges()
    told = await changes.since_last(connection)      # the first time all of them

It costs those who run jobs nothing: the database compares the rows with the snapshot of the last look (pgcron.job_changes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from pgcron_admin.database import Connection

CHANGES: LiteralString = "SELECT snapshot::text, jobs, changed, marks FROM pgcron.job_changes(%(since)s::pg_snapshot)"
IDS: LiteralString = "SELECT job_id FROM pgcron.job_status"


@dataclass(frozen=True, slots=True)
class Told:
    """changed: also of jobs that are new. count: how many jobs there are."""

    changed: Sequence[UUID]
    count: int


class JobChanges:
    def __init__(self) -> None:
        self._since: str | None = None
        # While a transaction stays open the database tells again what it told before: the mark says that it is the same.
        self._told: dict[UUID, int] = {}

    async def since_last(self, connection: Connection) -> Told:
        row = await (await connection.execute(CHANGES, {"since": self._since})).fetchone()
        assert row is not None
        now = dict(zip(row["changed"], row["marks"], strict=True))
        changed = [job for job, mark in now.items() if self._told.get(job) != mark]
        self._since, self._told = row["snapshot"], now
        return Told(changed, row["jobs"])

    def forget(self) -> None:
        """The next look tells all."""
        self._since, self._told = None, {}


async def ids_of_jobs(connection: Connection) -> set[UUID]:
    """Of all jobs: asked when there are fewer than one knows."""
    return {row["job_id"] for row in await (await connection.execute(IDS)).fetchall()}
