"""The kill switch: no worker of any host claims anything while it is pulled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pgcron_py.app.session import Caller, Connection, rows, transaction, value

PAUSED = "SELECT coalesce(paused_by, 'somebody') || coalesce(': ' || paused_reason, '') FROM pgcron.cron_meta WHERE paused_at IS NOT NULL"
STATE = "SELECT paused_at, paused_by, paused_reason FROM pgcron.cron_meta"
PAUSE = "SELECT pgcron.pause_all(%(reason)s)"
RESUME = "SELECT pgcron.resume_all()"


@dataclass(frozen=True, slots=True)
class FleetState:
    """paused_at: None while the fleet works."""

    paused_at: datetime | None
    paused_by: str | None
    paused_reason: str | None


def paused_by(connection: Connection) -> str | None:
    """By whom and why, while it is paused."""
    found: str | None = value(connection, PAUSED)
    return found


def set_paused(connection: Connection, paused: bool, caller: Caller) -> tuple[bool, FleetState]:
    """Whether that changed anything, and how it is now."""
    with transaction(connection, caller):
        changed = value(connection, PAUSE if paused else RESUME, {"reason": caller.reason})
        return changed, rows(connection, FleetState, STATE)[0]
