"""Terminal colours in output, as classes: what a terminal would show is kept, every other control sequence is dropped. Pure.

The browser does the same to lines that come later (frontend/src/ansi.js).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

# SGR, other CSI, OSC (titles and links), and two-character escapes; then control characters that a page can't show.
_ESCAPES = re.compile("\x1b\\[([0-9;:]*)m|\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text and its classes, '' for none."""

    text: str
    classes: str


@dataclass(frozen=True, slots=True)
class _Style:
    colour: int | None = None
    ground: int | None = None
    marks: frozenset[str] = frozenset()

    def classes(self) -> str:
        found = sorted(f"ansi-{mark}" for mark in self.marks)
        if self.colour is not None:
            found.append(f"ansi-{self.colour}")
        if self.ground is not None:
            found.append(f"ansi-on-{self.ground}")
        return " ".join(found)


_MARKS = {1: "bold", 2: "dim", 3: "italic", 4: "under"}
_ENDS = {22: {"bold", "dim"}, 23: {"italic"}, 24: {"under"}}


def pieces(text: str) -> list[Piece]:
    found: list[Piece] = []
    style, at = _Style(), 0
    for match in _ESCAPES.finditer(text):
        if match.start() > at:
            found.append(Piece(text[at : match.start()], style.classes()))
        if match[1] is not None:
            style = _styled(style, [int(code) if code.isdigit() else 0 for code in re.split("[;:]", match[1])[:20]])
        at = match.end()
    if at < len(text):
        found.append(Piece(text[at:], style.classes()))
    return found


def plain(text: str) -> str:
    return _ESCAPES.sub("", text)


def _styled(style: _Style, codes: Sequence[int]) -> _Style:
    at = 0
    while at < len(codes):
        code = codes[at]
        if code == 0:
            style = _Style()
        elif code in _MARKS:
            style = replace(style, marks=style.marks | {_MARKS[code]})
        elif code in _ENDS:
            style = replace(style, marks=style.marks - _ENDS[code])
        elif code in (38, 48):
            number, used = _extended(codes[at + 1 :])
            style = replace(style, colour=number) if code == 38 else replace(style, ground=number)
            at += used
        else:
            style = _coloured(style, code)
        at += 1
    return style


def _extended(rest: Sequence[int]) -> tuple[int | None, int]:
    """Of 256 colours the 16 that have a class; true colours have none."""
    if rest[:1] == [5]:
        return (rest[1] if len(rest) > 1 and rest[1] < 16 else None), 2
    return None, 4 if rest[:1] == [2] else 0


def _coloured(style: _Style, code: int) -> _Style:
    if code == 39:
        return replace(style, colour=None)
    if code == 49:
        return replace(style, ground=None)
    for first, offset in ((30, 0), (90, 8)):
        if first <= code < first + 8:
            return replace(style, colour=code - first + offset)
        if first + 10 <= code < first + 18:
            return replace(style, ground=code - first - 10 + offset)
    return style
