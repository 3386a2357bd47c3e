"""`python -m chaos.storm --minutes 3 --seed 7`, with tests/ on the path: `make chaos MINUTES=3 SEED=7`."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos.storm.arena import arena_in
from chaos.storm.driver import Outcome, Storm


def main() -> int:
    arguments = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the fleet ends with the storm
    folder = Path(tempfile.mkdtemp(prefix="pgcron-storm-"))
    print(f"storm of {arguments.minutes:g} minutes, seed {arguments.seed}", flush=True)
    with arena_in(folder) as arena:
        outcome = Storm(arena, arguments.seed, arguments.minutes * 60, say(arguments.verbose)).run()
    return told(outcome, arguments, folder)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Faults on a real fleet, and what became of everything.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--verbose", action="store_true", help="tell each fault as it strikes")
    return parser.parse_args()


def say(verbose: bool):
    return lambda text: print(text, flush=True) if verbose or text.startswith("VIOLATION") else None


def told(outcome: Outcome, arguments: argparse.Namespace, folder: Path) -> int:
    print(*outcome.lines, f"violations: {len(outcome.violations)}", sep="\n")
    if not outcome.violations:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(*(f"  {violation}" for violation in outcome.violations[:40]), sep="\n")
    print(f"logs, starts of handlers, rows and the diary: {folder}")
    print(f"again: make chaos MINUTES={arguments.minutes:g} SEED={arguments.seed}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
