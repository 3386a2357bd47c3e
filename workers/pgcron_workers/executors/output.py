"""What one run writes, bounded: its first and its last 64 KiB of lines, and how much there was."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pgcron_workers.executors.jsonable import text_of
from pgcron_workers.executors.live_run import LiveRun
from pgcron_workers.executors.sanitise import bounded, clean, redacted, storable

HEAD = TAIL = 64 * 1024  # bytes, a line end for each line included
MOST_LINES = 10_000  # in the head and in the tail: empty lines take memory too
MAX_LINE = 8_192  # characters
LOOKED_AT = MAX_LINE + 4_096  # of a line, so that a secret on the cut is known as one
MAX_PROGRESS_TEXT = 500
PROGRESS_EVERY = 0.5  # seconds
BYTES_PER_SECOND, LINES_PER_SECOND = 16 * 1024, 1_000  # at which a full tail is sent again and again

Stream = Literal["stdout", "stderr", "log"]


@dataclass(slots=True)
class Line:
    """at: time.monotonic(), which all processes of a host share. size: bytes as written."""

    number: int
    stream: Stream
    level: str | None
    at: float
    text: str
    size: int


class RunOutput:
    """Called from any thread. What is taken out is for one taker at a time."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self.is_closed = False
        self._lock = threading.RLock()  # a handler's own code may write while it writes: __str__, signals, finalizers
        self._partial: dict[Stream, str] = {}
        self._in_pem: set[str] = set()
        self._lines = self._bytes = 0
        self._head: list[Line] = []
        self._head_lines = self._head_bytes = 0
        self._is_head_full = False
        self._tail: deque[Line] = deque()
        self._tail_bytes = 0
        self._sent = 0
        self._said_tail_from = 0
        self._next_tail_at = 0.0
        self._progress: dict[str, Any] | None = None
        self._next_progress_at = 0.0
        self._latest_progress: dict[str, Any] | None = None
        self._said_lines = 0

    def serve(self, run: LiveRun) -> None:
        """Takes the progress that the run reports, and knows the last of it at its end."""
        run.context._on_progress = self.progress
        run.latest_progress = lambda: self._latest_progress

    def write(self, stream: Stream, text: str) -> None:
        """Text as print() writes it: lines in pieces, pieces of lines."""
        if not self.is_closed and text:
            with self._lock:
                *whole, last = (self._partial.pop(stream, "") + clean(text)).split("\n")
                for line in whole:
                    self._add(stream, None, line)
                if last:
                    self._partial[stream] = _shown(last)[:LOOKED_AT]

    def record(self, level: str, text: str) -> None:
        """A logging record: each of its lines."""
        if not self.is_closed:
            with self._lock:
                for line in clean(text).split("\n"):
                    self._add("log", level[:50], line)

    def progress(self, fraction: float, text: str | None = None) -> None:
        known = float(fraction)
        share = min(max(known, 0.0), 1.0) if math.isfinite(known) else 0.0
        said = None if text is None else storable(text_of(text), MAX_PROGRESS_TEXT)
        self._latest_progress = {"fraction": round(share, 4), "text": said}
        self._progress = self._latest_progress | {"at": time.monotonic()}

    def _add(self, stream: Stream, level: str | None, text: str) -> None:
        size = (len(text) if text.isascii() else len(text.encode())) + 1
        self._lines += 1
        self._bytes += size
        text = self._without_pem(stream, _shown(text)[:LOOKED_AT])
        line = Line(self._lines, stream, level, time.monotonic(), text, min(size, MAX_LINE))
        if not self._is_head_full and self._head_bytes + line.size <= HEAD and self._head_lines < MOST_LINES:
            self._head.append(line)
            self._head_lines += 1
            self._head_bytes += line.size
        else:
            self._is_head_full = True
            self._add_to_tail(line)

    def _add_to_tail(self, line: Line) -> None:
        self._tail.append(line)
        self._tail_bytes += line.size
        while self._tail_bytes > TAIL or len(self._tail) > MOST_LINES:
            self._tail_bytes -= self._tail.popleft().size

    def _without_pem(self, stream: Stream, text: str) -> str:
        """A PEM block spreads over lines, of which some may be dropped: so it is told here, line by line."""
        begins, ends = "-----BEGIN " in text, "-----END " in text
        if stream in self._in_pem:
            if ends:
                self._in_pem.discard(stream)
            return "[redacted]"
        if begins and not ends:
            self._in_pem.add(stream)
        return text

    def close(self) -> dict[str, Any] | None:
        """The last news, once; what comes later goes elsewhere."""
        with self._lock:
            for stream, text in list(self._partial.items()):
                self._add(stream, None, text)
            self._partial.clear()
            self.is_closed = True
            return self.news(math.inf) if self._lines else None

    def news(self, now: float) -> dict[str, Any] | None:
        """What the supervisor does not know yet; None when it knows all, or will be told later."""
        with self._lock:
            lines = self._due_lines(now)
            progress = self._due_progress(now)
            if not lines and progress is None and not (self.is_closed and self._lines):
                return None
            tail_from = self._tail_from()
            totals = self._totals()
        kept = [
            [line.number, line.stream, line.level, line.at, text]
            for line, text in zip(lines, _texts(lines), strict=True)
        ]
        if tail_from and tail_from != self._said_tail_from:
            self._said_tail_from = tail_from
            dropped = f"… {totals['dropped_lines']} lines ({totals['dropped_bytes']} bytes) were dropped …"
            kept.append([tail_from - 1, "log", "DROPPED", now if math.isfinite(now) else time.monotonic(), dropped])
        return {"run_id": str(self.run_id), "kept": kept, "tail_from": tail_from, "progress": progress} | totals

    def _due_lines(self, now: float) -> list[Line]:
        lines, self._head = self._head, []
        if now >= self._next_tail_at:
            fresh = [line for line in self._tail if line.number > self._sent]
            if fresh:
                self._sent = fresh[-1].number
                size = sum(line.size for line in fresh)
                self._next_tail_at = (
                    now + max(len(fresh) / LINES_PER_SECOND, size / BYTES_PER_SECOND) if len(fresh) > 20 else now
                )
                lines += fresh
        return lines

    def _due_progress(self, now: float) -> dict[str, Any] | None:
        if self._progress is None or now < self._next_progress_at:
            return None
        progress, self._progress = self._progress, None
        self._next_progress_at = now + PROGRESS_EVERY
        return progress

    def _tail_from(self) -> int | None:
        """Number of the first line of the tail, once something before it was dropped."""
        return self._tail[0].number if self._tail and self._tail[0].number > self._head_lines + 1 else None

    def _totals(self) -> dict[str, Any]:
        dropped = self._lines - self._head_lines - len(self._tail)
        return {
            "lines": self._lines, "bytes": self._bytes, "head_lines": self._head_lines, "dropped_lines": dropped,
            "dropped_bytes": max(self._bytes - self._head_bytes - self._tail_bytes, 0), "is_complete": self.is_closed,
        }  # fmt: skip


def _shown(text: str) -> str:
    """What a terminal would show in the end: a progress bar comes back to the line's beginning again and again."""
    return text.removesuffix("\r").rpartition("\r")[2] if "\r" in text else text


def _texts(lines: list[Line]) -> list[str]:
    """Redacted all at once, which costs a tenth; one by one when a secret went over a line's end."""
    texts = [line.text for line in lines]
    together = redacted("\n".join(texts)).split("\n") if texts else []
    if len(together) != len(texts):
        together = [redacted(text) for text in texts]
    return [bounded(text, MAX_LINE) for text in map(_cut, lines, together)]


def _cut(line: Line, text: str) -> str:
    """The end of what was looked at may be half of a secret."""
    return (
        f"{text[: max(0, min(MAX_LINE - 1, len(text) - (LOOKED_AT - MAX_LINE)))]}…"
        if len(line.text) >= LOOKED_AT
        else text
    )
