"""A PostgreSQL server of one's own, for tests and for the demo.

    with EmbeddedServer() as server:                       # throwaway: empty, fast, gone afterwards
        psycopg.connect(server.url)

    with EmbeddedServer(data_dir=Path("data")) as server:  # persistent: password, fsync, 127.0.0.1
        print(server.psql_command())

The server never outlives the program that started it, not even after `kill -9`: see `guardian`.
Works as an ordinary user and as root (then the server itself runs as `nobody`). Linux only.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, urlencode

from pgcron_py.embedded import guardian
from pgcron_py.embedded.account import server_account
from pgcron_py.embedded.binaries import find_bin_dir, major_version, reachable_bin_dir
from pgcron_py.embedded.cluster import check_data_dir, hold
from pgcron_py.embedded.run_dir import make_run_dir
from pgcron_py.errors import PgCronError

StopMode = Literal["smart", "fast", "immediate"]

SUPERUSER = "postgres"
THROWAWAY_PORT = 5432
LOG_TAIL_LINES = 15

THROWAWAY_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
PERSISTENT_SETTINGS = {"listen_addresses": "127.0.0.1", "timezone": "UTC", "log_timezone": "UTC"}


class EmbeddedServer:
    """One PostgreSQL server, started by `start()` or `with`.

    version: "18", "16" (both from the extra `embedded`), or a bin folder of another installation.
    data_dir: None for a throwaway server (no password, no fsync, a Unix socket only, in memory where possible).
        Otherwise the folder is initialised when it is new or empty; the superuser's password lies beside it, in
        `<data_dir>.pgpass` (mode 0600, in libpq's password file format), the log in `<data_dir>.log`.
    port: of a persistent server on 127.0.0.1; None takes a free one at each `start()`.
    settings: server parameters on top of ours.
    start_timeout_s: how long the start may take, crash recovery included.

    Everything that can be refused raises PgCronError, with a hint.
    """

    def __init__(
        self,
        version: str | Path = "18",
        *,
        data_dir: Path | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        start_timeout_s: float = 60.0,
    ) -> None:
        self.user = SUPERUSER
        self._version = version
        self._wanted_dir = data_dir.absolute() if data_dir else None
        self._wanted_port = port
        self._settings = dict(settings or {})
        self._start_timeout_s = start_timeout_s
        self._guardian: subprocess.Popen[bytes] | None = None
        self._guardian_of = 0
        self._pid: int | None = None
        self._run_dir: Path | None = None
        self._port = 0

    # Facts

    @property
    def is_persistent(self) -> bool:
        return self._wanted_dir is not None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._pid is None:
            raise PgCronError("the embedded server is not running")
        return self._pid

    @property
    def data_dir(self) -> Path:
        return self._wanted_dir or self.socket_dir / "data"

    @property
    def socket_dir(self) -> Path:
        if self._run_dir is None:
            raise PgCronError("the embedded server is not running")
        return self._run_dir

    @property
    def host(self) -> str:
        """127.0.0.1 for a persistent server, else the socket's folder."""
        return "127.0.0.1" if self.is_persistent else str(self.socket_dir)

    @property
    def port(self) -> int:
        return self._port

    @property
    def bin_dir(self) -> Path:
        return find_bin_dir(self._version)

    @property
    def log_file(self) -> Path:
        return _beside(self._wanted_dir, ".log") if self._wanted_dir else self.socket_dir / "log"

    @property
    def password_file(self) -> Path | None:
        return _beside(self._wanted_dir, ".pgpass") if self._wanted_dir else None

    @property
    def password(self) -> str | None:
        """The superuser's; a throwaway server has none."""
        return self.password_file.read_text().strip().split(":", 4)[4] if self.password_file else None

    @property
    def url(self) -> str:
        """The superuser's URL of the database `postgres`."""
        return self.dsn()

    def dsn(self, user: str = SUPERUSER, dbname: str = "postgres", password: str | None = None, **params: str) -> str:
        """A `postgresql://` URL, for libpq and SQLAlchemy alike; `params` are libpq's, such as `application_name`.

        The superuser's password is filled in; other users' are not known here.
        """
        if password is None and user == SUPERUSER:
            password = self.password
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        if self.is_persistent:
            address = f"{self.host}:{self.port}"
        else:
            address = ""
            params = {"host": self.host, "port": str(self.port), **params}
        query = f"?{urlencode(params, quote_via=quote)}" if params else ""
        return f"postgresql://{login}@{address}/{quote(dbname, safe='')}{query}"

    def psql_command(self, user: str = SUPERUSER, dbname: str = "postgres") -> str:
        """A line to paste into a shell; the password stays in its file."""
        secret = f"PGPASSFILE={shlex.quote(str(self.password_file))} " if self.password_file else ""
        psql = [str(self.bin_dir / "psql"), "-h", self.host, "-p", str(self.port), "-U", user, "-d", dbname]
        return secret + shlex.join(psql)

    # Life

    def start(self) -> Self:
        if self._guardian is not None:
            raise PgCronError("the embedded server is running already")
        account = server_account(self._wanted_dir)
        bin_dir = reachable_bin_dir(self.bin_dir, account)
        is_restart = self._run_dir is not None
        run_dir = self._run_dir or make_run_dir(in_memory=not self.is_persistent)
        self._run_dir = run_dir
        try:
            if account is not None:
                os.chown(run_dir, account.uid, account.gid)
            if self._wanted_dir is not None:
                self._wanted_dir.parent.mkdir(parents=True, exist_ok=True)
                lock = hold(_beside(self._wanted_dir, ".lock"), self._wanted_dir)
            else:
                lock = hold(run_dir / "lock", run_dir)
            try:
                is_new = check_data_dir(self.data_dir, major=major_version(bin_dir), account=account)
                if not is_restart:
                    self._port = self._choose_port()
                staging = self._prepare(is_new, None if account is None else (account.uid, account.gid))
                job = guardian.Job(
                    owner_pid=os.getpid(),
                    postgres=self._postgres_command(bin_dir),
                    data_dir=str(self.data_dir),
                    initdb=self._initdb_command(bin_dir, staging) if staging else None,
                    staging=str(staging) if staging else None,
                    uid=account.uid if account else None,
                    gid=account.gid if account else None,
                    scratch=[str(run_dir)],
                    start_timeout_s=self._start_timeout_s,
                )
                self._launch(job, lock)
            finally:
                os.close(lock)
        except OSError as error:
            self._forget(keep=False)
            raise PgCronError(f"the embedded server can't be set up: {error}") from error
        except BaseException:
            self._forget(keep=False)
            raise
        return self

    def stop(self, mode: StopMode = "fast") -> None:
        """Shut the server down and wait for its end; harder after 30 s. Does nothing when it isn't running."""
        self._end(mode, keep=False)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start on the same data, address and port. `immediate` is a crash, with recovery afterwards."""
        self._end(mode, keep=True)
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # How

    def _choose_port(self) -> int:
        if not self.is_persistent:
            return THROWAWAY_PORT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._wanted_port or 0))
            except OSError as error:
                raise PgCronError(
                    f"port {self._wanted_port} of 127.0.0.1 can't be used: {error.strerror}",
                    hint="give another port, or none to take a free one",
                ) from error
            return int(probe.getsockname()[1])

    def _prepare(self, is_new: bool, owner: tuple[int, int] | None) -> Path | None:
        """The folder for initdb to fill, or None when there is a cluster; the password's file either way."""
        if not is_new:
            if self.password_file is not None and not self.password_file.is_file():
                raise PgCronError(
                    f"the password of the data folder {self.data_dir} is missing: no {self.password_file}",
                    hint="put the file back, or delete the data folder to begin anew",
                )
            return None
        staging = self.data_dir.with_name(f".{self.data_dir.name}.initdb")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        if owner:
            os.chown(staging, *owner)
        if self.password_file is not None:
            password = secrets.token_urlsafe(24)
            _write_secret(self.password_file, f"*:*:*:{SUPERUSER}:{password}\n")
            _write_secret(self.socket_dir / "pw", password + "\n", owner)
        return staging

    def _initdb_command(self, bin_dir: Path, staging: Path) -> list[str]:
        command = [str(bin_dir / "initdb"), "-D", str(staging), "-U", SUPERUSER, "-E", "UTF8", "--locale=C"]
        if self.is_persistent:
            return [*command, "-A", "scram-sha-256", "--pwfile", str(self.socket_dir / "pw")]
        return [*command, "-A", "trust", "--no-sync"]

    def _postgres_command(self, bin_dir: Path) -> list[str]:
        settings = {
            **(PERSISTENT_SETTINGS if self.is_persistent else THROWAWAY_SETTINGS),
            "port": str(self._port),
            "unix_socket_directories": str(self.socket_dir),
            **self._settings,
        }
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        return [str(bin_dir / "postgres"), "-D", str(self.data_dir), *options]

    def _launch(self, job: guardian.Job, lock: int) -> None:
        with self.log_file.open("ab") as log:
            log_begin = log.tell()
            self._guardian = subprocess.Popen(
                # -I and -S: nothing of the environment or of site-packages can slow or break it.
                [sys.executable, "-I", "-S", guardian.__file__, job.data_dir],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd="/",
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C in the terminal is not for the server
            )
        self._guardian_of = os.getpid()
        assert self._guardian.stdin is not None
        self._guardian.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        report = self._read_report()
        (self.socket_dir / "pw").unlink(missing_ok=True)
        if "pid" not in report:
            tail = self._log_tail(log_begin)
            raise PgCronError(
                f"the embedded PostgreSQL server did not start: {report.get('error', 'its guardian ended')}{tail}"
            )
        self._pid = int(report["pid"])

    def _read_report(self) -> dict[str, str]:
        assert self._guardian is not None
        assert self._guardian.stdout is not None
        # initdb, the start, and some patience: the guardian itself gives up earlier.
        readable, _, _ = select.select([self._guardian.stdout], [], [], 2 * self._start_timeout_s)
        line = self._guardian.stdout.readline() if readable else b""
        report: dict[str, str] = json.loads(line) if line else {}
        return report

    def _log_tail(self, begin: int) -> str:
        try:
            with self.log_file.open("rb") as log:
                log.seek(begin)
                lines = log.read().decode(errors="replace").splitlines()
        except FileNotFoundError:  # the guardian cleaned up
            return ""
        return "".join(f"\n  {line}" for line in lines[-LOG_TAIL_LINES:])

    def _end(self, mode: StopMode, *, keep: bool) -> None:
        if self._guardian is None or self._guardian_of != os.getpid():  # a fork doesn't own its parent's server
            return
        self._order(f"{mode} keep" if keep else mode)
        self._forget(keep=keep)

    def _order(self, order: str) -> None:
        assert self._guardian is not None
        assert self._guardian.stdin is not None
        try:
            self._guardian.stdin.write(order.encode() + b"\n")
        except BrokenPipeError:  # it ended by itself
            return
        self._guardian.wait()

    def _forget(self, *, keep: bool) -> None:
        """Let go of the guardian; its end of the pipe closed, it stops whatever still runs."""
        if self._guardian is not None:
            for pipe in (self._guardian.stdin, self._guardian.stdout):
                if pipe is not None:
                    pipe.close()
            self._guardian.wait()
        self._guardian = None
        self._pid = None
        if not keep and self._run_dir is not None:
            shutil.rmtree(self._run_dir, ignore_errors=True)
            self._run_dir = None


def _beside(data_dir: Path, suffix: str) -> Path:
    return data_dir.with_name(data_dir.name + suffix)


def _write_secret(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if owner:
            os.fchown(descriptor, *owner)
