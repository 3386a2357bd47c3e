"""Cases that only pgcron_py has: they look at its own tables, or at its own processes."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from suite import growth
from suite.cases import Case, Scale
from suite.database import Database
from suite.environments import ROOT
from suite.figures import Measurement
from suite.fleet import many_workers
from suite.startup import startup
from suite.system import System

EXECUTORS = ROOT / "benchmarks" / "executors.py"


def grown(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    yield from growth.claim(Database(system.database.server, "growing_jobs"), scale)
    for runs in scale.pick((1_000_000, 10_000_000), (1_000_000,)):
        yield from growth.pages(Database(system.database.server, "growing_runs"), runs)


def executor_cost(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    del floor
    command = [sys.executable, str(EXECUTORS), "--json", "--runs", str(scale.pick(500, 200))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for kind in ("async", "def"):
        figures = {name: [value] for name, value in found[f"warm_start_ms_{kind}"].items()}
        yield Measurement(
            "H", f"from the claim's COMMIT to the first line of a warm `{kind}` handler, ms", system.name, figures
        )
    own = [process["own"] for process in found["memory_mib"]]
    yield Measurement(
        "H", "memory of the processes below a supervisor, MiB of their own", system.name,
        {"the largest": own[:1], "median": [statistics.median(own)], "together": [sum(own)]}, f"{len(own)} processes",
    )  # fmt: skip


CASES: dict[str, Case] = {"F": grown, "H": executor_cost, "K": many_workers, "L": startup}  # type: ignore[dict-item]
