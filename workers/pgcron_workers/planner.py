"""Plans jobs whose definition changed: any worker, one row lock each."""

from __future__ import annotations

import time
from contextlib import suppress

from psycopg import AsyncConnection
from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.job import NewMiss
from pgcron_py.domain.planning import NewPlan, Replan, replan
from pgcron_py.domain.words import JobId
from pgcron_py.errors import InvalidSchedule, UnknownTimeZone
from pgcron_py.storage import claims, plans
from pgcron_workers.observer import NOBODY, Observer

BATCH = 200
SET_ASIDE = 60.0  # seconds before this worker looks again at a job whose zone or plan it can't compute


class Planner:
    """Not a loop of its own: the claimer calls it when plans are pending, on its connection."""

    name = "planner"

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.observer: Observer = NOBODY
        self._log = log
        self._set_aside: dict[JobId, float] = {}

    async def run_once(self, connection: AsyncConnection) -> int:
        """Plans up to a batch; how many were planned or refused."""
        now = time.monotonic()
        self._set_aside = {id_: until for id_, until in self._set_aside.items() if until > now}
        await claims.begin(connection)
        try:
            enabled = await plans.enable_again(connection, BATCH)
            waiting = await plans.lock_needs_plan(connection, self._set_aside.keys(), BATCH)
            misses: list[NewMiss] = []
            done = await self._plan(connection, waiting, misses)
            await connection.execute("COMMIT", prepare=False)
        except BaseException:
            with suppress(Exception):
                await connection.execute("ROLLBACK", prepare=False)
            raise
        self.observer.missed(misses)
        if enabled:
            self._log.info("enabled_again", jobs=enabled)
        return done

    async def _plan(self, connection: AsyncConnection, waiting: list[Replan], misses: list[NewMiss]) -> int:
        planned: list[tuple[JobId, NewPlan]] = []
        refused = 0
        for job in waiting:
            try:
                planned.append((job.timing.job_id, replan(job)))
            except InvalidSchedule as error:
                refused += 1
                await plans.refuse_schedule(connection, job.timing.job_id, str(error))
                self._log.error("schedule_refused", job=job.timing.name, schedule=job.timing.schedule, error=str(error))
            except UnknownTimeZone as error:
                self._aside(job, str(error))
            except Exception as error:
                self._log.exception("plan_failed", job=job.timing.name)
                self._aside(job, repr(error))
        if planned:
            await plans.write_plans(connection, planned)
            misses.extend(plan.miss for _, plan in planned if plan.miss is not None)
        return len(planned) + refused

    def _aside(self, job: Replan, error: str) -> None:
        """Maybe only this host's fault: another worker may plan it."""
        self._set_aside[job.timing.job_id] = time.monotonic() + SET_ASIDE
        self._log.error("job_not_planned_here", job=job.timing.name, error=error)
