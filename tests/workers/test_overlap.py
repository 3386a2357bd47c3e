"""Overlap policies on real workers."""

from __future__ import annotations

from itertools import pairwise

import pytest

from support.fleet import Fleet, wait_for


def between(runs: list[dict]) -> list[float]:
    """Seconds from the end of a run to the start of the next."""
    return [(b["started_at"] - a["completed_at"]).total_seconds() for a, b in pairwise(runs)]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("policy", ["cancel_other", "terminate_other"])
def test_the_next_occurrence_ends_the_run_and_follows_it(fleet: Fleet, policy: str, kind: str) -> None:
    sleep = "await asyncio.sleep(600)" if kind == "async def" else "time.sleep(600)"
    fleet.app(f"@app.cron_job('long', '* * * * * *', overlap_policy={policy!r})\n{kind} long() -> None:\n    {sleep}\n")
    worker = fleet.start()
    runs = fleet.ended("long", 3)
    assert {run["reason"] for run in runs} == {"cancelled"}
    assert not any(run["is_strike"] for run in runs)
    assert all(0 <= gap < 3 for gap in between(runs))  # at once: a beat would take six
    assert {run["cause"] for run in runs[1:]} == {"buffered"}
    fleet.do("SELECT pgcron.disable('long')")
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


@pytest.mark.long
def test_occurrences_wait_in_order_and_none_is_lost(fleet: Fleet) -> None:
    fleet.app("""
        @app.cron_job("queue", "* * * * * *", overlap_policy="buffer_all")
        async def queue(ctx: JobContext) -> None:
            await asyncio.sleep(2.5 if ctx.seq == 1 else 0)
    """)
    worker = fleet.start()
    runs = fleet.ended("queue", 5)
    instants = [run["scheduled_for"] for run in runs]
    assert [(b - a).total_seconds() for a, b in pairwise(instants)] == [1.0] * (len(instants) - 1)
    assert "buffered" in {run["cause"] for run in runs}
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_request WHERE state = 'PENDING'"), "the queue is empty")
    assert worker.stop() == 0
    assert fleet.rows("SELECT * FROM pgcron.cron_miss") == []
    assert fleet.broken_invariants() == []
