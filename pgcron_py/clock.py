"""The database's clock, seen from here. Hosts disagree; every decision uses the time of the one database."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID


class DatabaseClock:
    """An estimate of the database's clock_timestamp(), measured at each beat; it can't run backwards with the host's clock."""

    def __init__(self) -> None:
        self._epoch_minus_monotonic = time.time() - time.monotonic()

    def measured(self, database_now: datetime, sent: float, received: float) -> None:
        """database_now: what it said between `sent` and `received`, both time.monotonic() seconds."""
        self._epoch_minus_monotonic = database_now.timestamp() - (sent + received) / 2

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._epoch_minus_monotonic + time.monotonic(), UTC)

    def seconds_until(self, instant: datetime) -> float:
        return (instant - self.now()) / timedelta(seconds=1)

    def uuid7(self) -> UUID:
        """A time-ordered id (RFC 9562, version 7) by the database's clock."""
        milliseconds = int((self._epoch_minus_monotonic + time.monotonic()) * 1000)
        random = int.from_bytes(os.urandom(10), "big")
        value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64
        return UUID(int=value | 0b10 << 62 | random & 0x3FFFFFFFFFFFFFFF)
