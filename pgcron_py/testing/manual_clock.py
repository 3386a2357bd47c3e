"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgcron_py.errors import InvalidArguments

START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Aware UTC instants; never backwards.

    start: an aware datetime, or its ISO form with an offset. Raises InvalidArguments for a naive one.
    """

    def __init__(self, start: datetime | str = START) -> None:
        self._now = _aware(start)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta | None = None, **units: float) -> datetime:
        """By a timedelta, or by its keywords: advance(hours=2, minutes=5). The new now."""
        return self.move_to(self._now + (by or timedelta()) + timedelta(**units))

    def move_to(self, instant: datetime | str) -> datetime:
        moved = _aware(instant)
        if moved < self._now:
            raise InvalidArguments(f"a clock doesn't go back, from {self._now} to {moved}")
        self._now = moved
        return moved


def _aware(instant: datetime | str) -> datetime:
    value = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    if value.tzinfo is None:
        raise InvalidArguments(
            f"{instant!r} has no time zone", hint="write 2026-03-01T12:00+00:00, or datetime(…, tzinfo=UTC)"
        )
    return value.astimezone(UTC)
