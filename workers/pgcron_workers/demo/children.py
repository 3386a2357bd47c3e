"""The demo's child processes: workers and the admin. They are started, watched, started again, and never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

AGAIN_AFTER_S = 1.0
STOP_WITHIN_S = 15.0


@dataclass(slots=True)
class Child:
    """One process. arguments: computed at each start, such as a free port. log_file: takes its stdout and stderr."""

    name: str
    arguments: Callable[[], list[str]]
    environment: Mapping[str, str]
    log_file: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _again_at: float | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        assert threading.current_thread() is threading.main_thread(), "see tied.end_with"
        command = [sys.executable, "-m", "pgcron_workers.demo.tied", str(os.getpid()), *self.arguments()]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment() | dict(self.environment),
                start_new_session=True,  # Ctrl-C in the terminal is the demo's to answer
            )

    def ended(self) -> str | None:
        """Once after each end that nobody asked for: how it ended. It is started again a moment later."""
        if self._again_at is not None:
            if time.monotonic() >= self._again_at:
                self._again_at = None
                self.start()
            return None
        if self._process is None or (code := self._process.poll()) is None:
            return None
        self._again_at = time.monotonic() + AGAIN_AFTER_S
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def send(self, number: signal.Signals) -> None:
        self._again_at = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def is_over(self) -> bool:
        return self._process is None or self._process.poll() is not None


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead libpq or pgcron elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def stop(children: Iterable[Child], hurry: Callable[[], bool]) -> None:
    """Asks all to end, waits, and kills what is left when time is over or `hurry` says so."""
    children = list(children)
    deadline = time.monotonic() + STOP_WITHIN_S
    for child in children:
        child.send(signal.SIGTERM)
    while not all(child.is_over() for child in children):
        if time.monotonic() > deadline or hurry():
            for child in children:
                child.send(signal.SIGKILL)
        time.sleep(0.02)
