"""F: what becomes dearer as jobs and runs grow. The claim, by its own statements as a worker sends them; pages, purge and sizes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from uuid import uuid4

import views
from psycopg import AsyncConnection

from pgcron_admin.queries.jobs import JobFilter, page_query
from pgcron_py.app.database import upgrade
from pgcron_py.domain.words import WorkerId
from pgcron_py.storage import claims, retention, workers
from pgcron_workers.session import LIMITS
from suite.cases import Scale
from suite.database import Database
from suite.figures import Measurement, gathered, spread

HANDLER, ASKED = "bench:mass", 50
MASS = """
INSERT INTO pgcron.cron_job (name, schedule, handler, needs_plan, next_scheduled_for, next_run_at, planned, covers_from, ledger_from)
SELECT 'mass ' || n, '@daily', %s, false, at, at, '{}', timestamptz '2026-01-01', timestamptz '2026-01-01'
  FROM generate_series(%s::int, %s::int) n, LATERAL (SELECT clock_timestamp() + interval '1 day' AS at) x
"""
SCATTERED = "(SELECT id FROM pgcron.cron_job ORDER BY random() LIMIT %s)"
MAKE_DUE = f"UPDATE pgcron.cron_job SET next_scheduled_for = clock_timestamp(), next_run_at = clock_timestamp() WHERE id IN {SCATTERED}"
PUT_OFF = "UPDATE pgcron.cron_job SET next_scheduled_for = clock_timestamp() + interval '1 day', next_run_at = clock_timestamp() + interval '1 day' WHERE claim_at <= clock_timestamp()"
JOB_PAGE = "SELECT * FROM pgcron.runs WHERE job_id = pgcron.job_id(%(job)s) ORDER BY seq DESC LIMIT 50"
ALL_PAGE = "SELECT * FROM pgcron.runs ORDER BY run_id DESC LIMIT 50"
SIZES = "SELECT pg_table_size('pgcron.cron_log') / 2^20, pg_indexes_size('pgcron.cron_log') / 2^20"
VACUUM = "VACUUM pgcron.cron_log"


def claim(database: Database, scale: Scale) -> Iterator[Measurement]:
    """Autovacuum is off for the jobs: what a claim costs before it has come."""
    there = 0
    upgrade(database.url)
    database.do("ALTER TABLE pgcron.cron_job SET (autovacuum_enabled = false)")
    for jobs in scale.pick([1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000, 100_000]):
        database.do("SET session_replication_role = 'replica'")
        database.do(MASS, HANDLER, there + 1, jobs)
        database.do("SET session_replication_role = 'origin'")
        database.settle()
        there = jobs
        found = {"empty": _claim_ms(database, ASKED)}
        database.do(MAKE_DUE, 100)
        found["100 due"] = _claim_ms(database, ASKED)
        database.do(PUT_OFF)
        for _ in range(12_000 // min(jobs, 2_000)):
            database.do(MAKE_DUE, min(jobs, 2_000))
            database.do(PUT_OFF)
        churned = _claim_ms(database, ASKED + 1)
        found |= {"empty after 12,000 updates": churned[1:], "the first of them": churned[:1]}
        figures = {name: [statistics.median(values), min(values), max(values)] for name, values in found.items()}
        yield Measurement("F", f"claim, {jobs:,} jobs", "pgcron_py", figures, f"ms; of {ASKED}, least and most")


def _claim_ms(database: Database, count: int) -> list[float]:
    """Lock the due jobs, then give them back."""
    return asyncio.run(_claims(database.url, count))


async def _claims(url: str, count: int) -> list[float]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(LIMITS)
        worker, spent = WorkerId(uuid4()), []
        row = {
            "id": str(worker),
            "host": "h",
            "pid": 1,
            "version": "0",
            "handlers": [{"name": HANDLER}],
            "concurrency": 9,
        }
        await workers.register(connection, row, 3_600_000)
        view = await claims.look(connection, [HANDLER], None)
        if not view.route_queues:  # nothing was due: as a worker that had seen the jobs before
            view.route_queues.append("default")
            view.route_handlers.append(HANDLER)
        for _ in range(count):
            await claims.begin_claim(connection)
            began = time.perf_counter()
            await claims.lock_due_jobs(connection, worker, view, limit=100, window=1000)
            spent.append((time.perf_counter() - began) * 1000)
            await connection.execute("ROLLBACK")
        await connection.execute("DELETE FROM pgcron.cron_worker WHERE id = %s", (worker,))
    return spent


def pages(database: Database, runs: int) -> Iterator[Measurement]:
    """10,000 jobs of which one has a tenth of all runs; sizes; then the purge of what is older than 15 of 30 days."""
    upgrade(database.url)
    database.do("ALTER SYSTEM SET max_wal_size = '8GB'")
    database.do("SELECT pg_reload_conf()")
    views.fill(database.url, 10_000, runs, 30)
    database.do("ALTER SYSTEM RESET ALL")
    database.do("SELECT pg_reload_conf()")
    database.settle()
    what = f"{runs:,} runs, 10,000 jobs"
    names = [f"job {number}" for number in range(2, 10_000, 9_998 // ASKED)]
    listed = page_query(JobFilter(), "name", is_first=True)
    listing = {**JobFilter().params(), "limit": 51}
    found = {
        "history page of a job, ms": views.ask(database.url, JOB_PAGE, names),
        "of the one with a tenth, ms": views.ask(database.url, JOB_PAGE, ["job 1"] * ASKED),
        "history page of all, ms": views.ask(database.url, ALL_PAGE, names),
        "list page of jobs, ms": _asked(database, listed, listing),
    }
    figures = {name: [spread(values)["p50"], min(values), spread(values)["p95"]] for name, values in found.items()}
    table, indexes = database.rows(SIZES)[0]
    figures |= {"table, MiB": [table], "indexes, MiB": [indexes]}
    yield Measurement("F", what, "pgcron_py", figures, f"of {ASKED}: median, least, p95")
    yield Measurement(
        "F", f"purge, {what}", "pgcron_py", gathered([_purge(database)]), "one connection, no pause between batches"
    )


def _asked(database: Database, query: str, parameters: dict[str, object]) -> list[float]:
    spent = []
    for _ in range(ASKED):
        began = time.perf_counter()
        database.connection.execute(query, parameters).fetchall()
        spent.append((time.perf_counter() - began) * 1000)
    return spent[5:]  # without what a connection loads first


def _purge(database: Database, most: int = 200_000) -> dict[str, float]:
    began = time.perf_counter()
    deleted = asyncio.run(_purged(database.url, most))
    rate = deleted / (time.perf_counter() - began)
    began = time.perf_counter()
    database.do(VACUUM)
    return {"runs a second": rate, "deleted": float(deleted), "VACUUM afterwards, s": time.perf_counter() - began}


async def _purged(url: str, most: int) -> int:
    """As the worker's retention does, but for its pauses."""
    deleted, after = 0, retention.BEGINNING
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        while deleted < most:
            count, last = await retention.purge_runs(connection, retention.Batch(days=15, after=after))
            deleted += count
            if last is None:
                break
            after = last
    return deleted
