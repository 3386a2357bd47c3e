"""Takes one guard away at a time and shows which test notices:  python tests/mutation/mutate.py [--quick] [word …]

Each guard is removed in a copy of the tree, where its tests run; a guard whose removal no test notices SURVIVED, which is an
error. Words choose guards whose names contain them. --quick: those that CI tries.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]
# With __pycache__: compiling everything anew would take longer than most tests.
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", ".pgcron", "results", "node_modules")
PYTEST = ("-m", "pytest", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist")
FOUND = "import pgcron_py, pgcron_workers, pgcron_admin; from pgcron_py.resources import resource_dir as r; " \
        "print(*(m.__file__ for m in (pgcron_py, pgcron_workers, pgcron_admin)), r('sql'), r('alembic'))"  # fmt: skip


class Unfit(Exception):
    """A guard whose text is not in the tree exactly once, or a copy that isn't the one that runs."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said. file: where the guard is; first: the first test that noticed."""

    guard: Guard
    file: str
    failed: int
    passed: int
    first: str
    seconds: float
    output: str

    @property
    def survived(self) -> bool:
        return self.failed == 0


class Copy:
    """A copy of the tree in which guards come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tree"
        shutil.copytree(ROOT, self.folder, ignore=LEFT_OUT)
        places = (self.folder, self.folder / "workers", self.folder / "admin")
        # What is written meanwhile is never compiled for keeps: a mutation must not outlive its turn.
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._must_be_what_runs()

    def _must_be_what_runs(self) -> None:
        """The editable install must not win over the copy."""
        found = self._python("-c", FOUND).stdout.split()
        if len(found) != 5 or not all(Path(path).is_relative_to(self.folder) for path in found):
            raise Unfit(f"the tests would run another tree: {found}")

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    def test(self, tests: list[str], *flags: str) -> subprocess.CompletedProcess[str]:
        return self._python(*PYTEST, *flags, *tests)

    def judge(self, guard: Guard, *flags: str) -> Verdict:
        file = place_of(guard, self.folder)
        text = file.read_text()
        file.write_text(text.replace(guard.old, guard.new))
        began = time.monotonic()
        try:
            run = self.test(list(guard.tests), *flags)
        finally:
            file.write_text(text)
        failed, passed = (int((re.findall(rf"(\d+) {word}", run.stdout) or ["0"])[-1]) for word in ("failed", "passed"))
        if run.returncode not in (0, 1) or not failed + passed:
            raise Unfit(f"{guard.name}: the tests could not run\n{run.stdout}{run.stderr}")
        first = (re.findall(r"(?m)^FAILED \S+::(\S+)", run.stdout) or [""])[0]
        return Verdict(
            guard, str(file.relative_to(self.folder)), failed, passed, first, time.monotonic() - began, run.stdout
        )


def place_of(guard: Guard, tree: Path) -> Path:
    """The file that holds the guard. Raises Unfit unless there is exactly one place."""
    places = [file for file in sorted(tree.glob(guard.where)) for _ in range(file.read_text().count(guard.old))]
    if len(places) != 1:
        raise Unfit(f"{guard.name}: found {len(places)} times in {guard.where}, not once:\n  {guard.old!r}")
    return places[0]


def line_of(verdict: Verdict) -> str:
    first = "SURVIVED" if verdict.survived else verdict.first
    total = verdict.failed + verdict.passed
    return (
        f"{verdict.guard.name:<66} {verdict.file:<52} {verdict.failed:>3}/{total:<3} {verdict.seconds:5.1f} s  {first}"
    )


def chosen(words: list[str], *, quick: bool) -> list[Guard]:
    named = [guard for guard in GUARDS if not words or any(word in guard.name for word in words)]
    return [guard for guard in named if guard.is_quick or not quick]


def verdicts(guards: list[Guard], folder: Path, flags: list[str]) -> list[Verdict]:
    """A copy for each processor, and one that stays whole, where the tests must be green."""
    if not guards:  # without a selection pytest would run everything
        raise Unfit("no guard's name contains such a word")
    for guard in GUARDS:  # also those that are not tried now: a text that is gone is noticed at once
        place_of(guard, ROOT)
    copies = [Copy(folder / str(number)) for number in range(min(os.cpu_count() or 1, 4))]
    tests = sorted(set(chain.from_iterable(guard.tests for guard in guards)))
    baseline = copies[0].test(tests)
    if baseline.returncode != 0:
        raise Unfit(f"red without any mutation:\n{baseline.stdout}{baseline.stderr}")
    print(
        f"{len(tests)} selections are green with every guard in place; removing {len(guards)} guards, one at a time\n"
    )
    print(f"{'guard':<66} {'where':<52} red/run seconds first test that noticed")
    free = copies.copy()

    def judged(guard: Guard) -> Verdict:
        copy = free.pop()
        try:
            verdict = copy.judge(guard, *flags)
        finally:
            free.append(copy)
        print(line_of(verdict), flush=True)
        return verdict

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(judged, guards))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="only the guards that CI tries, each until the first failure"
    )
    parser.add_argument("words", nargs="*", help="only guards whose names contain one of these")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="pgcron-mutation-") as folder:
            found = verdicts(chosen(options.words, quick=options.quick), Path(folder), ["-x"] if options.quick else [])
    except Unfit as error:
        print(error, file=sys.stderr)
        return 1
    survivors = [verdict for verdict in found if verdict.survived]
    print(f"\n{len(found) - len(survivors)} of {len(found)} noticed, in {time.monotonic() - began:.0f} s")
    for verdict in survivors:
        print(f"SURVIVED: {verdict.guard.name} ({verdict.file})\n{verdict.output}", file=sys.stderr)
    return 1 if survivors or not found else 0


if __name__ == "__main__":
    sys.exit(main())
