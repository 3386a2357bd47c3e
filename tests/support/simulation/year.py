"""A fleet at work for months: 300 jobs of all policies, blackouts, edits and outages, one worker that mostly keeps up.

Unlike `world` it asks for speed: no lost messages, and the ledger of each month is audited and put away.
"""

from __future__ import annotations

import heapq
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from uuid import UUID

from pgcron_py.domain.blackout import Blackout
from pgcron_py.domain.job import Timing
from pgcron_py.domain.words import JobId, Reason
from support.simulation.accounts import audited
from support.simulation.random_jobs import EXCLUSIONS, ZONES, random_blackout, random_policies
from support.simulation.rows import Row, Run

BEGIN, NEVER = datetime(2026, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
JOBS = 300
# What a fleet runs: how many of 300, and how often.
MIX = (
    (6, "* * * * *"), (4, "@every 90s"), (40, "*/{n} * * * *"), (20, "{m},{k} * * * *"), (90, "{m} * * * *"), (20, "{m} */3 * * *"),
    (80, "{m} {h} * * *"), (20, "{m} {h} * * 1-5"), (10, "{m} {h} {d} * *"), (5, "@weekly"), (5, "30 2 * * 0"),
)  # fmt: skip


class Year:
    """told: what happened, by kind. part, parts: jobs don't meet, so processes can share them out."""

    def __init__(self, seed: int, part: int = 0, parts: int = 1) -> None:
        self.dice = Random(seed)
        self.now = BEGIN
        self.told: Counter[str] = Counter()
        self._order, self._tokens = count(), count(1)
        self._looks: dict[UUID, datetime] = {}  # when each job is looked at next
        self._events: list[tuple[datetime, int, Row, Run | None, Reason | None]] = []
        texts = [text for number, text in MIX for _ in range(number)]
        assert len(texts) == JOBS
        self._rows = [self._row(text) for text in texts[part::parts]]
        for row in self._rows:
            row.plan()
            self._look_again(row)

    def _row(self, text: str) -> Row:
        dice = self.dice
        numbers = {
            "n": dice.choice((5, 10, 15, 20)),
            "m": dice.randrange(60),
            "k": dice.randrange(60),
            "h": dice.randrange(24),
            "d": dice.randint(1, 31),
        }
        timing = Timing(
            JobId(UUID(int=dice.getrandbits(128))), "job", text.format(**numbers), dice.choice(ZONES), BEGIN, dice.choice((0, 0, 0, 20_000)),
            dice.choice((None, "run_after", "skip")), dice.choice((None, "first", "both", "second")),
            ("0 12 * * *",) if dice.random() < 0.1 else (), (dice.choice(EXCLUSIONS),) if dice.random() < 0.1 else (),
        )  # fmt: skip
        blackouts: tuple[Blackout, ...] = (random_blackout(dice, BEGIN),) if dice.random() < 0.2 else ()
        return Row(timing, random_policies(dice), BEGIN, blackouts=blackouts)

    def play(self, until: datetime) -> None:
        """Up to an instant, then lets what runs end, audits the ledger and puts it away."""
        while self._events and self._events[0][0] <= until:
            at, _, row, run, reason = heapq.heappop(self._events)
            self.now = max(self.now, at)
            if run is None:
                if self._looks.get(row.timing.job_id) == at:
                    del self._looks[row.timing.job_id]
                    self._look(row)
            elif run.id in row.running:
                row.finish(run, 1, self.now, reason, next(self._tokens), self.dice.random())
                self._look_again(row)
        self.now = until
        self._interfere()
        for row in self._rows:
            self._put_away(row)

    def _look(self, row: Row) -> None:
        if row.needs_plan:
            row.plan()
        if row.is_due(self.now):
            slots = self.dice.choice((0, 1)) if self.dice.random() < 0.01 else None
            for run in row.claim(1, self.now, row.prepared(), slots):
                self._perform(row, run)
            for run_id in row.to_cancel & row.running.keys():
                self._later(1.0, row, row.running[run_id], Reason.CANCELLED)
            row.to_cancel.clear()
        self._look_again(row)

    def _look_again(self, row: Row) -> None:
        """Mostly in time; sometimes the worker is away for an hour or two."""
        if (at := row.claim_at) is not None:
            late = self.dice.uniform(0, 7200) if self.dice.random() < 0.0005 else 0.05
            at = max(at, self.now) + timedelta(seconds=late)
            if at < self._looks.get(row.timing.job_id, NEVER):
                self._looks[row.timing.job_id] = at
                heapq.heappush(self._events, (at, next(self._order), row, None, None))

    def _perform(self, row: Row, run: Run) -> None:
        reason = Reason.ERROR if self.dice.random() < 0.02 else None
        self._later(self.dice.expovariate(1 / self.dice.choice((1, 10, 120))), row, run, reason)

    def _later(self, seconds: float, row: Row, run: Run, reason: Reason | None) -> None:
        heapq.heappush(self._events, (self.now + timedelta(seconds=seconds), next(self._order), row, run, reason))

    def _interfere(self) -> None:
        """What people did: a few jobs are disabled, those that were are enabled."""
        for row in self._rows:
            if not row.is_enabled:
                row.enable(self.now)
            elif self.dice.random() < 0.02:
                row.disable()

    def _put_away(self, row: Row) -> None:
        for run in list(row.running.values()):
            row.finish(run, 1, self.now, None, next(self._tokens), 0.5)
        if row.needs_plan:
            row.plan()
        while row.is_due(self.now):
            for run in row.claim(1, self.now):
                row.finish(run, 1, self.now, None, next(self._tokens), 0.5)
        if row.planned is not None:
            row.close_era(row.covers_from)
        self._count(row)
        row.ledger, row.eras, row.runs, row.ledger_from, row.era_begins = [], [], {}, row.covers_from, row.covers_from
        row.successes = row.failures = row.run_seq = row.strikes_from = 0
        row.strikes = []
        self._look_again(row)

    def _count(self, row: Row) -> None:
        account = audited(row)
        self.told["occurrences"] += account.occurrences
        self.told["runs"] += account.as_runs
        self.told.update({str(element.word): element.count for element in row.ledger if element.word != "run"})
