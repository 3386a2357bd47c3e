"""The page that a run of the benchmarks becomes. The run itself takes minutes: `make bench ARGS=--quick`."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from suite import report, results
from suite.figures import Measurement


def run_of(*measurements: Measurement) -> results.Run:
    systems = {name: {"version": "1", "settings": "s"} for name in ("pgcron_py", "fast", "slow")}
    return results.Run("2026-01-01", "m", "18.4", "3.11", "c", False, 3, "", systems, [], [100.0, 200.0], list(measurements))  # fmt: skip


def drain(system: str, *figures: float) -> Measurement:
    return Measurement("C", "requests, 1 worker", system, {"runs a second": list(figures)})


def lines(run: results.Run, start: str, folder: Path) -> list[str]:
    report.write(run, folder)
    return [line for line in (folder / "benchmarks.md").read_text().splitlines() if line.startswith(start)]


def test_where_a_peer_is_better_it_is_said(tmp_path: Path) -> None:
    run = run_of(drain("pgcron_py", 50, 60, 40), drain("fast", 100, 100, 100), drain("slow", 1, 1, 1))
    (line,) = lines(run, "| C: requests, 1 worker", tmp_path)
    assert line.endswith("| 50 | fast | 100 | **0.50** |")


def test_a_row_shows_its_median_its_spread_and_its_ratio_to_the_floor(tmp_path: Path) -> None:
    (line,) = lines(run_of(drain("pgcron_py", 300, 60, 750)), "| requests, 1 worker", tmp_path)
    assert line == "| requests, 1 worker | pgcron_py | 300 (60–750) | 2.00 |  |"


def test_what_was_left_out_or_failed_is_said(tmp_path: Path) -> None:
    run = run_of(drain("pgcron_py", 1), Measurement("C", "", "slow", note="failed: TimeoutError"))
    assert lines(run, "- slow", tmp_path) == ["- slow: failed: TimeoutError"]


def test_a_plot_has_a_bar_for_each_system_and_the_floor(tmp_path: Path) -> None:
    report.write(run_of(drain("pgcron_py", 50), drain("fast", 100)), tmp_path)
    texts = [it.text for it in ElementTree.parse(tmp_path / "benchmarks" / "drain.svg").iter("{http://www.w3.org/2000/svg}text")]  # fmt: skip
    assert {"pgcron_py", "fast", "floor 150"} <= set(texts)


def test_figures_that_were_measured_again_take_the_place_of_earlier_ones_and_say_so(tmp_path: Path) -> None:
    earlier, later = run_of(drain("pgcron_py", 1), drain("slow", 1)), run_of(drain("slow", 9))
    results.save(earlier, tmp_path / "run.json")
    found = results.added(results.load(tmp_path / "run.json"), later)
    assert {it.system: it.median("runs a second") for it in found.measurements} == {"pgcron_py": 1, "slow": 9}
    assert [it.note.startswith("measured apart") for it in found.measurements] == [False, True]


@pytest.mark.parametrize("page", ["benchmarks", "scaling"])
def test_the_page_of_the_docs_is_there_with_the_plots_that_it_shows(page: str) -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    text = (docs / f"{page}.md").read_text()
    shown = {part.partition(")")[0] for part in text.split("](")[1:] if part.startswith("benchmarks/")}
    assert all((docs / name).is_file() for name in shown), shown


def test_the_page_of_the_docs_was_made_from_the_figures_beside_it(tmp_path: Path) -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    report.write(results.load(docs / "benchmarks" / "results.json"), tmp_path)
    assert (tmp_path / "benchmarks.md").read_text() == (docs / "benchmarks.md").read_text()
