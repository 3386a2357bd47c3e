"""What one run says while it goes on: its lines, and how far it is."""

from __future__ import annotations

import math
import threading
import time
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from pgcron_workers.executors.jsonable import text_of
from pgcron_workers.executors.lines import Lines, Stream, texts_of
from pgcron_workers.executors.sanitise import storable

MAX_PROGRESS_TEXT = 500
PROGRESS_EVERY = 0.5  # seconds


class RunOutput(Struct, eq=False, gc=False):
    """Called from any thread. What is taken out is for one taker at a time. Most runs say nothing: what they would need
    for it is made when they do. latest_progress: what the handler reported last."""

    run_id: UUID
    is_closed: bool = False
    latest_progress: dict[str, Any] | None = None
    # A handler's own code may write while it writes: __str__, signals, finalizers.
    _lock: Any = field(default_factory=threading.RLock)
    _lines: Lines | None = None
    _progress: dict[str, Any] | None = None
    _next_progress_at: float = 0.0
    _said_tail_from: int = 0

    def write(self, stream: Stream, text: str) -> None:
        """Text as print() writes it: lines in pieces, pieces of lines."""
        if not self.is_closed and text:
            with self._lock:
                self._kept().write(stream, text)

    def record(self, level: str, text: str) -> None:
        """A logging record: each of its lines."""
        if not self.is_closed:
            with self._lock:
                self._kept().record(level, text)

    def _kept(self) -> Lines:
        if self._lines is None:
            self._lines = Lines()
        return self._lines

    def progress(self, fraction: float, text: str | None = None) -> None:
        known = float(fraction)
        share = min(max(known, 0.0), 1.0) if math.isfinite(known) else 0.0
        said = None if text is None else storable(text_of(text), MAX_PROGRESS_TEXT)
        self.latest_progress = {"fraction": round(share, 4), "text": said}
        self._progress = self.latest_progress | {"at": time.monotonic()}

    def close(self) -> dict[str, Any] | None:
        """The last news, once; what comes later goes elsewhere."""
        with self._lock:
            if self._lines is not None:
                self._lines.end()
            self.is_closed = True
            return self.news(math.inf) if self._lines is not None and self._lines.count else None

    def news(self, now: float) -> dict[str, Any] | None:
        """What the supervisor does not know yet; None when it knows all, or will be told later."""
        if self._lines is None and self._progress is None:
            return None
        with self._lock:
            kept = self._kept()
            lines = kept.due(now)
            progress = self._due_progress(now)
            if not lines and progress is None and not (self.is_closed and kept.count):
                return None
            tail_from = kept.tail_from()
            totals = kept.totals() | {"is_complete": self.is_closed}
        said = [
            [line.number, line.stream, line.level, line.at, text]
            for line, text in zip(lines, texts_of(lines), strict=True)
        ]
        if tail_from and tail_from != self._said_tail_from:
            self._said_tail_from = tail_from
            dropped = f"… {totals['dropped_lines']} lines ({totals['dropped_bytes']} bytes) were dropped …"
            said.append([tail_from - 1, "log", "DROPPED", now if math.isfinite(now) else time.monotonic(), dropped])
        return {"run_id": str(self.run_id), "kept": said, "tail_from": tail_from, "progress": progress} | totals

    def _due_progress(self, now: float) -> dict[str, Any] | None:
        if self._progress is None or now < self._next_progress_at:
            return None
        progress, self._progress = self._progress, None
        self._next_progress_at = now + PROGRESS_EVERY
        return progress
