"""Does a purge of a million runs disturb the claims? 50 jobs fire each second; their lag with and without the purge beside it.

    python benchmarks/purge.py [--runs 1000000] [--jobs 50]

Half of the old runs belong to the jobs that fire: the purge and their claims want the same rows. None of them was counted
before, so the pass also adds all of them to cron_daily. The pass is the worker's own duty (pgcron_workers.retention), run here;
it stands still every other ten seconds, so that "usual" and "beside" are the same minutes of the same machine.
On two slow cores: 997,343 runs in 329 s; p99 of the lag 58.8 ms without and 61.4 ms with the purge (1.04 times).
One embedded PostgreSQL 18 on a real disk, fsync on. Lag: start of the run minus its occurrence, ms, by the database's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog
from suite.database import server_in
from suite.figures import spread
from suite.ours import PgCronPy

from pgcron_workers.retention import Retention
from pgcron_workers.session import DatabaseWatch, Session

PHASE = 10.0  # seconds
GONE = "SELECT sum(archived_success + archived_failure) FROM pgcron.cron_job"
SILENT = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
LAGS = """
SELECT extract(epoch FROM started_at - scheduled_for)::float8 * 1000 FROM pgcron.cron_log
 WHERE cause = 'schedule' AND scheduled_for > %s AND scheduled_for < %s
"""
OLD = """
INSERT INTO pgcron.cron_log (id, job_id, seq, status, reason, cause, worker_id, started_at, completed_at, duration, handler, job_version, schedule)
SELECT (left(pgcron.uuid_v7_at(t)::text, 13) || substr(gen_random_uuid()::text, 14))::uuid, j.id, n, CASE WHEN n %% 50 = 0 THEN 'FAILED' ELSE 'SUCCESS' END,
  CASE WHEN n %% 50 = 0 THEN 'error' END, 'manual', gen_random_uuid(), t, t, 5, 'noop', 1, 's'
  FROM (SELECT id, name LIKE 'busy%%' AS is_busy FROM pgcron.cron_job) j,
  LATERAL generate_series(1, CASE WHEN j.is_busy THEN %(busy)s ELSE %(idle)s END) n,
  LATERAL (SELECT clock_timestamp() - interval '120 days' + n * interval '1 min' AS t) x
"""
COUNTERS = """
UPDATE pgcron.cron_job j SET run_seq = l.last, success_count = l.successes, failure_count = l.last - l.successes, duration_sum_ms = l.successes * 5,
  created_at = created_at - interval '121 days'
  FROM (SELECT job_id, max(seq) AS last, count(*) FILTER (WHERE status = 'SUCCESS') AS successes FROM pgcron.cron_log GROUP BY job_id) l WHERE l.job_id = j.id
"""


def prepare(bench: PgCronPy, runs: int, jobs: int) -> None:
    bench.empty()
    bench.database.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'busy ' || n, '* * * * * *', 'noop' FROM generate_series(1, %s) n", jobs
    )  # fmt: skip
    bench.database.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'idle ' || n, '0 0 1 1 *', 'noop' FROM generate_series(1, 1000) n"
    )
    bench.database.do("SET session_replication_role = 'replica'")
    bench.database.connection.execute(OLD, {"busy": runs // 2 // jobs, "idle": runs // 2 // 1000})
    bench.database.do(COUNTERS)
    bench.database.do("SET session_replication_role = 'origin'")
    bench.database.settle()


class Gated(Retention):
    """Begins a batch only while the gate is open."""

    gate = asyncio.Event()

    async def _paced(self, *args: Any) -> Any:
        await self.gate.wait()
        return await super()._paced(*args)


async def purge(bench: PgCronPy) -> list[tuple[bool, Any, Any]]:
    """Phases: whether the purge went on, their begin and end."""
    duty = Gated(Session(bench.database.url, "purge", DatabaseWatch(SILENT)), 90, SILENT)
    await duty.run_once()  # only says how long it would wait
    task, phases, now = asyncio.ensure_future(duty.run_once()), [], "SELECT clock_timestamp()"
    while not task.done():
        for is_on in (False, True):
            (duty.gate.set if is_on else duty.gate.clear)()
            began = bench.database.value(now)
            await asyncio.wait({task}, timeout=PHASE)
            phases.append((is_on, began, bench.database.value(now)))
    await task
    return phases


def lags(bench: PgCronPy, phases: list[tuple[bool, Any, Any]], is_on: bool) -> list[float]:
    windows = [(began, ended) for on, began, ended in phases if on is is_on]
    return [row[0] for window in windows for row in bench.database.rows(LAGS, *window)]


def told(title: str, found: list[float]) -> float:
    figures = spread(found)
    print(f"{title:34}" + "  ".join(f"{key} {value:,.1f}" for key, value in figures.items()), flush=True)
    return figures["p99"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=50)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="pgcron-bench-", dir="/var/tmp") as folder,
        server_in(Path(folder)) as server,
    ):
        bench = PgCronPy(server, Path(folder))
        prepare(bench, options.runs, options.jobs)
        with bench.working(2, concurrency=200):
            time.sleep(15)
            before = bench.database.value(GONE)
            phases = asyncio.run(purge(bench))
            gone = bench.database.value(GONE) - before
            usual = told("lag, ms, usual", lags(bench, phases, False))
            beside = told("lag, ms, beside the purge", lags(bench, phases, True))
        took = sum((ended - began).total_seconds() for is_on, began, ended in phases if is_on)
        print(
            f"purged {gone:,} runs in {took:.0f} s; p99 {beside / usual:.2f} times the usual; broken invariants: {bench.violations()}"
        )


if __name__ == "__main__":
    main()
