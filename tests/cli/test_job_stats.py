"""pgcron jobs stats, and its line in jobs show."""

from __future__ import annotations

from typing import Any

from pgcron_py.cli.failures import EXIT_CODES


def cells(out: str) -> dict[str, list[str]]:
    """By label: labels are followed by at least two spaces."""
    return {line.partition("  ")[0]: line.partition("  ")[2].split("  ") for line in out.splitlines()}


def test_three_windows_stand_beside_each_other(pgcron: Any, job: str, worker: Any, failure: Any) -> None:
    for outcome in ({}, failure | {"is_strike": False}, {"duration": 120_000}):
        worker.ran(job, **outcome)
    out = pgcron("jobs", "stats", job).out
    assert out.splitlines()[0].split() == ["24h", "7d", "30d"]
    found = cells(out)
    assert [cell.strip() for cell in found["succeeded"] if cell] == ["2 (66.7 %)"] * 3
    assert [cell.strip() for cell in found["longest"] if cell] == ["2 min"] * 3
    assert [cell.strip() for cell in found["in a row now"] if cell] == ["1 succeeded"] * 3


def test_one_window_as_json(pgcron: Any, job: str, worker: Any) -> None:
    worker.ran(job)
    found = pgcron("jobs", "stats", job, "--window", "90d", "--json").json
    (figures,) = found["windows"]
    assert (found["job"], figures["window"], figures["run_count"], figures["success_rate"]) == (job, "90d", 1, 1.0)
    assert abs(figures["duration_p50_ms"] - 1500) < 75
    assert abs(figures["duration_p95_ms"] - 1500) < 75
    assert figures["to_at"].endswith("Z")


def test_a_job_that_never_ran_has_no_figures(pgcron: Any, job: str) -> None:
    found = cells(pgcron("jobs", "stats", job).out)
    assert [cell.strip() for cell in found["up"] if cell] == ["-"] * 3


def test_a_window_that_is_none_is_told(pgcron: Any, job: str) -> None:
    refused = pgcron("jobs", "stats", job, "--window", "soon")
    assert refused.code in EXIT_CODES
    assert refused.err.startswith("Error: 'soon' is no window\n")
    assert "is none" in pgcron("jobs", "stats", job, "--window", "0d").err
    assert "Traceback" not in refused.err


def test_show_says_it_in_a_line_and_what_keeps_the_job(pgcron: Any, job: str, worker: Any) -> None:
    worker.ran(job)
    out = pgcron("jobs", "show", job).out
    assert "1 runs, 100 % succeeded, up 100 %" in out
    assert "a worker has to plan it first" in out
    shown = pgcron("jobs", "show", job, "--json").json
    assert (shown["blocked_by"], shown["week"]["run_count"]) == ("a worker has to plan it first", 1)
