"""Whatever the order in which statements of two or three operations come: every invariant holds, nothing runs twice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement, islice
from typing import Any
from uuid import UUID

import pytest

from pgcron_py.domain.words import Reason, WorkerId
from support import operations as op
from support.interleaving import Operation, Performance, Player, merges
from support.snapshots import Snapshots
from support.steps import Stage

MOST_PER_GROUP = 240  # orders of one group of operations; chosen at random, the same ones each time
SHARE = 1 if os.environ.get("PGCRON_PROOF") else 10
# Leases go on and lapse by the clock; a worker that lapsed does so each time anew.
AFRESH = """UPDATE pgcron.cron_lease SET beat_at = clock_timestamp(),
  lease_until = clock_timestamp() + CASE WHEN lease_until - beat_at < interval '0' THEN interval '-1 s' ELSE interval '1 h' END;
UPDATE pgcron.cron_reaper SET last_tick = clock_timestamp()"""


@dataclass(frozen=True, slots=True)
class World:
    """A start: one job, two workers, the first one's run if there is one."""

    job: UUID
    first: WorkerId
    second: WorkerId
    run: UUID | None

    def operation(self, name: str) -> Operation:
        known: dict[str, Callable[[], Operation]] = {
            "claim": lambda: op.claim(self.second),
            "claim by the first": lambda: op.claim(self.first),
            "finish": lambda: op.finish(self.first, self.job, self.run or self.job),
            "fail": lambda: op.finish(self.first, self.job, self.run or self.job, Reason.ERROR),
            "reap": lambda: op.reap(self.first),
            "beat": lambda: op.beat(self.first),
            "lapse": lambda: op.lapse(self.first),
            "plan": op.plan,
        }
        return known[name]() if name in known else getattr(op, name.replace(" ", "_"))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Start:
    """What happened before; operations of which each pair, the same one twice too, meets; and some groups of three."""

    before: tuple[str, ...]
    pairs: tuple[str, ...]
    triples: tuple[tuple[str, str, str], ...] = ()

    def groups(self) -> list[tuple[str, ...]]:
        return [*combinations_with_replacement(self.pairs, 2), *self.triples]


STARTS = {
    "due": Start(
        ("due",), ("claim", "claim by the first", "edit", "run now", "ask", "disable", "delete"),
        (("claim", "claim by the first", "disable"), ("claim by the first", "lapse", "reap"), ("claim", "edit", "plan"), ("claim", "run now", "disable")),
    ),
    "running": Start(
        ("due", "claim by the first"), ("finish", "fail", "run now", "disable", "edit", "delete"),
        (("fail", "disable", "enable"), ("finish", "run now", "claim"), ("fail", "claim", "disable")),
    ),
    "due while running": Start(
        ("due", "claim by the first", "due"), ("claim", "finish", "fail", "disable", "edit"),
        (("claim", "claim by the first", "finish"), ("claim", "fail", "edit"), ("claim", "finish", "disable")),
    ),
    "asked": Start(
        ("run now",), ("claim", "claim by the first", "run now", "disable", "edit", "delete"),
        (("claim", "claim by the first", "disable"), ("claim", "disable", "enable"), ("claim", "run now", "edit")),
    ),
    "lapsed": Start(
        ("due", "claim by the first", "lapse"), ("reap", "finish", "beat", "claim by the first", "disable", "run now"),
        (("reap", "finish", "claim"), ("reap", "beat", "fail"), ("reap", "reap", "finish")),
    ),
    "disabled": Start(("due", "disable"), ("enable", "run now", "edit", "claim", "delete"), (("enable", "plan", "claim"), ("enable", "run now", "disable"))),
    "edited": Start(
        ("due", "edit"), ("plan", "claim", "edit", "disable", "run now", "delete"),
        (("plan", "plan", "claim"), ("plan", "edit", "claim"), ("plan", "disable", "enable")),
    ),
}  # fmt: skip


class Theatre:
    """A database with a world in it, put back before each performance."""

    def __init__(self, stage: Stage, start: Start) -> None:
        self.stage = stage
        job = stage.job(due=None, is_idempotent=True, max_attempts=3, backoff_ms=0, max_consecutive_failures=2)
        self.world = World(job, stage.worker(), stage.worker(), None)
        self._people, self._workers = ([stage.actor(url) for _ in range(3)] for url in (stage.url, None))
        self._observer = stage.actor(stage.url).connection
        for event in start.before:
            self._happen(event)
        run = stage.rows("SELECT id FROM pgcron.cron_log")
        self.world = World(job, self.world.first, self.world.second, run[0]["id"] if run else None)
        self.snapshots = Snapshots(stage, AFRESH)
        self.snapshots.keep("start")
        self._steps: dict[str, int] = {}

    def _happen(self, event: str) -> None:
        if event == "due":
            self.stage.make_due(self.world.job)
        else:
            self._people[0].do(self.world.operation(event))

    def steps(self, name: str) -> int:
        """How many turns the operation takes alone."""
        if name not in self._steps:
            (player,) = self._play((name,), ())[0]
            self._steps[name] = player.turns.taken
        return self._steps[name]

    def orders(self, group: tuple[str, ...]) -> list[tuple[int, ...]]:
        every = list(islice(merges(tuple(self.steps(name) for name in group)), 20_000))
        return random.Random(str(group)).sample(every, min(len(every), MOST_PER_GROUP))

    def _play(self, group: tuple[str, ...], order: tuple[int, ...]) -> tuple[list[Player], list[Any]]:
        self.snapshots.restore("start")
        players = [
            Player(name, (self._people if isinstance(operation, op.Said) else self._workers)[index].connection, operation)
            for index, name in enumerate(group)
            for operation in (self.world.operation(name),)
        ]  # fmt: skip
        return players, self.stage.on_stage(Performance(players, self._observer).play(order))

    def show(self, group: tuple[str, ...], order: tuple[int, ...]) -> None:
        """Plays, and looks whether all is well."""
        players, outcomes = self._play(group, order)
        told = f"{group} in the order {order}: {outcomes}"
        assert self.stage.broken_invariants() == [], told
        assert not any("40P01" in player.conflicts for player in players), f"a deadlock: {told}"
        self.nothing_is_left_behind(told)
        if self.stage.rows("SELECT id FROM pgcron.cron_job"):
            self.each_end_was_recorded_once(outcomes, told)

    def each_end_was_recorded_once(self, outcomes: list[Any], told: str) -> None:
        """Whoever was told "recorded" did it, and nobody else."""
        recorded = [run for outcome in outcomes if isinstance(outcome, dict) for run, word in outcome.items() if word == "recorded"]  # fmt: skip
        reaped = self.stage.rows("SELECT id FROM pgcron.cron_log WHERE reason = 'lost'")
        ended = self.stage.rows("SELECT id FROM pgcron.cron_log WHERE status <> 'RUNNING'")
        assert sorted([*recorded, *(row["id"] for row in reaped)]) == sorted(row["id"] for row in ended), told

    def nothing_is_left_behind(self, told: str) -> None:
        """Nobody forgot a transaction, and no occurrence ran twice."""
        assert self.stage.rows(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'") == [], told  # fmt: skip
        occurrences = self.stage.rows(
            "SELECT job_id FROM pgcron.cron_log WHERE cause = 'schedule' GROUP BY job_id, scheduled_for HAVING count(*) > 1")  # fmt: skip
        assert occurrences == [], told


@pytest.fixture
def theatre(stage: Stage, request: pytest.FixtureRequest) -> Theatre:
    return Theatre(stage, STARTS[request.param])


@pytest.mark.timeout(0 if SHARE == 1 else 120)
@pytest.mark.parametrize("theatre", STARTS, indirect=True)
def test_in_every_order_of_their_statements_operations_keep_all_invariants(theatre: Theatre, request: Any) -> None:
    start = STARTS[request.node.callspec.params["theatre"]]
    shows = [(group, order) for group in start.groups() for order in theatre.orders(group)][::SHARE]
    for group, order in shows:
        theatre.show(group, order)
    print(f"{len(shows)} interleavings")
    assert len(shows) >= 150 / SHARE
