"""Debian's pgbouncer in front of a server, in transaction mode: clients take turns on one backend."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from support.fleet import wait_for

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PORT = 6432  # of a socket in a folder of its own
ORDINARY_USER = "nobody"  # pgbouncer refuses to run as root


@dataclass(frozen=True)
class Bouncer:
    folder: Path

    def url(self, direct: str) -> str:
        """The same database for the same user, through the pooler."""
        params = conninfo_to_dict(direct)
        login = quote(params["user"], safe="") + (
            f":{quote(params['password'], safe='')}" if "password" in params else ""
        )
        address = urlencode({"host": self.folder, "port": PORT}, quote_via=quote)
        return f"postgresql://{login}@/{params['dbname']}?{address}"


@contextmanager
def bouncer_for(server: str, *, pool_size: int = 1) -> Iterator[Bouncer]:
    """In front of all databases of the server that the URL names. pool_size: backends for a database and a user."""
    if PROGRAM is None:
        pytest.skip("pgbouncer is not installed (apt-get install pgbouncer)")
    folder = Path(tempfile.mkdtemp(prefix="pgc-bouncer-", dir="/tmp"))
    process = None
    try:
        command = [PROGRAM, str(_written(folder, conninfo_to_dict(server), pool_size))]
        if os.geteuid() == 0:
            shutil.chown(folder, ORDINARY_USER, pwd.getpwnam(ORDINARY_USER).pw_gid)
            command += ["-u", ORDINARY_USER]
        log = folder / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=sink)
        bouncer = Bouncer(folder)
        wait_for(lambda: process.poll() is not None or answers(bouncer.url(server)), "pgbouncer answers")
        assert process.poll() is None, log.read_text()
        yield bouncer
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        shutil.rmtree(folder)


def _written(folder: Path, server: dict[str, str], pool_size: int) -> Path:
    users = {"t_owner": "test", "t_worker": "test", "t_reader": "test", server["user"]: server.get("password", "")}
    (folder / "users").write_text("".join(f'"{user}" "{password}"\n' for user, password in users.items()))
    config = folder / "pgbouncer.ini"
    config.write_text(f"""
[databases]
* = host={server["host"]} port={server["port"]}
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {pool_size}
query_wait_timeout = 20
""")
    return config


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
            return True
    except psycopg.Error:
        return False
