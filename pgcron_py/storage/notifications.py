"""Taking deliveries and entering how they went; and the look for what no run tells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection

from pgcron_py.domain.words import JobId

LEASE_MS = 60_000
TAKE = "SELECT id, token, kind, attempt, lane, url, secret, message FROM pgcron.take_deliveries(%(limit)s, %(lease)s, %(busy)s)"
SETTLE = "SELECT pgcron.settle_delivery(%(id)s, %(token)s, %(error)s)"
LOOK = "SELECT pinged, due_in FROM pgcron.look_around()"
NEXT = "SELECT pgcron.delivery_in()"

Outcome = Literal["DELIVERED", "PENDING", "GIVEN_UP", "SKIPPED", "LOST"]


@dataclass(frozen=True, slots=True, repr=False)
class Delivery:
    """One attempt to send one message. Its url and secret are for nobody's eyes. lane: of each, one is sent at a time."""

    id: UUID
    token: UUID
    kind: Literal["notification", "ping"]
    attempt: int
    lane: UUID
    url: str
    secret: str | None
    message: dict[str, Any]

    def order(self) -> dict[str, Any]:
        """For pgcron_py.notify.child."""
        return {"kind": self.kind, "key": str(self.id), "url": self.url, "secret": self.secret, "message": self.message}


async def take(connection: AsyncConnection, limit: int, busy: Collection[UUID]) -> list[Delivery]:
    """At most one of each lane, none of the busy ones."""
    cursor = await connection.execute(TAKE, {"limit": limit, "lease": LEASE_MS, "busy": list(busy)})
    return [Delivery(*row) for row in await cursor.fetchall()]


async def settle(connection: AsyncConnection, delivery: Delivery, error: str | None) -> Outcome:
    row = await (
        await connection.execute(SETTLE, {"id": delivery.id, "token": delivery.token, "error": error})
    ).fetchone()
    assert row is not None
    outcome: Outcome = row[0]
    return outcome


async def look(connection: AsyncConnection) -> tuple[dict[JobId, str], float | None]:
    """Opens, tells and resolves what no run tells. The ping_url of each job that has one, and the seconds to the next delivery."""
    row = await (await connection.execute(LOOK)).fetchone()
    assert row is not None
    return {JobId(UUID(job)): url for job, url in row[0].items()}, row[1]


async def seconds_to_next(connection: AsyncConnection) -> float | None:
    """Until the next delivery is due, below 0 when one is; None: none waits."""
    row = await (await connection.execute(NEXT)).fetchone()
    assert row is not None
    seconds: float | None = row[0]
    return seconds
