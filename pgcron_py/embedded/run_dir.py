"""The short-lived folder of a running server: its socket and, of a throwaway server, everything else."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from pgcron_py.embedded.cluster import servers_in

SOCKET_PATH_LIMIT = 107
MEMORY_FOLDER = Path("/dev/shm")
MEMORY_NEEDED_BYTES = 1 << 30
ABANDONED_AFTER_S = 60


def make_run_dir(*, in_memory: bool) -> Path:
    """A short private folder: a socket's path may not be longer than 107 bytes."""
    base = throwaway_base() if in_memory else Path(tempfile.gettempdir())
    if len(os.fsencode(base / "pgc-12345678/.s.PGSQL.65535.lock")) > SOCKET_PATH_LIMIT:
        base = Path("/tmp")
    _sweep(base)
    return Path(tempfile.mkdtemp(prefix="pgc-", dir=base))


def throwaway_base() -> Path:
    """Where throwaway servers live: memory if there is enough, PGCRON_TEST_PGDATA_BASE if that is set."""
    if wanted := os.environ.get("PGCRON_TEST_PGDATA_BASE"):
        base = Path(wanted).absolute()
        base.mkdir(parents=True, exist_ok=True)
        return base
    if os.access(MEMORY_FOLDER, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY_FOLDER).free > MEMORY_NEEDED_BYTES:
        return MEMORY_FOLDER
    return Path(tempfile.gettempdir())


def _sweep(base: Path) -> None:
    """Remove what a killed guardian left behind: in /dev/shm it would use memory until the next boot."""
    for folder in base.glob("pgc-*"):
        try:
            is_recent = time.time() - folder.stat().st_mtime < ABANDONED_AFTER_S
            with (folder / "lock").open("r+") as lock:
                if is_recent or os.fstat(lock.fileno()).st_uid != os.geteuid() or servers_in(folder / "data"):
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, gone, or another user's
            continue
