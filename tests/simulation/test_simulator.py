"""The pure core at volume: whatever happens around it, every occurrence becomes exactly one run or part of one miss."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from support.simulation.world import World

PER_EPISODE = 2_000
PARTS = 5
SEED = int(os.environ.get("PGCRON_SEED", "20260101"))
EPISODES = {"proof": 500, "ci": 50, "test": 5}


def episodes() -> int:
    if os.environ.get("PGCRON_PROOF"):
        return EPISODES["proof"]
    return EPISODES["ci" if os.environ.get("CI") else "test"]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_occurrence_is_accounted_for_exactly_once(part: int) -> None:
    told: Counter[str] = Counter()
    for episode in range(part, episodes(), PARTS):
        seed = SEED + episode
        try:
            world = World(seed, PER_EPISODE)
            account = world.play()
        except AssertionError as error:
            raise AssertionError(f"PGCRON_SEED={seed}: {error}") from error
        told += world.told
        told += Counter({"occurrences": account.occurrences, "as runs": account.as_runs})
    print(f"seeds from {SEED}: {dict(told)}")
    assert told["occurrences"] >= PER_EPISODE * len(range(part, episodes(), PARTS))
