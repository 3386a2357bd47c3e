"""What users install: built from a copy of the tree, without a network, and looked at from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.long]

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {"PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **OUTSIDE, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_wheel(source: Path, into: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-index"]
    run(*pip, "--no-build-isolation", "--no-deps", "-w", into, source, cwd=into)
    (wheel,) = into.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows or would add."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip(f"not a git working tree: {listing.stderr.strip()}")
    copy = tmp_path_factory.mktemp("a tree")
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tree, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", into, tree, cwd=into)
    (archive,) = into.glob("*.tar.gz")
    return archive


def test_the_wheel_has_three_packages_and_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"pgcron_py", "pgcron_workers", "pgcron_admin"}


def test_the_wheel_has_the_resources_the_types_and_the_licence(wheel: Path) -> None:
    names = names_in(wheel)
    assert any(name.startswith("pgcron_py/_resources/sql/") for name in names)
    assert any(name.startswith("pgcron_py/_resources/alembic/") for name in names)
    assert {f"{package}/py.typed" for package in ("pgcron_py", "pgcron_workers", "pgcron_admin")} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_has_every_source_file_of_its_packages(wheel: Path, tree: Path) -> None:
    expected = {
        str(path.relative_to(parent))
        for parent, package in (
            (tree, "pgcron_py"),
            (tree / "workers", "pgcron_workers"),
            (tree / "admin", "pgcron_admin"),
        )
        for path in (parent / package).rglob("*.py")
    }
    assert expected <= names_in(wheel)


def test_an_installed_wheel_finds_its_resources_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site packages"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--quiet"]
    run(*pip, "--no-deps", "--no-compile", "--target", target, wheel, cwd=tmp_path)
    program = (
        "import pgcron_py, pgcron_workers, pgcron_admin\n"
        "from pgcron_py.resources import resource_dir\n"
        "print(resource_dir('sql'), resource_dir('alembic'), sep='\\n')\n"
    )
    found = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(target)).splitlines()
    assert found == [str(target / "pgcron_py" / "_resources" / kind) for kind in ("sql", "alembic")]


def test_a_wheel_built_from_the_sdist_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(sdist, tmp_path)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (tmp_path / "wheel").mkdir()
    assert names_in(build_wheel(unpacked, tmp_path / "wheel")) == names_in(wheel)


def test_an_editable_install_finds_the_source_tree_from_anywhere(tmp_path: Path) -> None:
    program = (
        "import alembic, pgcron_workers, pgcron_admin\n"
        "from pgcron_py.resources import resource_dir\n"
        "print(resource_dir('sql'), alembic.__file__, sep='\\n')\n"
    )
    sql, alembic = run(sys.executable, "-c", program, cwd=tmp_path).splitlines()
    assert Path(sql) == ROOT / "sql"
    assert "site-packages" in alembic
