"""How fast schedules are in SQL: `python benchmarks/schedules_in_sql.py`. One connection, an embedded server.

Prints next-run evaluations per minute (parsing included: SQL keeps nothing between calls) and the cost of hard texts.
Figures depend on the machine: compare them with each other.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from timetable import HARD, TICKING

from pgcron_py.app.database import upgrade
from pgcron_py.embedded import EmbeddedServer

ROUNDS = 2_000
SERVERS: dict[str, str | Path] = {"15": Path("/usr/lib/postgresql/15/bin")}
EVERY_HOUR = """
  SELECT count(*) FROM generate_series(1, %s) n,
    pgcron.next_runs(%s, %s, timestamptz '2026-03-04 05:06:07Z' + n * interval '1 hour', 1)
"""
IN_A_ROW = "SELECT count(*) FROM pgcron.next_runs(%s, %s, '2026-03-04 05:06:07Z', %s)"
# As the test of weird inputs has them, and one that names every minute by itself.
WORST = [
    *HARD,
    ("a leap Sunday never", "0 0 0 29 2 */7 2005-2031"),
    ("hashes", f"0 0 * * {'#' * 248}"),
    ("brackets", "H(" * 128),
]


def main(version: str = "18") -> None:
    with EmbeddedServer(SERVERS.get(version, version)) as server:
        url = f"postgresql://{server.user}@/postgres?host={server.host}&port={server.port}"
        upgrade(url)
        with psycopg.connect(url, autocommit=True) as connection:
            report(connection)


def report(connection: psycopg.Connection) -> None:
    print(f"PostgreSQL {connection.info.server_version // 10_000}")
    print("next_runs(…, 1), parsed each time: evaluations a minute (goal: 20,000); n in one call: runs a minute")
    for label, text, zone in TICKING:
        single = spent(connection, EVERY_HOUR, ROUNDS, text, zone)
        row = spent(connection, IN_A_ROW, text, zone, ROUNDS)
        print(f"  {label:26}{ROUNDS / single * 60:>12,.0f}{ROUNDS / row * 60:>12,.0f}")
    print("hard texts: ms, worst of 20 (goal: 50)")
    for label, text in WORST:
        slowest = max(spent(connection, IN_A_ROW, text, "America/New_York", 1) for _ in range(20))
        print(f"  {label:26}{slowest * 1_000:>12.2f}")


def spent(connection: psycopg.Connection, query: str, *values: object) -> float:
    started = time.perf_counter()
    with suppress(psycopg.errors.DatabaseError):  # a refusal is an answer
        connection.execute(query, values)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
