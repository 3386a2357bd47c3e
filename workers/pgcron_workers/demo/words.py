"""Times as people read them at a glance."""

from __future__ import annotations

from datetime import timedelta


def milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def lag(value: timedelta | None) -> str:
    return "-" if value is None else milliseconds(value / timedelta(milliseconds=1))


def span(value: timedelta | None) -> str:
    """3.2 s, 4m 05s, 5h 12m."""
    if value is None:
        return "-"
    seconds = max(value.total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"
