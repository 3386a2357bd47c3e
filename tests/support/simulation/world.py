"""A world by a clock of its own: workers that claim, fall silent and come back, messages that are lost, people who interfere."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from pgcron_py.domain.words import Reason
from support.simulation.accounts import Account, audited
from support.simulation.random_jobs import random_row, random_timing
from support.simulation.rows import Row, Run

TTL, BEAT = timedelta(seconds=30), 6.0
BEGINNINGS = (datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC), datetime(2028, 2, 27, tzinfo=UTC))  # fmt: skip
REASONS = (Reason.ERROR, Reason.ERROR, Reason.TIMEOUT, Reason.CRASHED, Reason.DB_ERROR, Reason.SHUTDOWN, Reason.CANCELLED, Reason.TX_BROKEN)  # fmt: skip
MINUTE = 60.0
INTERRUPTION_EVERY, OUTAGE_EVERY = 8 * MINUTE, 300 * MINUTE  # on average

Event = Callable[[], None]


class World:
    """One episode. occurrences: how many it plays, about; told: what happened, by kind."""

    def __init__(self, seed: int, occurrences: int) -> None:
        self.dice = Random(seed)
        self.now = self.dice.choice(BEGINNINGS) + timedelta(seconds=self.dice.uniform(0, 86_400))
        self.told: Counter[str] = Counter()
        self._wanted = occurrences
        self._events: list[tuple[datetime, int, Event]] = []
        self._order, self._names, self._tokens = count(), count(1), count(1)
        self._rows = [random_row(self.dice, self.now) for _ in range(self.dice.randint(3, 9))]
        self._end = self.now + timedelta(days=400)
        for _ in range(self.dice.randint(1, 3)):
            self._start_worker()
        self._later(self._soon(INTERRUPTION_EVERY), self._interfere)
        self._later(self._soon(OUTAGE_EVERY), self._outage)

    def play(self) -> Account:
        while self._accounted() < self._wanted and self.now < self._end:
            at, _, event = heapq.heappop(self._events)
            self.now = max(self.now, at)
            event()
        self._come_to_rest()
        accounts = [audited(row) for row in self._rows]
        return Account(sum(a.occurrences for a in accounts), sum(a.as_runs for a in accounts))

    def _accounted(self) -> int:
        return sum(len(row.ledger) for row in self._rows)

    def _later(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._events, (self.now + timedelta(seconds=seconds), next(self._order), event))

    def _soon(self, average: float) -> float:
        return self.dice.expovariate(1 / average)

    def _happens(self, one_in: int) -> bool:
        return self.dice.randrange(one_in) == 0

    # -- workers

    def _start_worker(self) -> None:
        self._later(self.dice.uniform(0, 5), Worker(self, next(self._names)).poll)

    def due_in(self) -> float:
        """Seconds until something can be planned or claimed."""
        if any(row.needs_plan for row in self._rows):
            return 0.0
        due = min((at for row in self._rows if (at := row.claim_at) is not None), default=None)
        return 3600.0 if due is None else max(0.0, min((due - self.now).total_seconds(), 3600.0))

    def rows_in_random_order(self) -> list[Row]:
        return self.dice.sample(self._rows, len(self._rows))

    def finish(self, row: Row, run: Run, worker: int, reason: Reason | None, token: int) -> None:
        self.told[row.finish(run, worker, self.now, reason, token, self.dice.random())] += 1

    def perform(self, row: Row, run: Run, worker: Worker) -> None:
        """What becomes of a claimed run: mostly it ends and is recorded; sometimes a message is lost."""
        token = next(self._tokens)
        if self._happens(60):
            self.told["claims whose reply was lost"] += 1
            self._later(
                self.dice.uniform(0, BEAT), lambda: self.finish(row, run, worker.name, Reason.ORPHANED_CLAIM, token)
            )
            return
        reason = self.dice.choice(REASONS) if self._happens(6) else None
        seconds = self._soon(self.dice.choice((0.05, 5.0, 90.0)))
        late = self._soon(5 * MINUTE) if self._happens(50) else 0.0
        end = lambda: self.finish(row, run, worker.name, reason, token)  # noqa: E731  # said once or twice
        self._later(seconds + late, end)
        if self._happens(30):  # the reply was lost: it is sent again
            self._later(seconds + late + self._soon(2.0), end)

    def cancel(self, row: Row, run: Run) -> None:
        """Its owner ends it for the next occurrence, which waits."""
        self.told["runs ended for the next"] += 1
        token = next(self._tokens)
        self._later(self._soon(1.0), lambda: self.finish(row, run, run.worker, Reason.CANCELLED, token))

    def vanish(self, worker: Worker) -> None:
        """Its lease lapses; somebody reaps it; what it still sends comes too late."""
        self.told["workers that vanished"] += 1
        self._later(TTL.total_seconds() + self.dice.uniform(0, BEAT), lambda: self._reap(worker))

    def _reap(self, worker: Worker) -> None:
        for row in self._rows:
            for run in [run for run in row.running.values() if run.worker == worker.name]:
                self.finish(row, run, worker.name, Reason.LOST, next(self._tokens))
        self._start_worker()

    def _outage(self) -> None:
        """Nobody reaches the database for a while: everything that was to come comes after it."""
        self.told["outages"] += 1
        ends = self.now + timedelta(seconds=self._soon(self.dice.choice((20.0, 30 * MINUTE, 600 * MINUTE))))
        self._events = [(max(at, ends), order, event) for at, order, event in self._events]
        heapq.heapify(self._events)
        self._later(self._soon(OUTAGE_EVERY), self._outage)

    # -- people

    def _interfere(self) -> None:
        row, now = self.dice.choice(self._rows), self.now
        deed = self.dice.choice(("edit", "disable", "enable", "enable", "enable", "run now", "run now"))
        if deed == "edit":
            row.edit(random_timing(self.dice, row.timing.job_id, row.timing.anchor), now)
        elif deed == "disable" and row.is_enabled:
            row.disable()
        elif deed == "enable" and not row.is_enabled:
            row.enable(now)
        elif deed == "run now":
            row.run_now(now)
        self.told[deed] += 1
        self._later(self._soon(INTERRUPTION_EVERY), self._interfere)

    def _come_to_rest(self) -> None:
        """One last worker does whatever is left; nothing may stay that it can't do."""
        last = next(self._names)
        for row in self._rows:
            if row.needs_plan:
                row.plan()
            for _ in range(10_000):
                for run in list(row.running.values()):
                    self.finish(row, run, run.worker, None, next(self._tokens))
                if not row.is_due(self.now):
                    break
                row.claim(last, self.now)
            assert not row.running, "a run that never ends"
            assert not row.is_due(self.now), "something is due that nobody can claim"
            assert not any(pending.run_after <= self.now for pending in row.requests), "a request that nobody can see"
            row.close_era(row.covers_from)


class Worker:
    """Looks when something is due, a little late, and sometimes very late."""

    def __init__(self, world: World, name: int) -> None:
        self._world, self.name = world, name

    def poll(self) -> None:
        world, dice = self._world, self._world.dice
        for row in world.rows_in_random_order():
            if row.needs_plan:
                row.plan()
            if row.is_due(world.now):
                self._claim(row)
        if world._happens(400):
            return world.vanish(self)
        late = world._soon(dice.choice((20.0, 400.0))) if world._happens(50) else dice.uniform(0.001, 0.2)
        world._later(world.due_in() + late, self.poll)
        return None

    def _claim(self, row: Row) -> None:
        world = self._world
        most = 1 if row.policies.is_exclusive else row.policies.max_running
        slots = world.dice.choice((0, 1, 2)) if world._happens(20) else None  # what a limit leaves
        begun = row.claim(self.name, world.now, row.prepared() if world._happens(2) else None, slots)
        assert len(row.running) <= most, "more runs than may go on"
        for run in begun:
            world.perform(row, run, self)
        for run_id in row.to_cancel & row.running.keys():
            world.cancel(row, row.running[run_id])
        row.to_cancel.clear()
