"""A month of a mixed fleet, a year with PGCRON_PROOF=1: the ledger of each month is complete; and how fast decisions are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from support.figures import KEY
from support.simulation.year import BEGIN, Year

MONTHS = 12 if os.environ.get("PGCRON_PROOF") == "1" else 1
MONTH = timedelta(days=30.4375)
PARTS = 2  # one for each core


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_ledger_of_a_mixed_fleet_is_complete(part: int, record_property: Callable[[str, object], None]) -> None:
    year = Year(int(os.environ.get("PGCRON_SEED", "2026")) + part, part, PARTS)
    started = time.process_time()
    for month in range(1, MONTHS + 1):
        year.play(BEGIN + month * MONTH)
    seconds = time.process_time() - started
    per_second = year.told["occurrences"] / seconds
    words = f"a mixed fleet, {MONTHS} months, half {part + 1}: {per_second:,.0f} occurrences a second of one core"
    record_property(KEY, f"{words}, {dict(year.told)}")
    assert year.told["occurrences"] > 150_000 * MONTHS
    assert {"overlap", "disabled", "blackout", "excluded", "coalesced"} <= year.told.keys()
