"""How long one waits for what was started: a command's help, a worker, the demo."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from suite.cases import Scale
from suite.database import Database
from suite.figures import Measurement
from suite.ours import PgCronPy
from suite.system import System

PGCRON = str(Path(sys.executable).with_name("pgcron"))
DEMO = ["demo", "--exit-after", "3", "--json", "--workers", "2", "--data-dir"]


def startup(system: System, floor: Database, scale: Scale) -> Iterator[Measurement]:
    """Everything is installed and has run once: Python's compiled files are there, and the files are in memory."""
    del floor
    assert isinstance(system, PgCronPy)
    repeat = max(scale.repeat, 3)
    for what, seconds in (
        ("pgcron --help", _help),
        ("a worker, to its row in cron_worker", lambda: _worker(system)),
        ("pgcron demo, to the first recorded run", lambda: _demo(system.folder)),
    ):
        seconds()
        yield Measurement("L", what, system.name, {"seconds": [seconds() for _ in range(repeat)]})


def _help() -> float:
    began = time.monotonic()
    subprocess.run([PGCRON, "--help"], check=True, capture_output=True)
    return time.monotonic() - began


def _worker(system: PgCronPy) -> float:
    system.empty()
    began = time.monotonic()
    with system.working(1):
        return time.monotonic() - began


def _demo(folder: Path) -> float:
    """In an empty folder, with the making of its database."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        Path(name).chmod(0o755)
        done = subprocess.run([PGCRON, *DEMO, f"{name}/data"], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["first_run_s"])
