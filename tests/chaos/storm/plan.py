"""What the storm will do, drawn from the seed before it begins: the same seed gives the same steps."""

from __future__ import annotations

import random
from dataclasses import dataclass

FAULT_WEIGHTS = {
    "kill_supervisor": 4,
    "kill_executor": 4,
    "stop_tree": 3,
    "stop_supervisor": 1,
    "terminate_backends": 4,
    "lose_commit_reply": 4,
    "cut_before_commit": 3,
    "cut_connections": 3,
    "fall_silent": 3,
    "stall_replies": 2,
    "restart_server": 1,
    "lock_table": 3,
    "term": 2,
    "term_twice": 1,
    "drain": 2,
    "poison": 8,
}
EDIT_WEIGHTS = {"reschedule": 3, "disable": 2, "enable": 3, "run_now": 5, "cancel": 2, "blackout": 2, "backfill": 1}
FAULT_PAUSE, EDIT_PAUSE = (0.3, 2.0), (0.2, 1.0)  # seconds


@dataclass(frozen=True, slots=True)
class Step:
    """at: seconds from the start. Three numbers from [0, 1): which victim, which variant, how long."""

    at: float
    kind: str
    victim: float
    variant: float
    length: float

    def choice(self, options: list[str] | tuple[str, ...]) -> str:
        return options[int(self.variant * len(options))]

    def seconds(self, least: float, most: float) -> float:
        return least + (most - least) * self.length


def drawn(seed: int, seconds: float) -> list[Step]:
    """Faults and edits in the order of their times."""
    dice = random.Random(seed)
    faults = _series(dice, FAULT_WEIGHTS, FAULT_PAUSE, seconds)
    edits = _series(dice, EDIT_WEIGHTS, EDIT_PAUSE, seconds)
    return sorted(faults + edits, key=lambda step: step.at)


def _series(dice: random.Random, weights: dict[str, int], pause: tuple[float, float], seconds: float) -> list[Step]:
    steps, at = [], dice.uniform(*pause)
    while at < seconds:
        (kind,) = dice.choices(list(weights), list(weights.values()))
        steps.append(Step(round(at, 3), kind, dice.random(), dice.random(), dice.random()))
        at += dice.uniform(*pause)
    return steps
