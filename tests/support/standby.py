"""A primary and a standby that streams from it, both on 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import server_account
from pgcron_py.embedded.binaries import reachable_bin_dir
from pgcron_py.embedded.run_dir import throwaway_base
from support.fleet import wait_for

QUICK = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Pair:
    primary: EmbeddedServer
    standby: EmbeddedServer

    def addresses(self, *servers: EmbeddedServer) -> str:
        return ",".join(f"127.0.0.1:{server.port}" for server in servers)

    def url(self, *servers: EmbeddedServer, dbname: str, more: str = "") -> str:
        """One URL with several hosts, in this order."""
        return f"postgresql://postgres:{self.primary.password}@{self.addresses(*servers)}/{dbname}{more}"

    def catch_up(self) -> None:
        """Returns once the standby has all that is committed on the primary."""
        with psycopg.connect(self.primary.url) as connection:
            (position,) = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or (None,)
        with psycopg.connect(self.standby.url, autocommit=True) as connection:
            query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            wait_for(lambda: connection.execute(query, (position,)).fetchone() == (True,), "the standby has caught up")


@contextmanager
def pair_of(version: str | Path) -> Iterator[Pair]:
    folder = Path(tempfile.mkdtemp(prefix="pgc-pair-", dir=throwaway_base()))
    account = server_account(None)
    try:
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        with EmbeddedServer(version, data_dir=folder / "primary", settings=QUICK | {"wal_level": "replica"}) as primary:
            _copy(primary, folder / "standby")
            shutil.copy(folder / "primary.pgpass", folder / "standby.pgpass")
            source = f"host=127.0.0.1 port={primary.port} user=postgres password={primary.password}"
            settings = QUICK | {"primary_conninfo": source, "hot_standby_feedback": "on"}
            with EmbeddedServer(version, data_dir=folder / "standby", settings=settings) as standby:
                yield Pair(primary, standby)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(primary: EmbeddedServer, data_dir: Path) -> None:
    account = server_account(None)
    bin_dir = reachable_bin_dir(primary.bin_dir, account)
    subprocess.run(
        [bin_dir / "pg_basebackup", "--dbname", primary.url, "--pgdata", data_dir, "--checkpoint", "fast", "--no-sync", "--wal-method", "stream"],
        check=True, capture_output=True, cwd="/", user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    (data_dir / "standby.signal").touch()
    if account is not None:
        os.chown(data_dir / "standby.signal", account.uid, account.gid)
