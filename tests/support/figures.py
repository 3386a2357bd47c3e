"""What tests measured, as a small table at the end of the session (through xdist too)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

KEY = "figure"


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, list[float], float], None]:
    """measured(what, seconds, limit): tells the figures, then holds each of them against the limit."""

    def tell(what: str, seconds: list[float], limit: float) -> None:
        told = ", ".join(f"{one:.2f}" for one in sorted(seconds))
        record_property(KEY, f"{what:<70} {told} s (limit {limit:g} s)")
        assert seconds, what
        assert max(seconds) <= limit, f"{what}: {told} s, and {limit:g} s are promised"

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = [
        value for report in reports if report.when == "call" for key, value in report.user_properties if key == KEY
    ]
    if lines:
        terminalreporter.section("measured")
        for line in sorted(lines):
            terminalreporter.write_line(str(line))
