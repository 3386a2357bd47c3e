"""The fleet as a whole: whether it is paused, who is alive, how much it carries."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

from pgcron_admin.database import Connection
from pgcron_admin.wire import Answer

FLEET: LiteralString = """
SELECT m.paused_at IS NOT NULL AS is_paused, m.paused_at, m.paused_by, m.paused_reason, w.live_workers, w.draining_workers, w.capacity, r.running
FROM pgcron.cron_meta m,
  (SELECT count(*) AS live_workers, count(*) FILTER (WHERE w.state = 'DRAINING') AS draining_workers,
          coalesce(sum(w.concurrency) FILTER (WHERE w.state = 'LIVE'), 0) AS capacity
     FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
    WHERE w.state IN ('LIVE', 'DRAINING') AND e.lease_until > clock_timestamp()) w,
  (SELECT count(*) AS running FROM pgcron.cron_log WHERE status = 'RUNNING') r
"""


class FleetAnswer(Answer):
    """capacity: how many runs the live workers that don't drain can have at a time. running: how many there are."""

    is_paused: bool
    paused_at: datetime | None
    paused_by: str | None
    paused_reason: str | None
    live_workers: int
    draining_workers: int
    capacity: int
    running: int


async def fleet_of(connection: Connection) -> FleetAnswer:
    row = await (await connection.execute(FLEET)).fetchone()
    assert row is not None
    return FleetAnswer(**row)
