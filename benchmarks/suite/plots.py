"""Bar charts as SVG, one bar a row, on a logarithmic scale: peers differ by thousands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from suite.figures import rounded

WIDTH, LABELS, ROW, TOP, BOTTOM, RIGHT = 760, 190, 30, 56, 30, 90
OURS, PEER, INK, MUTED, GRID = "#0d9488", "#94a3b8", "#0f172a", "#64748b", "#e2e8f0"


@dataclass(frozen=True)
class Bar:
    """least and most are the ends of the line that shows the spread."""

    label: str
    value: float
    least: float
    most: float
    is_ours: bool = False


def bars(title: str, unit: str, rows: list[Bar], mark: tuple[str, float] | None = None) -> str:
    """mark: a vertical line with a name, such as the floor."""
    values = [it for row in rows for it in (row.value, row.least, row.most) if it > 0] + ([mark[1]] if mark else [])
    low = 10.0 ** math.floor(math.log10(min(values)) - 0.05)
    high = 10.0 ** math.ceil(math.log10(max(values)) + 0.05)
    height = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        part = math.log10(max(value, low) / low) / math.log10(high / low)
        return LABELS + part * (WIDTH - LABELS - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}"><title>{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{height - BOTTOM}" stroke="{GRID}"/>')
        parts.append(_text(at, height - BOTTOM + 17, rounded(10.0**power), MUTED, "middle", 11))
    for index, row in enumerate(rows):
        parts += _row(row, TOP + index * ROW, x)
    if mark:
        at = x(mark[1])
        parts.append(
            f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{height - BOTTOM}" stroke="#b91c1c" stroke-dasharray="4 3"/>'
        )
        parts.append(_text(at, TOP - 12, f"{mark[0]} {rounded(mark[1])}", "#b91c1c", "middle", 11))
    parts.append(_text(WIDTH - 16, 26, unit, MUTED, "end", 11))
    return "\n".join([*parts, "</svg>\n"])


def _row(row: Bar, y: float, at: Callable[[float], float]) -> list[str]:
    middle, end = y + ROW / 2, max(at(row.value), LABELS + 2)
    least, most = at(row.least), at(row.most)
    shown = [
        _text(LABELS - 10, middle + 4, row.label, INK, "end", 13),
        f'<rect x="{LABELS}" y="{y + 6}" width="{end - LABELS:.1f}" height="{ROW - 12}" rx="3" fill="{OURS if row.is_ours else PEER}"/>',
    ]
    if most - least > 1:
        shown.append(
            f'<path d="M{least:.1f} {middle - 4}v8M{least:.1f} {middle}H{most:.1f}M{most:.1f} {middle - 4}v8" stroke="{INK}" fill="none"/>'
        )
    shown.append(_text(max(end, most) + 8, middle + 4, rounded(row.value), INK, "start", 13))
    return shown


def _text(x: float, y: float, text: str, fill: str, anchor: str, size: int) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
    )
