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
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from support.fleet import wait_for

# The next client of the backend sees these; a parameter that pgbouncer keeps for each client is each client's own.
KEPT_BY_PGBOUNCER = ["application_name", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings"]
SETTINGS = "SELECT name, setting FROM pg_settings WHERE name <> ALL (%s)"
LEFT = """
SELECT pg_backend_pid()::text AS backend, current_user::text AS role, session_user::text AS login,
  (SELECT count(*) FROM pg_prepared_statements) AS prepared, (SELECT count(*) FROM pg_cursors) AS cursors,
  (SELECT count(*) FROM pg_listening_channels()) AS channels, (SELECT count(*) FROM pg_class WHERE relpersistence = 't') AS temporary,
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
  (SELECT string_agg(name, ',') FROM unnest(ARRAY['actor', 'reason', 'silent', 'declaring', 'request_id']) name
    WHERE coalesce(current_setting('pgcron.' || name, true), '') <> '') AS ours
"""

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PORT = 6432  # of a socket in a folder of its own
ADMIN = "admin"  # of its console
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

    def transactions(self, dbname: str) -> int:
        """How many transactions of a database it has passed on."""
        with psycopg.connect(
            host=str(self.folder), port=PORT, user=ADMIN, dbname="pgbouncer", autocommit=True, row_factory=dict_row
        ) as console:
            return sum(row["xact_count"] for row in console.execute("SHOW STATS_TOTALS") if row["database"] == dbname)


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
    users = {
        "t_owner": "test",
        "t_worker": "test",
        "t_reader": "test",
        "t_web": "test",
        ADMIN: "",
        server["user"]: server.get("password", ""),
    }
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
admin_users = {ADMIN}
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


class Neighbour:
    """Another client of the same pool, and so of the same backend."""

    def __init__(self, bouncer: Bouncer, direct: str) -> None:
        self._bouncer = bouncer
        self._connection = psycopg.connect(bouncer.url(direct), autocommit=True, prepare_threshold=None)
        self._connection.execute("DO 'BEGIN END'")  # plpgsql brings settings of its own

    def sees(self) -> dict[str, Any]:
        """The session as the last client left it."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            left = cursor.execute(LEFT).fetchone()
        assert left is not None
        return dict(self._connection.execute(SETTINGS, (KEPT_BY_PGBOUNCER,)).fetchall()) | left

    def finds_changed(self, before: dict[str, Any]) -> dict[str, Any]:
        """What differs from what it saw before: name to old and new."""
        now = self.sees()
        names = before.keys() | now.keys()
        return {name: (before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)}

    def waits_for_another_client(self) -> None:
        """Until somebody else has had a transaction on the backend."""
        last = self._transactions()
        wait_for(lambda: self._transactions() > last, "another client of the pool has a transaction")

    def _transactions(self) -> int:
        return self._bouncer.transactions(self._connection.info.dbname)

    def leaves(self, *statements: str) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()
