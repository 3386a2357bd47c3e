"""Gives up the runs of workers whose lease lapsed. Any worker does it, one at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import uuid4

from structlog.typing import FilteringBoundLogger

from pgcron_py.domain.retry import Failure, retry
from pgcron_py.domain.words import Reason, Status, WorkerId
from pgcron_py.storage import claims, runs, workers
from pgcron_workers.loop import Alarm
from pgcron_workers.observer import NOBODY, Observer
from pgcron_workers.session import Connection, Session

SLEEP = 3600.0  # the beat rings when there is somebody to reap


class Reaper:
    """on_reaped: retries may be there to claim."""

    name = "reaper"

    def __init__(self, session: Session, log: FilteringBoundLogger, on_reaped: Callable[[], None]) -> None:
        self.alarm = Alarm()
        self.observer: Observer = NOBODY
        self._lost = 0
        self._session, self._log, self._on_reaped = session, log, on_reaped

    async def run_once(self) -> float:
        for worker in await self._session.run(workers.lapsed):
            if await self._session.run(partial(self._reap, worker=worker)):
                self._on_reaped()
        await self._session.close()  # nobody needs it until somebody dies
        return SLEEP

    async def _reap(self, connection: Connection, worker: WorkerId) -> bool:
        """One worker, one transaction. Its row first: a claim of its own holds it FOR SHARE until it is over."""
        await claims.begin(connection)
        try:
            reaped = await self._reap_locked(connection, worker)
            await connection.execute("COMMIT" if reaped else "ROLLBACK", prepare=False)
        except BaseException:
            with suppress(Exception):
                await connection.execute("ROLLBACK", prepare=False)
            raise
        for _ in range(self._lost if reaped else 0):
            self.observer.ended(Status.FAILED, Reason.LOST, None)
        return reaped

    async def _reap_locked(self, connection: Connection, worker: WorkerId) -> bool:
        if await (await connection.execute(workers.TAKE_REAPER)).fetchone() is None:
            return False  # somebody else reaps
        if not await workers.found(connection, workers.LOCK_WORKER, worker):
            return False
        if not await workers.found(connection, workers.LOCK_LAPSED_LEASE, worker):
            return False  # it beat meanwhile
        await connection.execute(workers.BURY, {"worker": worker})
        lost = await runs.running_of(connection, worker)
        for run in lost:
            if run.backend is not None:
                await connection.execute(workers.END_BACKEND, {"pid": run.backend[0], "start": run.backend[1]})
        finishes = [_lost(run, worker) for run in lost]
        if finishes:
            await runs.finish_runs(connection, worker, finishes)
        self._lost = len(finishes)
        self._log.warning("worker_reaped", dead_worker=str(worker), lost_runs=len(lost))
        return True


def _lost(run: runs.RunningRun, worker: WorkerId) -> runs.Finish:
    again = retry(run.policy, Failure(Reason.LOST), run.attempt, random.random())
    return runs.Finish(
        run.id, run.job_id, Status.FAILED, uuid4(), Reason.LOST, again is None,
        error=f"worker {worker} went silent: its lease lapsed", retry_after_ms=again.after_ms if again else None, retry_attempt=again.attempt if again else None,
    )  # fmt: skip
