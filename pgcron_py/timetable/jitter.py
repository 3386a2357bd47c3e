"""Jitter: how long after its nominal instant a job starts. A hash: workers agree, and nothing is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgcron_py.timetable.spreading import number_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def jitter_offset(job_id: str, scheduled_for: datetime, jitter_ms: int) -> timedelta:
    """0 <= offset < jitter_ms, in whole ms, fixed for (job, occurrence). No jitter for jitter_ms <= 0.

    `jittered_start` also keeps the start before the next occurrence.
    """
    if scheduled_for.utcoffset() is None:
        raise ValueError(f"{scheduled_for!r} is naive: give an aware datetime")
    if jitter_ms <= 0:
        return timedelta(0)
    seed = f"{job_id}\0{(scheduled_for - _EPOCH) // _MICROSECOND}"
    return timedelta(milliseconds=number_of(seed) % jitter_ms)


def jittered_start(job_id: str, scheduled_for: datetime, jitter_ms: int, following: datetime | None) -> datetime:
    """When to start: nominal plus jitter, and always before `following`, the next nominal instant."""
    room_ms = jitter_ms
    if following is not None:
        room_ms = min(jitter_ms, (following - scheduled_for) // timedelta(milliseconds=1))
    return scheduled_for + jitter_offset(job_id, scheduled_for, room_ms)
