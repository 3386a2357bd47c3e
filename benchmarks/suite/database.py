"""The one server of a run, its databases, and the floor that everything is compared with."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir

OURS = "benchmark"  # the application_name of what measures
FLOOR = """
DROP TABLE IF EXISTS floor_counter, floor_log;
CREATE TABLE floor_counter AS SELECT n AS id, 0::bigint AS hits FROM generate_series(1, 1000) n;
ALTER TABLE floor_counter ADD PRIMARY KEY (id);
CREATE TABLE floor_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, counter int, at timestamptz DEFAULT clock_timestamp());
"""
FLOOR_SCRIPT = (
    "\\set id random(1, 1000)\nWITH u AS (UPDATE floor_counter SET hits = hits + 1 WHERE id = :id RETURNING id) "
    "INSERT INTO floor_log (counter) SELECT id FROM u;\n"
)
STATEMENT = r"^(?!{ours})[^|]*\|{database}\|LOG:  duration: [\d.]+ ms  (?:execute|statement)"


@contextlib.contextmanager
def server_in(folder: Path) -> Iterator[EmbeddedServer]:
    """PostgreSQL 18 on a real disk: fsync and synchronous_commit on, everything else its default but the connections."""
    folder.chmod(0o755)
    settings = {"max_connections": "400"}
    with EmbeddedServer("18", data_dir=reachable_data_dir(folder / "data"), settings=settings) as server:
        yield server


class Database:
    """One database of the server, and a connection of the suite's own."""

    def __init__(self, server: EmbeddedServer, name: str) -> None:
        self.server, self.name = server, name
        self._create()

    def _create(self) -> None:
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {self.name}")
        self.url = self.server.dsn(dbname=self.name)
        self.connection = psycopg.connect(self.url, autocommit=True, application_name=OURS)

    def recreate(self) -> None:
        self.connection.close()
        self._create()

    def do(self, statement: str, *values: object) -> None:
        self.connection.execute(statement, values or None)

    def rows(self, query: str, *values: object) -> list[Any]:
        return self.connection.execute(query, values or None).fetchall()

    def value(self, query: str, *values: object) -> Any:
        return self.rows(query, *values)[0][0]

    def settle(self) -> None:
        """Before each measurement: nothing of the one before is left to be written or vacuumed."""
        self.do("VACUUM ANALYZE")
        self.do("CHECKPOINT")

    def until(self, query: str, value: object, seconds: float = 120) -> float:
        """The time (epoch) when it was so. Asks every 20 ms, rarer where the question costs more than a tenth of a processor."""
        deadline = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            if (found := self.value(query)) == value:
                return time.time()
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"not within {seconds:g} s: {query} = {value}, but {found}")
            time.sleep(max(0.02, (now - asked) * 10))


def listening(database: Database, seconds: float) -> str:
    """What the server's log says for a while, with every statement; lines begin with application, | and database."""
    log = database.server.log_file
    for setting in ("log_min_duration_statement = 0", "log_line_prefix = '%a|%d|'"):
        database.do(f"ALTER SYSTEM SET {setting}")
    database.do("SELECT pg_reload_conf()")
    time.sleep(0.5)
    size = log.stat().st_size
    time.sleep(seconds)
    with log.open("rb") as file:
        file.seek(size)
        text = file.read().decode(errors="replace")
    database.do("ALTER SYSTEM RESET ALL")
    database.do("SELECT pg_reload_conf()")
    return text


def statements_per_second(database: Database, seconds: float) -> float:
    """What clients other than the suite send to this database, by the server's log."""
    pattern = STATEMENT.format(ours=OURS, database=database.name)
    return len(re.findall(pattern, listening(database, seconds), re.M)) / seconds


def floor(database: Database, clients: int = 4, seconds: float = 5) -> float:
    """pgbench: durable transactions a second, each one statement that updates a counter and inserts a log row."""
    database.do(FLOOR)
    return commits(database, clients, seconds)


def commits(database: Database, clients: int, seconds: float) -> float:
    command = [
        str(database.server.bin_dir / "pgbench"), "-n", "-c", str(clients), "-j", "1", "-T", str(seconds), "-M", "prepared", "-f", "-",
        database.url,
    ]  # fmt: skip
    output = subprocess.run(command, check=True, capture_output=True, text=True, input=FLOOR_SCRIPT).stdout
    found = re.search(r"tps = ([\d.]+)", output)
    assert found is not None
    return float(found[1])
