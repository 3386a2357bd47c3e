"""The handlers that workers have, or had, with their parameters and the jobs that use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pgcron_py.app.jobs import did_you_mean
from pgcron_py.app.session import Connection, rows, transaction
from pgcron_py.errors import NotFound

# A job may name a handler that nobody ever had: it is listed too.
LIST = """
SELECT name, h.app, h.release, h.description, coalesce(h.is_async, false) AS is_async, coalesce(h.is_transactional, false) AS is_transactional,
  h.parameters, h.published_at, coalesce(w.workers, 0) AS workers, coalesce(j.jobs, 0) AS jobs
  FROM pgcron.cron_handler h
  FULL JOIN (SELECT handler AS name, count(*) AS jobs FROM pgcron.cron_job GROUP BY handler) j USING (name)
  LEFT JOIN (SELECT x ->> 'name' AS name, count(*) AS workers FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
     CROSS JOIN LATERAL jsonb_array_elements(w.handlers) x WHERE w.state = 'LIVE' AND e.lease_until > clock_timestamp() GROUP BY 1) w USING (name)
 WHERE %(name)s::text IS NULL OR name = %(name)s ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class HandlerRow:
    """parameters: JSON schema of its arguments; None = unknown. workers: live ones that have it; jobs: that use it."""

    name: str
    app: str | None
    release: str | None
    description: str | None
    is_async: bool
    is_transactional: bool
    parameters: dict[str, Any] | None
    published_at: datetime | None
    workers: int
    jobs: int


def list_handlers(connection: Connection) -> Sequence[HandlerRow]:
    with transaction(connection):
        return rows(connection, HandlerRow, LIST, {"name": None})


def show_handler(connection: Connection, name: str) -> HandlerRow:
    """Raises NotFound."""
    found = {row.name: row for row in list_handlers(connection)}
    if name not in found:
        hint = did_you_mean(name, list(found)) or "`pgcron handlers list` shows all"
        raise NotFound(f"no handler is {name!r}", hint=hint)
    return found[name]
