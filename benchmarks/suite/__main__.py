"""All benchmarks in one run on one PostgreSQL 18, with the floor (pgbench) before and after: `make bench`, `make bench PEERS=1`.

    PYTHONPATH=benchmarks python -m suite [--peers] [--quick] [--only A,C] [--systems pgcron_py,graphile-worker] [--repeat 3]
                                          [--json FILE] [--docs FOLDER] [--add-to FILE]

A start lag   B run now   C drain   D idle cost   F growth   G effect on others   H executors   I sync handlers   K fifty workers
L startup
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from pgcron_py.embedded import EmbeddedServer
from suite import alone, report, results
from suite.cases import CASES, TITLES, Scale
from suite.database import Database, floor, server_in
from suite.environments import PACKAGES, NotInstallable
from suite.figures import Measurement, shown
from suite.ours import PgCronPy
from suite.peers import Peer
from suite.system import System


def systems(server: EmbeddedServer, folder: Path, with_peers: bool, only: set[str]) -> tuple[list[System], list[str]]:
    """Those that can be measured, and why others can't."""
    found: list[System] = [PgCronPy(server, folder)] if not only or PgCronPy.name in only else []
    missing = []
    for package in PACKAGES if with_peers else ():
        if only and package.name not in only:
            continue
        try:
            say(f"{package.name} {package.version}: its environment")
            found.append(Peer(server, package))
        except NotInstallable as reason:
            missing.append(str(reason))
            say(f"left out: {reason}")
    return found, missing


def measured(found: list[System], database: Database, scale: Scale, only: set[str]) -> Iterator[Measurement]:
    for letter in TITLES:
        if only and letter not in only:
            continue
        say(f"{letter}  {TITLES[letter]}")
        for system in found:
            yield from _of(letter, system, database, scale)


def _of(letter: str, system: System, database: Database, scale: Scale) -> Iterator[Measurement]:
    """A system that fails in a case is told, and the run goes on."""
    if letter in system.limits.left_out:
        yield Measurement(letter, "", system.name, note=f"left out: {system.limits.left_out[letter]}")
        return
    try:
        if letter in CASES:
            yield from CASES[letter](system, database, scale)
        if isinstance(system, PgCronPy) and letter in alone.CASES:
            yield from alone.CASES[letter](system, database, scale)
    except Exception as error:  # whatever a peer's program does
        traceback.print_exc()
        yield Measurement(letter, "", system.name, note=f"failed: {type(error).__name__}: {str(error)[:300]}")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def told(found: Measurement) -> None:
    figures = "  ".join(f"{name} {shown(values)}" for name, values in found.figures.items() if name != "n")
    say(f"   {found.system:24} {found.what:44} {figures}  {found.note}")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="store_true", help="also measure the peers; installs them into .bench/")
    parser.add_argument("--quick", action="store_true", help="less of everything, once each: minutes")
    parser.add_argument("--only", default="", metavar="A,C", help="these cases")
    parser.add_argument("--systems", default="", metavar="NAMES", help="these systems, by commas")
    parser.add_argument("--repeat", type=int, help="how often each (default 3; 1 with --quick)")
    parser.add_argument("--json", default="benchmarks/results/latest.json", metavar="FILE", help="default: %(default)s")
    parser.add_argument(
        "--add-to", metavar="FILE", help="replace the rows of these cases and systems in earlier figures"
    )
    parser.add_argument("--beside", default="", metavar="TEXT", help="what else ran on the machine, for the report")
    parser.add_argument("--docs", metavar="FOLDER", help="write benchmarks.md and its plots there")
    parser.add_argument("--report", metavar="FILE", help="measure nothing: write --docs from this JSON")
    return parser.parse_args()


def names(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def main() -> None:
    chosen = options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # workers are ended on the way out
    if chosen.report:
        report.write(results.load(Path(chosen.report)), Path(chosen.docs or "docs"))
        return
    only = names(chosen.only.upper())
    if unknown := only - set(TITLES):
        raise SystemExit(f"--only: there is no case {', '.join(sorted(unknown))}; there are {', '.join(TITLES)}")
    scale = Scale(chosen.quick, chosen.repeat or (1 if chosen.quick else 3))
    with tempfile.TemporaryDirectory(prefix="pgcron-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        with server_in(folder) as server:
            database = Database(server, "floor")
            found, missing = systems(server, folder, chosen.peers, names(chosen.systems))
            run = results.Run.begun(server, found, missing, scale, chosen.beside)
            for _ in range(2):
                run.floors.append(floor(database))
            say(f"floor, 4 clients: {run.floors[-1]:,.0f} transactions a second")
            for measurement in measured(found, database, scale, only):
                told(measurement)
                run.measurements.append(measurement)
                results.save(run, Path(chosen.json))  # what an interrupted run leaves
            run.floors.append(floor(database))
            say(f"floor, 4 clients, afterwards: {run.floors[-1]:,.0f} transactions a second")
            results.save(run, Path(chosen.json))
    if chosen.add_to:
        run = results.added(results.load(Path(chosen.add_to)), run)
        results.save(run, Path(chosen.add_to))
    say(f"figures: {chosen.add_to or chosen.json}")
    if chosen.docs:
        report.write(run, Path(chosen.docs))
    sys.exit(any(it.system == PgCronPy.name and it.note.startswith("failed") for it in run.measurements))


if __name__ == "__main__":
    main()
