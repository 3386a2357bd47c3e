"""Runs for occurrences of the past: asked for, watched, cancelled; and what a disabled time held."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pgcron_py.app.jobs import NOW, locked, require
from pgcron_py.app.schedules import timing_of
from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone

BACKFILL = "SELECT pgcron.backfill(%(name)s, %(start)s, %(end)s, %(overlap)s, %(per_minute)s, %(reason)s)"
CANCEL = "SELECT pgcron.cancel_backfill(%(id)s, %(reason)s)"
LIST = """
SELECT b.id, j.name AS job, b.from_at, b.to_at, b.overlap_policy, b.per_minute, b.total, b.requested_by, b.reason, b.created_at, b.cancelled_at, p.*
  FROM pgcron.cron_backfill b JOIN pgcron.cron_job j ON j.id = b.job_id CROSS JOIN LATERAL pgcron.backfill_progress(b.id) p
 WHERE (%(id)s::uuid IS NULL OR b.id = %(id)s) AND (%(job)s::uuid IS NULL OR b.job_id = %(job)s) ORDER BY b.created_at DESC, b.id LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class BackfillRow:
    """waiting to left_out: its occurrences by what became of them; those whose rows retention took away are in none."""

    id: UUID
    job: str
    from_at: datetime
    to_at: datetime
    overlap_policy: str
    per_minute: int | None
    total: int
    requested_by: str
    reason: str | None
    created_at: datetime
    cancelled_at: datetime | None
    waiting: int
    running: int
    succeeded: int
    failed: int
    left_out: int

    @property
    def is_over(self) -> bool:
        return self.waiting == 0 and self.running == 0


@dataclass(frozen=True, slots=True)
class Held:
    """Occurrences of a disabled job. is_exact False: there are more."""

    since: datetime
    until: datetime
    count: int
    is_exact: bool


def backfill(
    connection: Connection, name: str, start: datetime, end: datetime, caller: Caller, *, overlap: str, per_minute: int | None
) -> BackfillRow:  # fmt: skip
    """Raises JobNotFound, JobDisabled, InvalidArguments."""
    with transaction(connection, caller, "60s"):
        require(connection, name)
        params = {
            "name": name,
            "start": start,
            "end": end,
            "overlap": overlap,
            "per_minute": per_minute,
            "reason": caller.reason,
        }
        id_ = value(connection, BACKFILL, params)
        return _one(connection, id_)


def list_backfills(connection: Connection, name: str | None = None) -> Sequence[BackfillRow]:
    """The newest 50. Raises JobNotFound."""
    with transaction(connection):
        job = None if name is None else require(connection, name)
        return rows(connection, BackfillRow, LIST, {"id": None, "job": job})


def cancel_backfill(connection: Connection, id_: UUID, caller: Caller) -> int:
    """How many occurrences no longer wait. Raises NotFound."""
    with transaction(connection, caller):
        return int(value(connection, CANCEL, {"id": id_, "reason": caller.reason}))


def watch_backfill(
    connection: Connection, id_: UUID, tell: Callable[[BackfillRow], None], pause_s: float = 0.5
) -> BackfillRow:
    """Until nothing of it waits or runs."""
    while True:
        with transaction(connection):
            row = _one(connection, id_)
        tell(row)
        if row.is_over:
            return row
        time.sleep(pause_s)


def _one(connection: Connection, id_: UUID) -> BackfillRow:
    return rows(connection, BackfillRow, LIST, {"id": id_, "job": None})[0]


def held_by(connection: Connection, names: Sequence[str]) -> dict[str, Held]:
    """What disabled jobs would have run since they were disabled; jobs that held nothing are left out. Raises JobNotFound."""
    with transaction(connection):
        now = value(connection, NOW)
        found = {name: _held(row, now) for name, row in locked(connection, names).items() if not row["is_enabled"]}
    return {name: held for name, held in found.items() if held is not None}


def _held(row: dict[str, object], now: datetime) -> Held | None:
    since = row["disabled_at"]
    if not isinstance(since, datetime):
        return None
    try:
        plan = timing_of(JobDeclaration.from_values(row), row["anchor_at"]).plan()  # type: ignore[arg-type]  # a timestamptz
        count, is_exact = plan.count_between(since, now)
    except (InvalidSchedule, UnknownTimeZone):
        return None
    return Held(since, now, count, is_exact) if count else None
