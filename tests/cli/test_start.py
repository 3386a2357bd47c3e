"""What `pgcron --help` is: quick, complete, and whole even when a package is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner

import pgcron_py
from pgcron_py.cli import cli
from pgcron_py.cli.failures import EXIT_CODES
from pgcron_py.cli.reference import PAGES

HEAVY = (
    "alembic",
    "asyncio",
    "croniter",
    "hashlib",
    "litestar",
    "psycopg",
    "pydantic",
    "rich",
    "sqlalchemy",
    "ssl",
    "structlog",
    "uvicorn",
)
DOCS = Path(__file__).parents[2] / "docs"


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from pgcron_py.cli import main; sys.argv = ['pgcron', '--help']\ntry: main()\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert "pgcron_workers" not in loaded


def test_help_names_every_command_and_exit_code() -> None:
    out = CliRunner().invoke(cli, ["-h"]).stdout
    for name in ("jobs", "runs", "workers", "next", "check", "db", "config", "worker", "admin", "demo"):
        assert f"\n  {name} " in out
    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<4} {meaning}" in out


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(cli, ["--version"]).stdout == f"pgcron {pgcron_py.__version__}\n"


def test_a_command_whose_module_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.extras, "gone", EntryPoint("gone", "no_such_module:command", "pgcron.commands"))  # type: ignore[attr-defined]  # of LazyGroup
    done = CliRunner().invoke(cli, ["gone"])
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "Error: the command 'gone' can't be loaded from no_such_module:command: No module named"
    )
    assert "\n  gone " in CliRunner().invoke(cli, ["-h"]).stdout


def test_an_entry_point_can_not_replace_a_command_of_the_library() -> None:
    assert not set(cli.lazy) & set(cli.extras)  # type: ignore[attr-defined]  # of LazyGroup


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_is_current(page: str) -> None:
    assert (DOCS / page).read_text("utf-8") == PAGES[page](), "run `python -m pgcron_py.cli.reference docs`"


@pytest.mark.parametrize("command", ["jobs", "runs", "workers", "db", "config", "worker", "admin"])
def test_each_command_has_help(command: str) -> None:
    assert CliRunner().invoke(cli, [command, "-h"]).exit_code == 0
