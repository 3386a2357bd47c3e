"""What a run costs, in counts: they are the same on a slow machine, so a regression shows without a clock.

A worker of its own, with 1,000 requests that wait and with runs that come one at a time. Limits stand a fifth above what was
counted when they were set; an improvement may lower them. Plans: tests/storage/test_hot_plans.py.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from support.fleet import Fleet, wait_for
from support.meter import Meter, calls_of, counting_calls, metered

RUNS, JOBS, SINGLES, SECONDS = 1000, 500, 20, 4
APP = """
@app.handler("noop")
async def noop(): ...
"""
NEW_JOBS = """
INSERT INTO pgcron.cron_job (name, schedule, handler, is_exclusive, overlap_policy, max_running)
SELECT 'job ' || n, '0 0 1 1 *', 'noop', false, 'allow_all', 100 FROM generate_series(1, %s) n
"""
NEW_REQUESTS = """
INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for)
SELECT j.id, 'backfill', timestamptz '2026-01-01' + n * interval '1 min' FROM pgcron.cron_job j, generate_series(%s::int, %s::int) n
"""
# Rows that statements have read and written, of each table. Backends tell what they did when they end, at the latest.
ROWS = """
SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) AS read, n_tup_ins AS inserted, n_tup_upd AS updated
  FROM pg_stat_user_tables WHERE schemaname = 'pgcron'
"""
READ = {"cron_job": 7, "cron_log": 1.5, "cron_request": 6}
CALLS_TOGETHER, CALLS_SINGLE, CALLS_SCHEDULED = 155, 2450, 6200
CLAIM, BESIDE, RECORD = "pgcron worker claim", "pgcron worker claim 2", "pgcron worker record"


@dataclass(frozen=True)
class Cost:
    """Of so many runs. trips, statements: by the duty's application_name; calls: by function."""

    runs: int
    trips: Counter[str]
    statements: Counter[str]
    calls: Counter[str]

    def calls_a_run(self) -> float:
        return self.calls.total() / self.runs


def succeeded(fleet: Fleet, count: int) -> None:
    query = "SELECT count(*) AS n FROM pgcron.cron_log WHERE status = 'SUCCESS'"
    wait_for(lambda: fleet.row(query)["n"] == count, f"{count} runs", 60)


def at_least(fleet: Fleet, count: int) -> None:
    query = "SELECT count(*) AS n FROM pgcron.cron_log WHERE status = 'SUCCESS'"
    wait_for(lambda: fleet.row(query)["n"] >= count, f"{count} runs", 60)


def run_now(fleet: Fleet, job: int, then: int) -> None:
    fleet.do("SELECT pgcron.run_now(%s)", f"job {job}")
    succeeded(fleet, then)


@pytest.fixture(scope="module")
def rows(module_fleet: Fleet) -> Counter[tuple[str, str]]:
    """What the database did for 1,000 runs that wait when a worker starts, from its start to its end."""
    fleet = module_fleet
    fleet.app(APP)
    fleet.do(NEW_JOBS, JOBS)
    fleet.do(NEW_REQUESTS, 1, RUNS // JOBS)
    fleet.do("VACUUM ANALYZE")
    before = counted_rows(fleet)
    worker = fleet.start("--concurrency", "500", "--log-level", "debug")
    # Asking the database would be counted too.
    wait_for(lambda: worker.log.count('"run_succeeded"') == RUNS, f"{RUNS} runs are recorded", 60)
    assert worker.stop() == 0
    return counted_rows(fleet) - before


def counted_rows(fleet: Fleet) -> Counter[tuple[str, str]]:
    kinds = ("read", "inserted", "updated")
    return Counter({(row["relname"], what): row[what] for row in fleet.rows(ROWS) for what in kinds})


@pytest.fixture(scope="module")
def costs(module_fleet: Fleet, rows: Counter[tuple[str, str]]) -> Iterator[dict[str, Cost]]:
    """Of 1,000 runs that were asked for at once, and of runs by hand one after the other."""
    fleet = module_fleet
    with metered(fleet.worker_url) as (meter, url):
        worker = fleet.start("--concurrency", "500", url=url, **counting_calls(fleet.folder))
        run_now(fleet, 1, RUNS + 1)  # what the first run alone needs
        found, done = {}, RUNS + 1
        with spent(fleet, meter, worker.pid, RUNS) as cost:
            fleet.do(NEW_REQUESTS, 1 + RUNS // JOBS, 2 * RUNS // JOBS)
            succeeded(fleet, done := done + RUNS)
        found["together"] = cost[0]
        with spent(fleet, meter, worker.pid, SINGLES) as cost:
            for job in range(SINGLES):
                run_now(fleet, job + 2, done := done + 1)
        found["single"] = cost[0]
        fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('each second', '* * * * * *', 'noop')")
        at_least(fleet, done := done + 2)
        with spent(fleet, meter, worker.pid, SECONDS) as cost:
            at_least(fleet, done + SECONDS)
        found["scheduled"] = cost[0]
        assert worker.stop() == 0
        if record := os.environ.get("COSTS_SEEN"):
            with open(record, "a") as file:
                print(
                    {n: (dict(c.trips), c.calls_a_run()) for n, c in found.items()},
                    {k: v for k, v in rows.items() if v > 20},
                    file=file,
                )
        yield found


@contextmanager
def spent(fleet: Fleet, meter: Meter, pid: int, runs: int) -> Iterator[list[Cost]]:
    """The cost of what is done within, once it is done."""

    def now() -> tuple[Counter[str], Counter[str], Counter[str]]:
        calls = calls_of(pid, fleet.folder)
        return meter.trips.copy(), meter.statements.copy(), calls

    before, found = now(), []
    yield found
    found.append(Cost(runs, *(after - earlier for after, earlier in zip(now(), before, strict=True))))


def at_most(found: float, limit: float, what: str) -> None:
    assert found <= limit, f"{what}: {found:.3g} a run, and {limit:g} are allowed"


def test_runs_that_wait_share_their_round_trips(costs: dict[str, Cost]) -> None:
    cost = costs["together"]
    at_most((cost.trips[CLAIM] + cost.trips[BESIDE]) / cost.runs, 0.1, "round trips of claims")
    at_most(cost.trips[RECORD] / cost.runs, 0.1, "round trips of the recorder")
    at_most(cost.trips.total() / cost.runs, 0.2, "round trips")
    assert cost.statements.total() <= cost.trips.total() * 2  # a pipeline is no hiding place


def test_a_run_alone_takes_a_claim_a_finish_and_a_look(costs: dict[str, Cost]) -> None:
    cost = costs["single"]
    at_most(cost.trips[CLAIM] / cost.runs, 2.5, "round trips of claims")
    at_most(cost.trips[RECORD] / cost.runs, 1.3, "round trips of the recorder")
    at_most(cost.statements.total() / cost.runs, 4, "statements")


def test_an_occurrence_is_read_ahead_claimed_ahead_and_looked_after(costs: dict[str, Cost]) -> None:
    cost = costs[
        "scheduled"
    ]  # upcoming; BEGIN, lock, write, COMMIT; look. What begins in one second may end in the next
    at_most(cost.trips[CLAIM] / cost.runs, 9, "round trips of claims")
    at_most(cost.statements.total() / cost.runs, 13, "statements")


def test_a_supervisor_calls_few_functions_for_a_run(costs: dict[str, Cost]) -> None:
    for name, limit in (("together", CALLS_TOGETHER), ("single", CALLS_SINGLE), ("scheduled", CALLS_SCHEDULED)):
        told = "\n".join(f"{count:8} {function}" for function, count in costs[name].calls.most_common(15))
        assert costs[name].calls_a_run() <= limit, f"{name}: {costs[name].calls_a_run():.0f} a run\n{told}"


def test_a_run_is_inserted_once_and_updated_once(rows: Counter[tuple[str, str]]) -> None:
    assert (rows["cron_log", "inserted"], rows["cron_log", "updated"]) == (RUNS, RUNS)
    assert rows["cron_request", "updated"] == RUNS


def test_a_claim_and_a_finish_share_the_update_of_a_job(rows: Counter[tuple[str, str]]) -> None:
    """Two runs of each job were claimed together and may be finished together: never two updates a run."""
    assert rows["cron_job", "updated"] <= 2 * RUNS


def test_a_run_reads_few_rows(rows: Counter[tuple[str, str]]) -> None:
    for table, limit in READ.items():
        at_most(rows[table, "read"] / RUNS, limit, f"rows read of {table}")


def test_a_run_writes_nothing_else(rows: Counter[tuple[str, str]]) -> None:
    written = {table for (table, what), count in rows.items() if what in ("inserted", "updated") and count >= RUNS / 2}
    assert written <= {"cron_log", "cron_job", "cron_request", "cron_audit_seal"}  # the seal: of the jobs' definitions
