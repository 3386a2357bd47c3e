"""What the storm tells at its end."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from typing import Any

from chaos.storm.arena import FAKETIME, Arena
from chaos.storm.faults import Taken

Row = dict[str, Any]
FENCED = re.compile(r'"event": ?"(lease_lost|declared_dead|runs_taken_away|orphaned_claims)"')
# Other ends of the same runs have other causes: they are not this fault's.
TAKEN_REASONS = {
    "kill_supervisor": ("lost",), "kill_executor": ("crashed", "neighbour"), "stop_tree": ("lost", "db_error"),
    "stop_supervisor": ("lost", "db_error"),
}  # fmt: skip

ENDED = "SELECT id, completed_at, reason FROM pgcron.cron_log WHERE id = ANY (%s) AND status = 'FAILED'"
RUNS = "SELECT coalesce(reason, status) AS what, count(*) AS n FROM pgcron.cron_log GROUP BY 1 ORDER BY 2 DESC"
MISSES = "SELECT reason AS what, sum(count) AS n FROM pgcron.cron_miss GROUP BY 1 ORDER BY 2 DESC"


def summary(arena: Arena, faults: Counter[str], edits: Counter[str], taken: list[Taken], occurrences: int) -> list[str]:
    runs, misses = (Counter({row["what"]: int(row["n"]) for row in arena.rows(query)}) for query in (RUNS, MISSES))
    fenced = Counter(match for worker in arena.fleet.workers for match in FENCED.findall(worker.log))
    return [
        line("faults", faults),
        line("edits", edits),
        line("workers started", Counter(), len(arena.fleet.workers)),
        f"clock            {'the worker of one seat is 3 h ahead' if FAKETIME else 'all alike: libfaketime is not installed'}",
        line("zombies fenced", fenced),
        *(recovery(kind, seconds) for kind, seconds in sorted(recoveries(arena, taken).items())),
        line("runs", runs),
        line("occurrences", Counter(), occurrences),
        line("misses", misses),
    ]


def line(what: str, counts: Counter[str], total: int | None = None) -> str:
    parts = ", ".join(f"{name} {n}" for name, n in counts.most_common())
    return f"{what:<16} {counts.total() if total is None else total}" + (f": {parts}" if parts else "")


def recoveries(arena: Arena, taken: list[Taken]) -> dict[str, list[float]]:
    """Seconds from a fault to the recorded end of each run that it took, by kind of fault, and of all."""
    found: dict[str, list[float]] = {"all": []}
    for one in taken:
        for row in arena.rows(ENDED, one.run_ids):
            if row["reason"] in TAKEN_REASONS[one.kind]:
                seconds = (row["completed_at"] - one.at).total_seconds()
                found.setdefault(one.kind, []).append(seconds)
                found["all"].append(seconds)
    return found


def recovery(kind: str, seconds: list[float]) -> str:
    return f"recovery         {kind}: {figures(seconds)}"


def figures(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return f"{len(seconds)} runs" + "".join(f", {one:.1f} s" for one in seconds)
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"{len(seconds)} runs, p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s, most {max(seconds):.1f} s"
