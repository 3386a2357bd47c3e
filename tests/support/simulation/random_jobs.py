"""Jobs of all kinds: a new policy gets its values here."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from pgcron_py.domain.job import Timing
from pgcron_py.domain.retry import RetryPolicy
from pgcron_py.domain.words import JobId
from support.simulation.rows import Policies, Row

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo")
SCHEDULES = (
    "* * * * *", "*/{n} * * * *", "{m} * * * *", "{m} {h} * * *", "{m} */{k} * * *", "{m} {h} * * 1-5", "{m} {h} {d} * *", "0,{m} 1-3 * * *",
    "*/20 * * * * *", "{s} {m} * * * *", "@hourly", "@every {s1}s", "@every {n}m", "@daily", "0 0 29 2 *", "0 0 12 1 1 * 2026",
)  # fmt: skip
EXCLUSIONS = ("* * * * 6,0", "* 22-23 * * *", "* * 1 * *", "* 0-11/2 * * *")
CATCH_UPS = ("latest", "latest", "skip", "all")
# overlap_policy, max_running
OVERLAPS = (
    ("skip", 1), ("skip", 1), ("buffer_one", 1), ("buffer_all", 1), ("cancel_other", 1), ("terminate_other", 1), ("allow_all", 1), ("allow_all", 3),
)  # fmt: skip


def random_timing(dice: Random, job_id: UUID, anchor: datetime) -> Timing:
    numbers = {"n": dice.randint(2, 40), "m": dice.randrange(60), "h": dice.randrange(24), "k": dice.randint(2, 11),
               "d": dice.randint(1, 31), "s": dice.randrange(60), "s1": dice.randint(15, 900)}  # fmt: skip
    return Timing(
        JobId(job_id), "job", dice.choice(SCHEDULES).format(**numbers), dice.choice(ZONES), anchor,
        dice.choice((0, 0, 0, 500, 20_000, 600_000)), dice.choice((None, "run_after", "skip")), dice.choice((None, "first", "both", "second")),
        (dice.choice(SCHEDULES).format(**numbers),) if dice.random() < 0.2 else (),
        (dice.choice(EXCLUSIONS),) if dice.random() < 0.2 else (),
        anchor + timedelta(hours=dice.randint(0, 100), seconds=dice.random()) if dice.random() < 0.1 else None,
        anchor + timedelta(hours=dice.randint(101, 1000), seconds=dice.random()) if dice.random() < 0.1 else None,
        dice.randint(1, 50) if dice.random() < 0.1 else None,
    )  # fmt: skip


def random_policies(dice: Random) -> Policies:
    overlap_policy, max_running = dice.choice(OVERLAPS)
    return Policies(
        overlap_policy != "allow_all", max_running, overlap_policy, dice.choice(CATCH_UPS), dice.choice((None, None, 3_600_000)), dice.choice((None, None, 1000, 120_000)),
        RetryPolicy(dice.choice((1, 1, 2, 5)), dice.random() < 0.4, dice.choice((0, 1000)), dice.choice((1000, 60_000))),
        dice.choice((None, None, 1, 3)),
    )  # fmt: skip


def random_row(dice: Random, now: datetime) -> Row:
    timing = random_timing(dice, UUID(int=dice.getrandbits(128)), now.replace(microsecond=0))
    return Row(timing, random_policies(dice), now)
