"""Asks the database once a second what must be true at any instant."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import psycopg

from chaos.storm.arena import connected

PERIOD = 1.0


class Watch:
    """complain: takes each new violation. checks: rounds that were answered."""

    def __init__(self, url: str, complain: Callable[[str], None]) -> None:
        self._url, self._complain = url, complain
        self._over = threading.Event()
        self._seen: set[str] = set()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.checks = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)

    def _watch(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            with contextlib.suppress(psycopg.OperationalError):  # the server is being restarted, or a table is locked
                self.look()
            self._over.wait(max(0.0, PERIOD - (time.monotonic() - began)))

    def look(self) -> None:
        with connected(self._url) as connection:
            broken = connection.execute("SELECT * FROM pgcron.check_invariants()").fetchall()
        self.checks += 1
        for row in broken:
            if (text := f"invariant {row['invariant']}, {row['job']}: {row['detail']}") not in self._seen:
                self._seen.add(text)
                self._complain(text)
