"""The only `while` of the background duties: do one round, wait as long as it says, or until somebody wakes it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import psycopg
from structlog.typing import FilteringBoundLogger

from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES
from pgcron_workers.session import DatabaseAway

AWAY_FIRST, AWAY_MOST = 0.1, 2.0  # seconds between tries while the database is away
CONFLICT = 0.02


class Duty(Protocol):
    """One background duty. run_once does one round and returns the seconds until the next (0: there is more)."""

    name: str

    async def run_once(self) -> float: ...


class Alarm:
    """Wakes a sleeping duty before its time."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.ring = self._event.set  # for each run several times

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


async def keep_doing(
    duty: Duty, alarm: Alarm, log: FilteringBoundLogger, wait: Callable[[float], Awaitable[None]] | None = None
) -> None:
    """Rounds of `duty` until cancelled. An error of ours is logged with its trace and never ends the loop."""
    pause = wait or alarm.wait
    away = AWAY_FIRST
    while True:
        try:
            delay = await duty.run_once()
            away = AWAY_FIRST
        except DatabaseAway:
            delay, away = away * random.uniform(0.5, 1), min(away * 2, AWAY_MOST)
            await asyncio.sleep(delay)
            continue
        except psycopg.Error as error:
            if error.sqlstate in RETRIED_SQLSTATES or error.sqlstate == "57014":
                delay = CONFLICT * random.uniform(0.5, 1.5)
            else:
                log.exception("round_failed", duty=duty.name)
                delay = 1.0
        except Exception:
            log.exception("round_failed", duty=duty.name)
            delay = 1.0
        if delay > 0:
            await pause(delay)
        else:
            await asyncio.sleep(0)
