"""The supervisor: the only place that wires duties together. It never imports user code."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
from structlog.typing import FilteringBoundLogger

import pgcron_py
from pgcron_py.app.sync import sync_declarations
from pgcron_py.clock import DatabaseClock
from pgcron_py.domain.words import Reason, RunId, WorkerId
from pgcron_py.errors import DatabaseNotReady
from pgcron_py.storage import claims, guards, runs, workers
from pgcron_py.storage.sqlstates import RETRIED_SQLSTATES, translated
from pgcron_workers.book import Book
from pgcron_workers.claimer import Claimer
from pgcron_workers.config import WorkerConfig
from pgcron_workers.executors.base import Application
from pgcron_workers.executors.newborn import Newborn
from pgcron_workers.executors.pool import ExecutorPool
from pgcron_workers.heartbeat import Heartbeat
from pgcron_workers.lease import Lease
from pgcron_workers.listener import Listener
from pgcron_workers.logs import speak_as
from pgcron_workers.loop import AWAY_MOST, Alarm, keep_doing
from pgcron_workers.notifier import Notifier
from pgcron_workers.observer import Observer, Observers
from pgcron_workers.output_recorder import OutputRecorder
from pgcron_workers.reaper import Reaper
from pgcron_workers.recorder import Recorder, orphaned
from pgcron_workers.retention import Retention
from pgcron_workers.sender import Sender
from pgcron_workers.session import Connection, DatabaseAway, DatabaseWatch, Session, Use
from pgcron_workers.vitals import Vitals

OWN_CONNECTIONS = 9  # claim, record, output, listen, notify; and, opened when needed, to claim much, to reap, to end backends and to purge


class Supervisor:
    """One worker: sessions, duties, an executor, from registration to leaving."""

    def __init__(self, config: WorkerConfig, log: FilteringBoundLogger, newborn: Newborn | None = None) -> None:
        self._config, self._log = config, log
        self._watch = DatabaseWatch(log)
        warm_ups: dict[str, Use | None] = {
            "claim": claims.warm_up, "claim 2": claims.warm_up, "record": runs.warm_up, "output": None, "listen": None, "reap": None, "stop": None, "purge": None,
            "notify": None,
        }  # fmt: skip
        self._sessions = {duty: Session(config.database_url, duty, self._watch, use) for duty, use in warm_ups.items()}
        self._book, self._clock, self._lease = Book(), DatabaseClock(), Lease(config.lease_ttl)
        self._executor = ExecutorPool(
            {
                "app": config.app,
                "database_url": config.database_url,
                "connections": min(config.concurrency, 20),
                "log_level": config.log_level,
                "cancel_grace": config.cancel_grace,
                "processes": config.processes,
                "builtins": dict(config.builtins),
            },
            log,
            self._end_backend,
            newborn,
        )
        self._wire()
        self._application: Application | None = None
        self._worker_id: WorkerId | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tell(self._notifier)

    def _wire(self) -> None:
        config, log = self._config, self._log
        self._claimer = Claimer(
            self._sessions["claim"], self._sessions["claim 2"], self._book, self._lease, self._clock, log,
            starter=self._executor, free_slots=self._free_slots, is_async=self._executor.is_async, few=min(config.concurrency // 4, 100), queues=config.queues,
            busy_share=config.busy_share,
        )  # fmt: skip
        self._recorder = Recorder(
            self._sessions["record"], self._book, log, on_free=self._claimer.alarm.ring, on_retry=self._claimer.hint
        )
        self._output = OutputRecorder(self._sessions["output"], self._clock, log, level_of=self._book.log_level_of)
        self._recorder.on_recorded = self._output.judged
        self._reaper = Reaper(self._sessions["reap"], log, on_reaped=self._claimer.hint)
        self._retention = Retention(self._sessions["purge"], config.log_retention_days, log)
        self._heartbeat = Heartbeat(
            self._book, self._lease, self._clock, self._claimer, self._executor, self._reaper.alarm, log,
            interval=config.beat, queues=config.queues, on_dead=self._declared_dead, on_drain=self._drain_from_afar,
        )  # fmt: skip
        self._notifier = Notifier(self._sessions["notify"], Sender(log), log)
        self._heartbeat.on_glance = self._notifier.told
        self._listener = Listener(
            self._sessions["listen"], self._heartbeat, self._claimer, self._watch, log, self._notifier.ring
        )
        self._executor.on_end = self._recorder.ended
        self._executor.on_output(self._output.received)
        self._executor.on_restarted = self._executor_restarted

    def _free_slots(self, is_async: bool) -> int:
        if not self._executor.is_up(is_async):
            return 0
        used = self._book.performing_count
        if is_async:
            return self._config.concurrency - used
        return min(self._config.concurrency - used, self._config.processes - self._alone_count())

    def _alone_count(self) -> int:
        return self._book.count_performing(lambda handler: not self._executor.is_async(handler))

    async def _end_backend(self, run_id: RunId) -> None:
        """Ends the recorded backend of a run that is about to be killed: a killed client's backend goes on, with its locks."""
        try:
            await self._sessions["stop"].run(partial(workers.end_backend_of, run=run_id), deadline=2)
        except Exception as error:
            self._log.warning("backend_not_ended", run_id=str(run_id), error=str(error))
            self._watch.back("stop")  # nobody tries again, so nobody else would say so

    def vitals(self) -> Vitals:
        """How this worker is right now."""
        return Vitals(
            self._claimer.worker_id, self._lease.age, self._executor.is_up(True), self._stop.is_set(), self._claimer.is_paused,
            self._watch.is_away, self._listener.is_listening, self._watch.is_pooled, self._config.concurrency,
            self._book.performing_count, self._config.processes, self._alone_count(), self._recorder.waiting, self._heartbeat.requests_waiting,
        )  # fmt: skip

    def tell(self, observer: Observer) -> None:
        """From now on the duties tell this one too what they did."""
        self._tell(Observers(self._notifier, observer))

    def _tell(self, observer: Observer) -> None:
        self._claimer.tell(observer)
        for duty in (self._recorder, self._heartbeat, self._reaper):
            duty.observer = observer
        self._observer = observer

    def stop(self) -> None:
        """SIGTERM, SIGINT: the first drains, the second hurries."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def run(self) -> int:
        """Until stopped; the exit code. Raises PgCronError for what an operator must mend first."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        has_begun = False
        try:
            has_begun = await self._unless_stopped(self._begin())
        finally:
            if not has_begun:
                await self._executor.stop()
        if not has_begun:
            return 0
        duties = [
            asyncio.create_task(keep_doing(duty, duty.alarm, self._log), name=duty.name)
            for duty in (self._claimer, self._recorder, self._output, self._reaper, self._retention, self._notifier)
        ]
        duties.append(asyncio.create_task(keep_doing(self._listener, Alarm(), self._log), name="listener"))
        duties.append(asyncio.create_task(self._watch_lease(), name="lease"))
        await self._stop.wait()
        await self._shut_down(duties)
        return 0

    async def _unless_stopped(self, begin: Any) -> bool:
        task = asyncio.ensure_future(begin)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            return False
        task.result()
        return True

    async def _begin(self) -> None:
        await self._patiently(self._check_database)
        self._application = await self._executor.start()
        await self._patiently(self._register)

    async def _patiently(self, step: Any) -> None:
        """A database that is not there yet, or that is busy with something else, is waited for."""
        delay = 0.1
        while True:
            try:
                await self._sessions["claim"].run(step)
                return
            except DatabaseAway:
                pass
            except psycopg.Error as error:
                if error.sqlstate not in RETRIED_SQLSTATES and error.sqlstate != "57014":
                    raise translated(error) or error from error
            await asyncio.sleep(delay)
            delay = min(delay * 2, AWAY_MOST)

    async def _check_database(self, connection: Connection) -> None:
        row = await (await connection.execute(guards.EXISTS)).fetchone()
        if row is None or not row[0]:
            raise DatabaseNotReady("this database has no schema pgcron", hint="run `pgcron db upgrade`")
        row = await (await connection.execute(guards.STATE)).fetchone()
        assert row is not None
        state = guards.Guards(*row)
        state.check()
        if warning := state.check_budget(OWN_CONNECTIONS + 1):
            self._log.warning("few_connections_left", detail=warning)

    async def _register(self, connection: Connection) -> None:
        application = self._application
        assert application is not None
        report = await sync_declarations(connection, application.name, application.release, application.declarations)
        if report.changed or report.kept or report.ignored:
            self._log.info(
                "jobs_declared", created=report.created, updated=report.updated, undeclared=report.undeclared,
                edited_by_admins=report.kept, of_newer_release=report.ignored,
            )  # fmt: skip
        worker_id = WorkerId(self._clock.uuid7())
        config = self._config
        row = {
            "id": str(worker_id), "host": socket.gethostname(), "pid": os.getpid(), "version": pgcron_py.__version__,
            "app": application.name, "release": application.release, "queues": config.queues, "handlers": application.handlers,
            "concurrency": config.concurrency,
        }  # fmt: skip
        await workers.register(connection, row, int(config.lease_ttl * 1000))
        self._is_now(worker_id, application)
        self._log.info(
            "worker_ready", worker_id=str(worker_id), app=application.name, handlers=len(application.handlers)
        )

    def _is_now(self, worker_id: WorkerId, application: Application) -> None:
        self._worker_id = worker_id
        speak_as(worker_id)
        self._executor.belongs_to(worker_id)
        self._claimer.serves(application.handler_names, application.release)
        self._recorder.worker_id = self._heartbeat.worker_id = worker_id
        self._claimer.belongs_to(worker_id)
        self._output.worker_id = worker_id
        self._claimer.hint()

    def _executor_restarted(self, application: Application) -> None:
        self._application = application
        self._observer.executor_restarted()
        self._claimer.serves(application.handler_names, application.release)
        self._claimer.hint()

    async def _declared_dead(self) -> bool:
        """Somebody reaped this worker while it was silent: its runs are others' now. Begin anew under a new id, unless it
        was to leave anyway. Whether it began anew."""
        self._log.warning("declared_dead", worker_id=str(self._worker_id), runs=len(self._book.runs))
        self._claimer.belongs_to(None)
        self._lease.forget()
        async with self._claimer.mutex:
            self._book.clear()
            self._recorder.forget_all()
            await self._executor.kill(Reason.LOST)
        await self._patiently(self._register_unless_drained)
        return not self._stop.is_set()

    async def _register_unless_drained(self, connection: Connection) -> None:
        assert self._worker_id is not None
        if await workers.found(connection, workers.ASKED_TO_DRAIN, self._worker_id):
            self._drain_from_afar()
        if not self._stop.is_set():
            await self._register(connection)

    def _drain_from_afar(self) -> None:
        if not self._stop.is_set():
            self._log.info("drain_requested")
            self._stop.set()

    async def _watch_lease(self) -> None:
        """No beat for 80 % of the ttl: end runs while they are surely still this worker's."""
        while True:
            await asyncio.sleep(self._config.lease_ttl / 50)
            performing = self._book.performing
            if self._worker_id is None or not performing or self._lease.may_run:
                continue
            if self._lease.must_end:
                await self._executor.kill(Reason.DB_ERROR)
            else:
                self._executor.cancel(performing, Reason.DB_ERROR)

    async def _shut_down(self, duties: list[asyncio.Task[None]]) -> None:
        """Claims stop, runs finish, then are cancelled, then killed; their ends are written; the beat ends last."""
        self._log.info("draining", runs=self._book.performing_count)
        self._claimer.is_draining = True
        await self._say_draining()
        await self._runs_ended(self._config.shutdown_grace)
        if self._book.performing:
            self._executor.cancel(self._book.performing, Reason.SHUTDOWN)
            await self._runs_ended(5.0)
        if self._book.performing:
            await self._executor.kill(Reason.SHUTDOWN)
        await self._executor.stop()
        try:
            async with asyncio.timeout(10):
                await self._recorder.flushed()
        except TimeoutError:
            self._log.warning(
                "results_not_written", runs=self._recorder.waiting, effect="they become `lost` when the lease lapses"
            )
        await asyncio.wait({asyncio.ensure_future(self._output.flushed())}, timeout=3)
        await asyncio.wait({asyncio.ensure_future(self._notifier.finished())}, timeout=5)
        for duty in duties:
            duty.cancel()
        await asyncio.wait(duties, timeout=5)
        await self._notifier.close()
        await self._leave()
        self._log.info("worker_gone", worker_id=str(self._worker_id))

    async def _say_draining(self) -> None:
        async with self._claimer.mutex:
            try:
                await self._sessions["claim"].run(
                    lambda c: c.execute(workers.DRAIN, {"worker": self._worker_id}), deadline=3
                )
            except Exception as error:
                self._log.debug("drain_not_said", error=str(error))

    async def _leave(self) -> None:
        try:
            if not self._book.runs:
                await self._sessions["claim"].run(self._say_goodbye, deadline=3)
        except Exception as error:
            self._log.warning("leave_not_said", error=str(error), effect="the lease lapses by itself")
        for session in self._sessions.values():
            await session.close()

    async def _say_goodbye(self, connection: Connection) -> None:
        """Nothing is known to run here: what is RUNNING all the same never began, and nobody would find it later."""
        assert self._worker_id is not None
        async with connection.transaction():
            await workers.found(connection, workers.LOCK_WORKER, self._worker_id)  # a last claim is over, or never was
            left = await runs.running_of(connection, self._worker_id)
            if left:
                self._log.warning("orphaned_claims", runs=[str(run.id) for run in left])
                finishes = [orphaned(run, lambda: RunId(uuid4())) for run in left]
                await runs.finish_runs(connection, self._worker_id, finishes)
            await connection.execute(workers.LEAVE, {"worker": self._worker_id})

    async def _runs_ended(self, seconds: float) -> None:
        """Until nothing is performed any more, or the time is over, or somebody hurries (then at most a moment)."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._book.performing and asyncio.get_running_loop().time() < deadline and not self._hurry.is_set():  # noqa: ASYNC110 - three conditions, at shutdown only
            await asyncio.sleep(0.02)
