"""What importing costs: the supervisor imports this package."""

import subprocess
import sys

import pytest


def loaded_after(statement: str) -> set[str]:
    script = f"{statement}; import sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import pgcron_py.timetable",
        "import pgcron_py.timetable as t; t.parse('0 9 * * 1-5').plan('UTC'); t.parse('@every 5m')",
    ],
)
def test_neither_the_describer_nor_the_engine_is_loaded_before_it_is_needed(statement: str) -> None:
    assert not loaded_after(statement) & {"cron_descriptor", "croniter", "dateutil"}


def test_planning_never_loads_the_describer() -> None:
    modules = loaded_after("import pgcron_py.timetable as t; t.parse('0 9 1 * *').plan('UTC')")
    assert "croniter" in modules
    assert "cron_descriptor" not in modules
