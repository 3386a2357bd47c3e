"""The core's first figures: start lag, run-now latency, drain, idle cost; beside pgbench's floor, in one run.

    python benchmarks/core.py [--only lag,run_now,drain,idle] [--repeat 3] [--json]

One embedded PostgreSQL 18 on a real disk, fsync and synchronous_commit on. Handlers run as in production: in the executor
process, each run logged and counted. Times of handler starts are the handlers' own (same machine, same clock).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from pgcron_py.app.database import upgrade
from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir

APP = """
import time
from pgcron_py import JobContext, PgCron
app = PgCron("bench", release="1")
@app.handler("noop")
async def noop(ctx: JobContext) -> None:
    ctx.metadata["at"] = time.time()
@app.handler("bare")
async def bare() -> None: ...
"""
STARTS = """
SELECT extract(epoch FROM coalesce(l.scheduled_for, r.created_at))::float8 AS due, (l.metadata ->> 'at')::float8 AS at
  FROM pgcron.cron_log l LEFT JOIN pgcron.cron_request r ON r.id = l.request_id WHERE l.status = 'SUCCESS'
"""


class Bench:
    """A migrated database, emptied before each measurement, and worker processes."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.url = server.dsn("postgres", "postgres", server.password)
        upgrade(self.url)
        (folder / "bench_app.py").write_text(APP)
        self.connection = psycopg.connect(self.url, autocommit=True)

    def fresh(self) -> None:
        self.connection.execute("DELETE FROM pgcron.cron_worker")
        self.connection.execute(
            "TRUNCATE pgcron.cron_log, pgcron.cron_request, pgcron.cron_miss, pgcron.cron_outbox, pgcron.cron_job CASCADE"
        )
        self.connection.execute("VACUUM ANALYZE")
        self.connection.execute("CHECKPOINT")

    @contextlib.contextmanager
    def workers(self, count: int, *flags: str) -> Iterator[list[subprocess.Popen[bytes]]]:
        environment = {**os.environ, "PGCRON_DATABASE_URL": self.url}
        command = [
            sys.executable,
            "-m",
            "pgcron_workers",
            "--app",
            "bench_app",
            "--log-format",
            "json",
            "--log-level",
            "warning",
            *flags,
        ]
        processes = [subprocess.Popen(command, cwd=self.folder, env=environment) for _ in range(count)]
        try:
            self.until("SELECT count(*) FROM pgcron.cron_worker WHERE state = 'LIVE'", count)
            time.sleep(0.5)
            yield processes
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)

    def value(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]

    def until(self, query: str, value: object, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while self.value(query) != value:
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {seconds} s: {query} = {value}, but {self.value(query)}")
            time.sleep(0.02)

    def jobs(self, count: int, schedule: str, handler: str = "noop") -> None:
        self.connection.execute(
            "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || n, %s, %s FROM generate_series(1, %s) n", (schedule, handler, count)
        )  # fmt: skip

    def starts_ms(self) -> list[float]:
        return [(at - due) * 1000 for due, at in self.connection.execute(STARTS).fetchall()]

    def violations(self) -> int:
        return int(self.value("SELECT count(*) FROM pgcron.check_invariants()"))


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    pick = lambda q: ordered[min(len(ordered) - 1, int(len(ordered) * q))]  # noqa: E731 - three uses, here
    return {"n": len(ordered), "p50": pick(0.5), "p95": pick(0.95), "p99": pick(0.99), "max": ordered[-1]}


def lag(bench: Bench, jobs: int, workers: int) -> dict[str, Any]:
    """Handler start minus due, ms, for `jobs` jobs of different schedules that are due at the same second."""
    bench.fresh()
    with bench.workers(workers, "--concurrency", "1000"):
        due = time.gmtime(time.time() + (6 if jobs > 500 else 4))
        bench.connection.execute(
            "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || n, format('%%s %%s,%%s %%s * * *', %s::int, %s::int, n %% 60, %s::int), 'noop' "
            "FROM generate_series(1, %s) n", (due.tm_sec, due.tm_min, due.tm_hour, jobs),
        )  # fmt: skip
        bench.until("SELECT count(*) FROM pgcron.cron_log WHERE status = 'SUCCESS'", jobs, 30)
        found = spread(bench.starts_ms())
    return {**found, "missed": jobs - found["n"], "violations": bench.violations()}


def run_now(bench: Bench, count: int = 400, rate: float = 20) -> dict[str, Any]:
    """From the client's call of run_now to the handler's first line, ms."""
    bench.fresh()
    with bench.workers(1):
        bench.jobs(count, "0 0 1 1 *")
        bench.until("SELECT count(*) FROM pgcron.cron_job WHERE needs_plan", 0)
        time.sleep(1)
        called: dict[str, float] = {}
        for number in range(1, count + 1):
            began = time.time()
            called[f"job {number}"] = began
            bench.connection.execute("SELECT pgcron.run_now(%s)", (f"job {number}",))
            time.sleep(max(0.0, 1 / rate - (time.time() - began)))
        bench.until("SELECT count(*) FROM pgcron.cron_log WHERE status = 'SUCCESS'", count)
        rows = bench.connection.execute(
            "SELECT j.name, (l.metadata ->> 'at')::float8 FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id"
        )
        return {**spread([(at - called[name]) * 1000 for name, at in rows]), "violations": bench.violations()}


def drain(bench: Bench, requests: int, jobs: int, workers: int) -> dict[str, Any]:
    """Runs a second from the first start to everything recorded: requests that wait, history kept."""
    bench.fresh()
    bench.connection.execute(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, is_exclusive, overlap_policy, max_running) "
        "SELECT 'job ' || n, '0 0 1 1 *', 'bare', false, 'allow_all', 10000 FROM generate_series(1, %s) n", (jobs,),
    )  # fmt: skip
    with bench.workers(1):
        bench.until("SELECT count(*) FROM pgcron.cron_job WHERE needs_plan", 0)
    bench.connection.execute("DELETE FROM pgcron.cron_worker")
    bench.connection.execute(
        "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) SELECT j.id, 'backfill', timestamptz '2026-01-01' + n * interval '1 min' "
        "FROM pgcron.cron_job j, generate_series(1, %s) n", (requests // jobs,),
    )  # fmt: skip
    bench.connection.execute("VACUUM ANALYZE")
    with bench.workers(workers, "--concurrency", "1000"):
        bench.until("SELECT count(*) FROM pgcron.cron_log WHERE status <> 'RUNNING'", requests)
        seconds = bench.value(
            "SELECT extract(epoch FROM max(completed_at) - min(started_at))::float8 FROM pgcron.cron_log"
        )
    return {"runs_per_second": requests / seconds, "seconds": seconds, "violations": bench.violations()}


def idle(bench: Bench, seconds: float = 30) -> dict[str, Any]:
    """Statements, processor time and memory of one worker with 1,000 schedules of which none is due."""
    bench.fresh()
    bench.jobs(1000, "0 0 1 1 *")
    with bench.workers(1) as (process,):
        bench.until("SELECT count(*) FROM pgcron.cron_job WHERE needs_plan", 0)
        time.sleep(2)
        log = bench.server.log_file
        bench.connection.execute("ALTER SYSTEM SET log_min_duration_statement = 0")
        bench.connection.execute("ALTER SYSTEM SET log_line_prefix = '%a|'")
        bench.connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)
        size, before = log.stat().st_size, _cpu(process.pid)
        time.sleep(seconds)
        text = log.read_text()[size:]
        used = _cpu(process.pid) - before
        bench.connection.execute("ALTER SYSTEM RESET ALL")
        bench.connection.execute("SELECT pg_reload_conf()")
        statements = len(re.findall(r"^pgcron worker[^|]*\|LOG:  duration: .*(execute|statement)", text, re.M))
        return {
            "statements_per_second": statements / seconds,
            "cpu_seconds_per_minute": used / seconds * 60,
            "rss_mib": _rss(process.pid),
        }


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def floor(bench: Bench) -> dict[str, Any]:
    """pgbench, 4 clients, one durable statement a transaction: UPDATE a counter and INSERT a log row."""
    bench.connection.execute("DROP TABLE IF EXISTS floor_counter, floor_log")
    bench.connection.execute(
        "CREATE TABLE floor_counter AS SELECT n AS id, 0::bigint AS hits FROM generate_series(1, 1000) n"
    )
    bench.connection.execute("ALTER TABLE floor_counter ADD PRIMARY KEY (id)")
    bench.connection.execute(
        "CREATE TABLE floor_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, counter int, at timestamptz DEFAULT clock_timestamp())"
    )
    script = bench.folder / "floor.sql"
    script.write_text(
        "\\set id random(1, 1000)\nWITH u AS (UPDATE floor_counter SET hits = hits + 1 WHERE id = :id RETURNING id) "
        "INSERT INTO floor_log (counter) SELECT id FROM u;\n"
    )
    command = [
        str(bench.server.bin_dir / "pgbench"),
        "-n",
        "-c",
        "4",
        "-j",
        "1",
        "-T",
        "5",
        "-M",
        "prepared",
        "-f",
        str(script),
        bench.url,
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tps = ([\d.]+)", output)
    assert found is not None
    return {"transactions_per_second": float(found[1])}


def measure(bench: Bench, only: set[str], repeat: int) -> dict[str, Any]:
    plan = {
        "floor": [("floor, 4 clients", lambda: floor(bench))],
        "lag": [
            (f"lag, {n} jobs, {w} worker{'s' * (w > 1)}", lambda n=n, w=w: lag(bench, n, w))
            for w in (1, 4)
            for n in (1, 100, 1000)
        ],
        "run_now": [("run now, 400 at 20/s", lambda: run_now(bench))],
        "drain": [
            (
                f"drain, 20,000 requests of 1,000 jobs, {w} worker{'s' * (w > 1)}",
                lambda w=w: drain(bench, 20_000, 1000, w),
            )
            for w in (1, 2)
        ],
        "idle": [("idle, 1,000 schedules", lambda: idle(bench))],
    }
    results: dict[str, Any] = {}
    for kind, cases in plan.items():
        for title, case in cases if not only or kind in only else ():
            runs = [case() for _ in range(repeat if kind != "idle" else 1)]
            results[title] = {key: [run[key] for run in runs] for key in runs[0]}
            print(
                f"{title:52}",
                "  ".join(f"{key} {_shown(values)}" for key, values in results[title].items()),
                flush=True,
            )
    return results


def _shown(values: list[float]) -> str:
    middle = statistics.median(values)
    text = f"{middle:,.0f}" if middle >= 1000 or middle == int(middle) else f"{middle:.2f}"
    return text if len(values) == 1 or min(values) == max(values) else f"{text} ({min(values):.4g}..{max(values):.4g})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="comma-separated: floor, lag, run_now, drain, idle")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="also write all figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgcron-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer(
            "18", data_dir=reachable_data_dir(Path(folder) / "data"), settings={"max_connections": "200"}
        ) as server:
            results = measure(
                Bench(server, Path(folder)), {part for part in options.only.split(",") if part}, options.repeat
            )
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
