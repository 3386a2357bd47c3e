"""What DBAs ask for, on a database that is full: 100,000 jobs and 10,000,000 runs of 30 days (minutes to make).

    python benchmarks/views.py [--jobs 100000] [--runs 10000000] [--days 30]

One job has a tenth of the runs, the others share the rest. First all runs are counted into cron_daily, then each question is asked
of 20 jobs. Milliseconds as the client sees them, from an ordinary connection with default settings; the goal is 10.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg

from pgcron_py.app.database import upgrade
from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir

SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "max_wal_size": "20GB", "wal_level": "minimal", "max_wal_senders": "0",
    "shared_buffers": "2GB", "maintenance_work_mem": "1GB", "autovacuum": "off", "checkpoint_timeout": "1h",
}  # fmt: skip
JOBS = """
INSERT INTO pgcron.cron_job (name, schedule, handler, needs_plan, next_scheduled_for, next_run_at, run_seq, running_count, success_count, failure_count,
  created_at, covers_from, ledger_from)
SELECT 'job ' || n, '@daily', 'h', false, at + interval '1 h', at + interval '1 h', runs, CASE WHEN n %% 500 = 1 THEN 1 ELSE 0 END, runs, 0,
  at - interval '40 days', at, at - interval '40 days'
  FROM generate_series(1, %(jobs)s) n, clock_timestamp() AS at, LATERAL (SELECT CASE WHEN n = 1 THEN %(many)s ELSE %(few)s END AS runs) r
"""
# Ids of a time, without a function's call for each of ten million rows.
RUNS = """
INSERT INTO pgcron.cron_log (id, job_id, seq, status, reason, cause, scheduled_for, covers_from, covers_to, worker_id, started_at, completed_at,
  duration, error, handler, job_version, schedule)
SELECT overlay(lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || md5(j.id::text || n) PLACING '7' FROM 13 FOR 1)::char(32)::uuid,
  j.id, n, s, CASE WHEN s = 'FAILED' THEN 'error' END, 'schedule', t, t - step, t, '00000000-0000-7000-8000-000000000001', t + lag,
  CASE WHEN s <> 'RUNNING' THEN t + lag + took * interval '1 ms' END, took, CASE WHEN s = 'FAILED' THEN 'ValueError: it broke' END, 'h', 1, '@daily'
  FROM (SELECT id, run_seq, running_count, row_number() OVER (ORDER BY id) AS number FROM pgcron.cron_job) j, generate_series(1, j.run_seq) n,
  LATERAL (SELECT %(days)s * interval '1 day' / j.run_seq AS step, (random() * 300 + 5)::bigint AS took, random() * interval '40 ms' AS lag,
                  CASE WHEN n = j.run_seq AND j.running_count > 0 THEN 'RUNNING' WHEN random() < 0.02 THEN 'FAILED' ELSE 'SUCCESS' END AS s) x,
  LATERAL (SELECT %(at)s::timestamptz - (j.run_seq - n + 1) * step AS t) y
 WHERE j.number %% %(parts)s = %(part)s
"""
INDEXES = """
SELECT c.oid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = 'pgcron.cron_log'::regclass AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
"""
QUESTIONS = {
    "job_status of one job": "SELECT * FROM pgcron.job_status WHERE job = %(job)s",
    "a page of runs of one job": "SELECT * FROM pgcron.runs WHERE job_id = pgcron.job_id(%(job)s) ORDER BY seq DESC LIMIT 50",
    "a page of all runs": "SELECT * FROM pgcron.runs ORDER BY run_id DESC LIMIT 50",
    "running": "SELECT * FROM pgcron.running",
    "ledger of one job, the last hour": "SELECT * FROM pgcron.ledger WHERE job = %(job)s AND first_scheduled_for > clock_timestamp() - interval '1 hour' ORDER BY covers_to",
    "statistics of one job, 3 windows": "SELECT * FROM pgcron.statistics WHERE job = %(job)s",
    "statistics_of one job, 30 days": "SELECT * FROM pgcron.statistics_of(%(job)s, '30 days')",
    "upcoming, the next 50": "SELECT * FROM pgcron.upcoming ORDER BY starts_at LIMIT 50",
}  # fmt: skip


def fill(url: str, jobs: int, runs: int, days: float) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = 'replica'")
        few = runs * 9 // 10 // jobs
        connection.execute(JOBS, {"jobs": jobs, "many": runs // 10, "few": few})
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        at = connection.execute("SELECT clock_timestamp() - interval '1 s'").fetchone()
        with ThreadPoolExecutor(2) as threads:
            list(
                threads.map(
                    lambda part: _fill_part(url, {"days": days, "at": at and at[0], "parts": 2, "part": part}), range(2)
                )
            )
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE pgcron.cron_job, pgcron.cron_log")


def _fill_part(url: str, parameters: dict[str, Any]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = 'replica'")
        connection.execute(RUNS, parameters)


def count(url: str) -> int:
    """Everything into cron_daily, in batches as a worker makes them."""
    total, after = 0, "00000000-0000-0000-0000-000000000000"
    with psycopg.connect(url, autocommit=True) as connection:
        while after is not None:
            row = connection.execute("SELECT counted, last FROM pgcron.count_some_runs(%s, 5000)", (after,)).fetchone()
            assert row is not None
            total, after = total + row[0], row[1]
        connection.execute("VACUUM ANALYZE pgcron.cron_daily, pgcron.cron_daily_mark")
    return total


def ask(url: str, question: str, names: list[str]) -> list[float]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(question, {"job": names[0]}).fetchall()  # what a new connection loads
        spent = []
        for name in names:
            began = time.perf_counter()
            connection.execute(question, {"job": name}).fetchall()
            spent.append((time.perf_counter() - began) * 1000)
        return spent


def timed(title: str, step: Any) -> None:
    began = time.perf_counter()
    result = step()
    took = time.perf_counter() - began
    rate = f", {result / took:,.0f} a second" if result else ""
    print(f"{title:40} {took:8.1f} s{rate}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--uncounted", action="store_true", help="leave cron_daily empty")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgcron-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer("18", data_dir=reachable_data_dir(Path(folder) / "data"), settings=SETTINGS) as server:
            url = server.dsn("postgres", "postgres", server.password)
            upgrade(url)
            timed(
                f"made {options.runs:,} runs of {options.jobs:,} jobs",
                lambda: fill(url, options.jobs, options.runs, options.days),
            )
            draw = random.Random(7)
            names = [f"job {draw.randrange(2, options.jobs + 1)}" for _ in range(20)]
            report(
                "before anything was counted, ms: median, worst of 20",
                url,
                {"statistics_of one job, 30 days": QUESTIONS["statistics_of one job, 30 days"]},
                names,
            )
            if not options.uncounted:
                timed("counted into cron_daily", lambda: count(url))
            report("ms: median, worst of 20 jobs", url, QUESTIONS, names)
            report(f"of the job with {options.runs // 10:,} runs", url, QUESTIONS, ["job 1"] * 20)


def report(title: str, url: str, questions: dict[str, str], names: list[str]) -> None:
    print(title)
    for what, question in questions.items():
        spent = ask(url, question, names)
        print(f"  {what:38}{statistics.median(spent):10.2f}{max(spent):10.2f}", flush=True)


if __name__ == "__main__":
    main()
