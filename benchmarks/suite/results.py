"""A run's figures and circumstances, as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pgcron_py.embedded import EmbeddedServer
from suite.cases import TITLES, Scale
from suite.environments import ROOT
from suite.figures import Measurement
from suite.system import System


@dataclass
class Run:
    date: str
    machine: str
    postgresql: str
    python: str
    commit: str
    is_quick: bool
    repeat: int
    beside: str
    systems: dict[str, dict[str, str]]
    missing: list[str]
    floors: list[float] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)

    @classmethod
    def begun(cls, server: EmbeddedServer, systems: list[System], missing: list[str], scale: Scale, beside: str) -> Run:
        version = subprocess.run(
            [str(server.bin_dir / "postgres"), "--version"], capture_output=True, text=True, check=True
        )
        told = {it.name: {"version": getattr(it, "version", "this"), "settings": it.settings} for it in systems}
        return cls(
            time.strftime("%Y-%m-%d"), _machine(), version.stdout.split()[-1], sys.version.split()[0], _commit(),
            scale.is_quick, scale.repeat, beside, told, missing,
        )  # fmt: skip

    def of(self, case: str) -> list[Measurement]:
        return [it for it in self.measurements if it.case == case]


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {memory:.0f} GiB"


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def save(run: Run, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(run), indent=1) + "\n")


def load(file: Path) -> Run:
    found = json.loads(file.read_text())
    found["measurements"] = [Measurement(**it) for it in found["measurements"]]
    return Run(**found)


def added(earlier: Run, later: Run) -> Run:
    """The earlier run, with the later one's rows in place of its own of the same cases and systems, and told so."""
    again = {(it.case, it.system) for it in later.measurements}
    earlier.measurements = [it for it in earlier.measurements if (it.case, it.system) not in again]
    floor = statistics.median(later.floors)
    told = f"measured apart, floor {floor:,.0f}"
    for it in later.measurements:
        earlier.measurements.append(replace(it, floor=floor, note=f"{it.note}; {told}" if it.note else told))
    earlier.measurements.sort(key=lambda it: list(TITLES).index(it.case))
    earlier.systems = {**earlier.systems, **later.systems}
    return earlier
