"""The lines that one run writes: the first and the last 64 KiB of them, and how much there was."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

from pgcron_workers.executors.sanitise import bounded, clean, redacted

HEAD = TAIL = 64 * 1024  # bytes, a line end for each line included
MOST_LINES = 10_000  # in the head and in the tail: empty lines take memory too
MAX_LINE = 8_192  # characters
LOOKED_AT = MAX_LINE + 4_096  # of a line, so that a secret on the cut is known as one
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


class Lines:
    """For one caller at a time."""

    def __init__(self) -> None:
        self.count = self._bytes = 0
        self._partial: dict[Stream, str] = {}
        self._in_pem: set[str] = set()
        self._head: list[Line] = []
        self._head_lines = self._head_bytes = 0
        self._is_head_full = False
        self._tail: deque[Line] = deque()
        self._tail_bytes = 0
        self._sent = 0
        self._next_tail_at = 0.0

    def write(self, stream: Stream, text: str) -> None:
        """Text as print() writes it: lines in pieces, pieces of lines."""
        *whole, last = (self._partial.pop(stream, "") + clean(text)).split("\n")
        for line in whole:
            self._add(stream, None, line)
        if last:
            self._partial[stream] = _shown(last)[:LOOKED_AT]

    def record(self, level: str, text: str) -> None:
        for line in clean(text).split("\n"):
            self._add("log", level[:50], line)

    def end(self) -> None:
        """What has no end of line yet gets none."""
        for stream, text in list(self._partial.items()):
            self._add(stream, None, text)
        self._partial.clear()

    def _add(self, stream: Stream, level: str | None, text: str) -> None:
        size = (len(text) if text.isascii() else len(text.encode())) + 1
        self.count += 1
        self._bytes += size
        text = self._without_pem(stream, _shown(text)[:LOOKED_AT])
        line = Line(self.count, stream, level, time.monotonic(), text, min(size, MAX_LINE))
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

    def due(self, now: float) -> list[Line]:
        """Those that nobody has taken yet; of a tail that goes on and on not each time."""
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

    def tail_from(self) -> int | None:
        """Number of the first line of the tail, once something before it was dropped."""
        return self._tail[0].number if self._tail and self._tail[0].number > self._head_lines + 1 else None

    def totals(self) -> dict[str, Any]:
        dropped = self.count - self._head_lines - len(self._tail)
        return {
            "lines": self.count, "bytes": self._bytes, "head_lines": self._head_lines, "dropped_lines": dropped,
            "dropped_bytes": max(self._bytes - self._head_bytes - self._tail_bytes, 0),
        }  # fmt: skip


def _shown(text: str) -> str:
    """What a terminal would show in the end: a progress bar comes back to the line's beginning again and again."""
    return text.removesuffix("\r").rpartition("\r")[2] if "\r" in text else text


def texts_of(lines: list[Line]) -> list[str]:
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
