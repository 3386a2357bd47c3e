"""The shape of the source tree, where a wrong file would break something far away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pgcron_py.resources import resource_dir

ROOT = Path(__file__).resolve().parents[2]

# In pieces, so that this file doesn't find itself.
REGISTRY_HOSTS = [
    "pypi" + r"\.org",
    "python" + r"hosted\.org",
    "npm" + r"js\.(org|com)",
    "yarn" + r"pkg\.com",
    "jsdel" + "ivr",
    "unp" + r"kg\.com",
]
MACHINE_PATHS = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/[a-z]"]


@pytest.mark.parametrize("folder", ["admin", "alembic", "sql", "tests", "workers"])
def test_top_folders_are_not_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


@pytest.mark.parametrize("package", ["pgcron_py", "workers/pgcron_workers", "admin/pgcron_admin"])
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_alembic_folder_does_not_shadow_the_library() -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import alembic; print(alembic.__file__)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "site-packages" in where.stdout


@pytest.mark.parametrize("kind", ["sql", "alembic"])
def test_resources_are_found_in_the_source_tree(kind: str) -> None:
    assert resource_dir(kind) == ROOT / kind  # type: ignore[arg-type]  # a str from the parameter list


@pytest.mark.parametrize("pattern", [*REGISTRY_HOSTS, *MACHINE_PATHS])
def test_no_registry_and_no_machine_is_named(pattern: str) -> None:
    command = ["git", "-c", "safe.directory=*", "grep", "-nIE", pattern]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode > 1:
        pytest.skip(f"not a git working tree: {found.stderr.strip()}")
    assert found.stdout == ""


def test_the_lock_of_the_front_end_names_no_address_and_every_platform() -> None:
    """npm ci refuses a lock in which an optional dependency has no entry."""
    lock = json.loads((ROOT / "admin/frontend/package-lock.json").read_text("utf-8"))["packages"]
    assert [name for name, entry in lock.items() if "resolved" in entry] == []
    named = {name for entry in lock.values() for name in entry.get("optionalDependencies", {})}
    assert {name for name in named if not any(path.endswith(f"node_modules/{name}") for path in lock)} == set()
