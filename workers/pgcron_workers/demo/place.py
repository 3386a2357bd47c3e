"""Where the demo's files go, and on which port its admin listens."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path

from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir
from pgcron_py.errors import PgCronError
from pgcron_workers.demo.seed import DATABASE

PORTS_TRIED = 100


def default_data_dir(name: str) -> Path:
    """`.pgcron/{name}` here; where this folder can't be written, the user's data folder; for root see reachable_data_dir."""
    here = Path.cwd()
    if _is_writable(here / ".pgcron" / name):
        return reachable_data_dir(here / ".pgcron" / name)
    data_home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return reachable_data_dir(data_home / "pgcron_py" / name)


def _is_writable(folder: Path) -> bool:
    nearest = next(parent for parent in [folder, *folder.parents] if parent.is_dir())
    # A data folder of root's demo belongs to the server's own user: what counts is what lies beside it.
    return os.access(nearest.parent if nearest == folder else nearest, os.W_OK | os.X_OK)


def free_port(wanted: int) -> int:
    """`wanted`, or the next port of 127.0.0.1 that nobody listens on."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PgCronError(
        f"no port from {wanted} on is free on 127.0.0.1 for the admin", hint="give another one with --port"
    )


def beside(data_dir: Path, suffix: str) -> Path:
    return data_dir.with_name(data_dir.name + suffix)


class Keys:
    """Two small files beside the data folder, there while the demo runs: a psql that connects, and variables for pgcron.

    The port is another one at each start; the password stays in its own file.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self.psql, self.environment = beside(server.data_dir, ".psql"), beside(server.data_dir, ".env")
        self._server = server

    def write(self) -> None:
        psql_line = self._server.psql_command(dbname=DATABASE)
        _write(self.psql, f'#!/bin/sh\n{_exported(psql_line)} "$@"\n', 0o700)
        url = f"postgresql://{self._server.user}@{self._server.host}:{self._server.port}/{DATABASE}"
        variables = {"PGCRON_DATABASE_URL": url, "PGPASSFILE": str(self._server.password_file)}
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        _write(self.environment, text, 0o600)

    def remove(self) -> None:
        for path in (self.psql, self.environment):
            path.unlink(missing_ok=True)


def _exported(psql_line: str) -> str:
    return f"exec env {psql_line}"


def _write(path: Path, text: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def shown(path: Path) -> str:
    """Short where it lies below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
