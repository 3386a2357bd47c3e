"""What a data folder says about itself, and who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from pgcron_py.embedded.account import Account
from pgcron_py.errors import PgCronError

PREVIOUS_OWNER_PATIENCE_S = 10.0


class DataDirInUse(PgCronError):
    """Another PostgreSQL server is using this data folder."""


def hold(lock_file: Path, data_dir: Path) -> int:
    """Lock the data folder for one server; returns the descriptor, which the guardian keeps until the server is gone.

    When the previous owner is dead, its server is just shutting down: that is waited for.
    """
    descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + PREVIOUS_OWNER_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode().strip()
            if (owner and is_alive(int(owner))) or time.monotonic() > deadline:
                os.close(descriptor)
                raise DataDirInUse(
                    f"the data folder {data_dir} is in use by process {owner or '(unknown)'}",
                    hint="stop that program, or give another data folder",
                ) from None
            time.sleep(0.02)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def check_data_dir(data_dir: Path, *, major: str, account: Account | None) -> bool:
    """Whether the folder has to be initialised. Raises PgCronError when no server may be started on it."""
    if account is not None and not account.can_enter(data_dir.parent):
        raise PgCronError(
            f"the server runs as the user {account.name}, who can't enter {data_dir.parent}",
            hint="choose a data folder whose parents are open to everyone, such as one in /var/lib/pgcron_py",
        )
    try:
        is_new = not data_dir.is_dir() or not any(data_dir.iterdir())
    except PermissionError:
        raise PgCronError(f"the data folder {data_dir} belongs to another user") from None
    if is_new:
        return True
    if account is None and data_dir.stat().st_uid != os.geteuid():
        raise PgCronError(f"the data folder {data_dir} belongs to another user")
    version_file = data_dir / "PG_VERSION"
    if not version_file.is_file():
        raise PgCronError(f"{data_dir} is neither empty nor a PostgreSQL data folder")
    if (found := version_file.read_text().strip()) != major:
        raise PgCronError(
            f"the data folder {data_dir} was made by PostgreSQL {found}, this is PostgreSQL {major}",
            hint=f"start it with PostgreSQL {found}, or give another data folder",
        )
    refuse_live_server(data_dir)
    return False


def refuse_live_server(data_dir: Path) -> None:
    """Raise DataDirInUse when a server lives there; drop a postmaster.pid whose number some other program got since.

    PostgreSQL itself copes with a postmaster.pid of a dead process, but not with one of a living stranger.
    """
    pid_file = data_dir / "postmaster.pid"
    if not pid_file.is_file():
        return
    if not is_alive(int(pid_file.read_text().splitlines()[0])):
        return
    if users := servers_in(data_dir):
        raise DataDirInUse(
            f"a PostgreSQL server (process {users[0]}) is running on {data_dir}",
            hint="stop it, or give another data folder",
        )
    pid_file.unlink()


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def servers_in(data_dir: Path) -> list[int]:
    """The server processes that work in this folder: a postmaster and its children have it as current directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_postgres = Path(os.readlink(process / "exe")).name.startswith("postgres")
            if is_postgres and os.readlink(process / "cwd") == str(data_dir.resolve()):
                found.append(int(process.name))
        except OSError:  # gone, or another user's
            continue
    return sorted(found)
