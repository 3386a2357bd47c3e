"""What a case found: figures by name, one for each repeat."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)

    def at(part: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]

    return {"n": len(ordered), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": ordered[-1]}


@dataclass(frozen=True)
class Measurement:
    """case: the letter; what: the row of its table. Times are milliseconds where their names don't say otherwise.

    floor: of the run that it comes from, where that is not the run it stands in.
    """

    case: str
    what: str
    system: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""
    floor: float | None = None

    def median(self, name: str) -> float:
        return statistics.median(self.figures[name])

    def has(self, name: str) -> bool:
        return bool(self.figures.get(name))


def gathered(runs: list[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [run[name] for run in runs if name in run] for name in runs[0]}


def rounded(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def shown(values: list[float]) -> str:
    """The median, and in brackets the least and the most where they differ."""
    if not values:
        return "–"
    middle, least, most = (rounded(it) for it in (statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}–{most})"
