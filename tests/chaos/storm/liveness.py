"""When the faults have stopped: does everything go on?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from chaos.storm.arena import TTL, Arena, Seat
from support.fleet import Worker, wait_for

PATIENCE = 40.0  # a lease, its reaping, a start
TRIES = 5
CLAIMED_WITHIN = 1.0

STILL_RUNNING = """
SELECT l.id, j.name, w.pid, l.started_at FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id JOIN pgcron.cron_worker w ON w.id = l.worker_id
 WHERE l.status = 'RUNNING' AND l.started_at < %s LIMIT 5
"""
# `plain-strikes` may have disabled itself again since.
OVERDUE = """
SELECT name, next_run_at FROM pgcron.cron_job
 WHERE needs_plan OR (is_enabled AND next_scheduled_for <= %s) OR (is_enabled AND next_run_at < clock_timestamp() - interval '2 s') LIMIT 1
"""
STATES = "SELECT pid, state FROM pgcron.cron_worker WHERE state IN ('LIVE', 'DRAINING')"
PROBED = "SELECT 1 FROM pgcron.cron_log WHERE request_id = %s"


def complaints(arena: Arena, end: datetime) -> Iterator[str]:
    """end: when the last fault was taken back, by the database's clock."""
    checks: dict[str, Callable[[], bool]] = {
        "every worker is LIVE, and no other": lambda: all_live(arena),
        "what ran has ended": lambda: not asked(arena, STILL_RUNNING, end),
        "nothing is overdue": lambda: not asked(arena, OVERDUE, end),
    }
    for what, check in checks.items():
        try:
            wait_for(lambda check=check: bool(check()), what, PATIENCE)
        except AssertionError as error:
            yield f"liveness: {error}: {evidence(arena, end)}"
    for seat in arena.seats:
        if (seconds := probed(arena, seat)) > CLAIMED_WITHIN:
            yield f"liveness: a run now for seat {seat.number} was claimed after {seconds:.2f} s at best"


def asked(arena: Arena, query: str, *values: Any) -> list[dict[str, Any]]:
    """An error counts as a bad answer: liveness waits for a good one."""
    try:
        return arena.rows(query, *values)
    except psycopg.Error as error:
        return [{"error": str(error)}]


def all_live(arena: Arena) -> bool:
    arena.refill()
    rows = asked(arena, STATES)
    states = {row["pid"]: row["state"] for row in rows if "error" not in row}
    return len(rows) == len(arena.seats) and all(states.get(seat.worker.pid) == "LIVE" for seat in arena.seats)


def evidence(arena: Arena, end: datetime) -> str:
    trees = {seat.worker.pid: processes(seat.worker) for seat in arena.seats}
    workers = [(seat.number, seat.worker.pid, seat.worker.log_file.name) for seat in arena.seats]
    return f"seats {workers}, processes {trees}, registered {asked(arena, STATES)}, running {asked(arena, STILL_RUNNING, end)}, overdue {asked(arena, OVERDUE, end)}"


def processes(worker: Worker) -> list[str]:
    """Each process below it: its state, and what it waits for in the kernel."""
    found = []
    for pid in worker.executor_pids():
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            found.append(f"{pid} {state} {Path(f'/proc/{pid}/wchan').read_text()}")
    return found


def probed(arena: Arena, seat: Seat) -> float:
    """Seconds from a run now, which only this seat's worker can serve, to its claim: the best of a few tries."""
    best = float("inf")
    for _ in range(TRIES):
        best = min(best, probed_once(arena, f"probe-{seat.number}"))
        if best <= CLAIMED_WITHIN:
            break
    return best


def probed_once(arena: Arena, job: str) -> float:
    try:
        (row,) = arena.rows("SELECT pgcron.run_now(%s) AS request", job)
        began = time.monotonic()
        wait_for(lambda: asked(arena, PROBED, row["request"]), "claimed", TTL + 10)
        return time.monotonic() - began
    except (psycopg.Error, AssertionError):
        return float("inf")
