"""The faults. Each strikes at once; one that lasts returns for how long, and how it is taken back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from chaos.storm.app import POISONS
from chaos.storm.arena import TTL, Arena, Seat, refused_or_away
from chaos.storm.plan import Step

LOCKED_TABLES = (
    "cron_job", "cron_log", "cron_lease", "cron_worker", "cron_request", "cron_miss", "cron_reaper", "cron_outbox",
    "cron_log_line", "cron_meta",
)  # fmt: skip
POISON_JOBS = (
    *(f"poison-def-{name}" for name in POISONS), *(f"poison-async-{name}" for name in POISONS),
    "poison-async-swallow", "poison-tx-commit", "poison-tx-rollback", "poison-tx-again",
)  # fmt: skip


@dataclass
class Lasting:
    """What goes on for some seconds, until it is undone."""

    seconds: float
    undo: Callable[[], None]


@dataclass
class Taken:
    """Runs that a fault took from their worker, and when."""

    kind: str
    at: datetime
    run_ids: list[UUID] = field(default_factory=list)


class Faults:
    """One method for each kind of fault in `plan.FAULT_WEIGHTS`."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.taken: list[Taken] = []

    def strike(self, step: Step) -> Lasting | None:
        return getattr(self, step.kind)(step)

    # -- processes

    def kill_supervisor(self, step: Step) -> None:
        seat = self._seat(step)
        with self._taking(step.kind, seat):
            self.arena.kill(seat)
        self.arena.refill()

    def kill_executor(self, step: Step) -> None:
        seat = self._seat(step)
        below = seat.worker.executor_pids()
        if not below or not self.arena.is_ready(seat):
            return  # an application that can't be loaded rightly ends its worker
        with self._taking(step.kind, seat):
            _signal(below[int(step.variant * len(below))], signal.SIGKILL)

    def stop_tree(self, step: Step) -> Lasting:
        seat = self._seat(step)
        return self._stopped(step, seat, [seat.worker.pid, *seat.worker.executor_pids()])

    def stop_supervisor(self, step: Step) -> Lasting:
        seat = self._seat(step)
        return self._stopped(step, seat, [seat.worker.pid])

    def _stopped(self, step: Step, seat: Seat, pids: list[int]) -> Lasting:
        with self._taking(step.kind, seat):
            for pid in pids:
                _signal(pid, signal.SIGSTOP)
        seat.stopped = True

        def go_on() -> None:
            seat.stopped = False
            for pid in pids:
                _signal(pid, signal.SIGCONT)

        return Lasting(step.seconds(TTL, TTL * 2.5), go_on)

    def term(self, step: Step) -> None:
        """Every seat but sometimes one: a rolling restart in a hurry."""
        for seat in self.arena.seats[: 1 + int(step.variant * len(self.arena.seats))]:
            if not seat.stopped:
                self.arena.dismiss(seat)

    def term_twice(self, step: Step) -> Lasting:
        worker = self.arena.dismiss(self._seat(step))
        return Lasting(step.seconds(0.01, 0.5), lambda: _signal(worker.pid, signal.SIGTERM))

    def drain(self, step: Step) -> None:
        """From afar, by whoever looks at the table of workers."""
        seat = self._seat(step)
        if seat.stopped:
            return  # it could not leave, and its seat would be taken for that of one who is expected to stay
        with refused_or_away():
            if self.arena.rows(DRAIN, seat.worker.pid):
                self.arena.expect_to_leave(seat)

    # -- the database

    def terminate_backends(self, step: Step) -> None:
        """All of the fleet's, or about a third."""
        share = 1.0 if step.variant < 0.2 else 0.35
        self.arena.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'storm_worker' AND (hashint4(pid) & 1023) < %s",
            int(share * 1024),
        )

    def restart_server(self, step: Step) -> None:
        self.arena.server.restart("immediate")

    def lock_table(self, step: Step) -> Lasting:
        connection = psycopg.connect(self.arena.fleet.url, options="-c lock_timeout=2s")
        table = step.choice(LOCKED_TABLES)
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            connection.execute(f"LOCK TABLE pgcron.{table} IN ACCESS EXCLUSIVE MODE")

        def let_go() -> None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

        return Lasting(step.seconds(0.3, 3.5), let_go)

    # -- the network

    def lose_commit_reply(self, step: Step) -> None:
        self._seat(step).proxy.swallow_reply_to(b"COMMIT")

    def cut_before_commit(self, step: Step) -> None:
        self._seat(step).proxy.cut_at(b"COMMIT")

    def cut_connections(self, step: Step) -> None:
        self._seat(step).proxy.cut_all()

    def fall_silent(self, step: Step) -> Lasting:
        proxy = self._seat(step).proxy
        proxy.fall_silent()
        return Lasting(step.seconds(0.5, TTL * 2), lambda: proxy.fall_silent(False))

    def stall_replies(self, step: Step) -> Lasting:
        """Half-open: what the worker says arrives, and no answer comes."""
        proxy = self._seat(step).proxy
        proxy.stall_replies()
        return Lasting(step.seconds(0.5, TTL * 2), lambda: proxy.stall_replies(False))

    # -- handlers

    def poison(self, step: Step) -> None:
        with refused_or_away():
            self.arena.rows("SELECT pgcron.run_now(%s)", step.choice(POISON_JOBS))

    # -- who is struck, and what it costs

    def _seat(self, step: Step) -> Seat:
        return self.arena.seats[int(step.victim * len(self.arena.seats))]

    @contextlib.contextmanager
    def _taking(self, kind: str, seat: Seat) -> Any:
        """Remembers what ran there: see `report`."""
        taken = Taken(kind, datetime.min)
        with contextlib.suppress(psycopg.OperationalError):
            rows = self.arena.rows(RUNNING_THERE, seat.worker.pid)
            taken.run_ids = [row["id"] for row in rows]
            taken.at = self.arena.now()
            self.taken.append(taken)
        yield


# Process ids may come again: the newest worker of that number is meant.
RUNNING_THERE = """
SELECT l.id FROM pgcron.cron_log l
 WHERE l.status = 'RUNNING' AND l.worker_id = (SELECT w.id FROM pgcron.cron_worker w WHERE w.pid = %s ORDER BY w.started_at DESC LIMIT 1)
"""


DRAIN = """
SELECT pgcron.drain_worker(w.id, 'the storm') FROM pgcron.cron_worker w WHERE w.pid = %s AND w.state = 'LIVE'
 ORDER BY w.started_at DESC LIMIT 1
"""


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
