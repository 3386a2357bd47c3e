"""K: many workers and few jobs on one database: connections, what an occurrence wakes, claims that find nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from suite.cases import Scale, plural
from suite.database import Database, listening
from suite.figures import Measurement, spread
from suite.ours import STARTS, SUCCEEDED, PgCronPy
from suite.processes import own_mib

CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pgcron%%'"
)
EVERY_SECOND = "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'job ' || n, '* * * * * *', 'timed' FROM generate_series(1, %s) n"
STATEMENT = r"LOG:  duration: [\d.]+ ms  (?:execute|statement)"
# In the text of a statement that was executed: its lines follow, each after a tab.
LOOK, LOCK = (rf"{STATEMENT}.*(?:\n\t.*)*?{text}" for text in (r"FROM pgcron\.look\(", r"SKIP LOCKED\) locked"))


def many_workers(system: PgCronPy, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    seconds = scale.pick(30, 15)
    for workers in scale.pick((1, 10, 50), (1, 10)):
        system.empty()
        with system.working(workers, concurrency=100) as crew:
            time.sleep(5)  # what each does once
            quiet = listening(system.database, seconds)
            connections = system.database.value(CONNECTIONS)
            system.database.do(EVERY_SECOND, 2)
            system.database.until("SELECT count(*) >= 4 FROM pgcron.cron_log", True)
            before = system.database.value(SUCCEEDED)
            busy = listening(system.database, seconds)
            runs = system.database.value(SUCCEEDED) - before
            lags = spread([(at - due) * 1000 for _, due, at in system.database.rows(STARTS)])
            memory = {part.name: sum(map(own_mib, part.pids)) / workers for part in crew.parts()}
        occurrences = max(1, runs)
        attempts = len(re.findall(LOCK, busy))
        yield Measurement(
            "K",
            plural(workers, "worker"),
            system.name,
            {
                "connections": [float(connections)],
                "idle statements a second": [len(re.findall(STATEMENT, quiet)) / seconds],
                "statements a run": [len(re.findall(STATEMENT, busy)) / occurrences],
                "looks a run": [len(re.findall(LOOK, busy)) / occurrences],
                "claims a run": [attempts / occurrences],
                "lag p50, ms": [lags["p50"]],
                "lag p99, ms": [lags["p99"]],
                "supervisor PSS, MiB": [memory["supervisor"]],
                "executors PSS, MiB": [memory["executors"]],
            },
            "2 jobs that are due each second",
        )
