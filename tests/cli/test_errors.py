"""Every way to fail: one clear line, a hint where there is one, the documented exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from pgcron_py.cli import cli

PGCRON = str(Path(sys.executable).parent / "pgcron")
NEEDS_DATABASE = [
    ("jobs", "list"), ("jobs", "show", "x"), ("jobs", "edit", "x", "--owner", "me"), ("jobs", "enable", "x"), ("jobs", "run", "x"),
    ("jobs", "create", "x", "--schedule", "@daily", "--handler", "h"), ("jobs", "delete", "x", "--confirm", "x"), ("runs", "list"),
    ("runs", "show", "abcd"), ("workers", "list"), ("check",), ("db", "upgrade"), ("db", "current"), ("db", "adopt"), ("db", "seed"),
    ("db", "downgrade", "base", "--yes"),
]  # fmt: skip


def executable(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PGCRON_")}
    return subprocess.run([PGCRON, *args], env=clean | env, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("command", NEEDS_DATABASE, ids=" ".join)
def test_without_a_database_url_every_command_says_how_to_give_one(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, command, env={"PGCRON_DATABASE_URL": None})
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: no database is given\n  hint: give --database-url URL or set PGCRON_DATABASE_URL\n"


@pytest.mark.parametrize("command", NEEDS_DATABASE, ids=" ".join)
def test_a_refused_connection_is_unavailable(pgcron: Any, command: tuple[str, ...]) -> None:
    done = pgcron(*command, url="postgresql://me:s3cret@127.0.0.1:1/x")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("Error: the database did not answer: ")
    assert "Connection refused" in done.err
    assert "  hint: check --database-url" in done.err
    assert "s3cret" not in done.err


@pytest.mark.parametrize("command", NEEDS_DATABASE, ids=" ".join)
def test_a_url_that_is_none_is_wrong_usage(pgcron: Any, command: tuple[str, ...]) -> None:
    done = pgcron(*command, url="s3cret nonsense")
    assert done.code == 2
    assert done.err.startswith("Error: the database URL can't be read\n  hint: write it as postgresql://")
    assert "s3cret" not in done.err


@pytest.mark.parametrize("command", [c for c in NEEDS_DATABASE if c[0] != "db" or c[1] in ("adopt",)], ids=" ".join)
def test_a_database_without_the_schema_is_not_ready(pgcron: Any, empty_db_url: str, command: tuple[str, ...]) -> None:
    done = pgcron(*command, url=empty_db_url)
    assert (done.code, done.err) == (4, "Error: this database has no schema pgcron\n  hint: run `pgcron db upgrade`\n")


@pytest.mark.parametrize(
    ("change", "hint"),
    [("schema_version = 0", "run `pgcron db upgrade`"), ("min_worker_schema = 99", "install a newer pgcron-py")],
)
def test_another_schema_version_is_not_ready(
    pgcron: Any, connection: psycopg.Connection, change: str, hint: str
) -> None:
    connection.execute(f"UPDATE pgcron.cron_meta SET {change}")
    done = pgcron("jobs", "list")
    assert (done.code, f"hint: {hint}" in done.err) == (4, True)


@pytest.mark.parametrize("dbname", ["no_such_database"])
def test_a_database_that_is_not_there_is_unavailable(pgcron: Any, db_url: str, dbname: str) -> None:
    done = pgcron("jobs", "list", url=f"{db_url}&dbname={dbname}")
    assert (done.code, f'database "{dbname}" does not exist' in done.err) == (4, True)


def test_a_wrong_password_is_unavailable(pgcron: Any) -> None:
    """The test server asks for none: so one that asks, and refuses, plays its part."""
    with RefusingServer() as port:
        done = pgcron(
            "jobs", "list", url=f"postgresql://me:s3cret@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
        )
    assert (done.code, 'password authentication failed for user "me"' in done.err) == (4, True)
    assert "s3cret" not in done.err


class RefusingServer:
    """Answers one connection as PostgreSQL answers a wrong password."""

    def __enter__(self) -> int:
        import threading

        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._answer, daemon=True).start()
        port: int = self.socket.getsockname()[1]
        return port

    def _answer(self) -> None:
        client, _ = self.socket.accept()
        with client:
            client.recv(1024)
            body = b'SFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0'
            client.sendall(b"E" + (len(body) + 4).to_bytes(4, "big") + body)

    def __exit__(self, *exc: object) -> None:
        self.socket.close()


class TestRoles:
    def test_the_reader_sees_everything_but_stack_traces(
        self, pgcron: Any, job: str, worker: Any, failure: Any, reader_url: str
    ) -> None:
        worker.ran(job, **failure)
        for command in (("jobs", "list"), ("jobs", "show", job), ("runs", "list"), ("workers", "list"), ("check",)):
            assert pgcron(*command, url=reader_url).code == 0
        done = pgcron("runs", "show", "nightly#1", url=reader_url)
        assert "ValueError: boom" in done.out
        assert "this role may not read stack traces" in done.out
        assert "line 1" not in done.out
        assert pgcron("runs", "show", "nightly#1", "--json", url=reader_url).json["stack_trace"] is None

    @pytest.mark.parametrize("action", ["create", "edit", "enable", "disable", "run", "delete"])
    def test_the_reader_changes_nothing(self, pgcron: Any, job: str, reader_url: str, action: str) -> None:
        more = {
            "create": ("--schedule", "@daily", "--handler", "h"), "edit": ("--owner", "me"), "delete": ("--confirm", job),
        }  # fmt: skip
        done = pgcron("jobs", action, job, *more.get(action, ()), url=reader_url)
        assert done.code == 1
        assert done.err.startswith("Error: permission denied for ")
        assert "hint: `pgcron db roles` tells which role may do what" in done.err

    def test_the_owner_may_do_everything(self, pgcron: Any, owner_url: str) -> None:
        for command in (("create", "x", "--schedule", "@daily", "--handler", "h"), ("edit", "x", "--owner", "me"), ("run", "x"),
                        ("disable", "x"), ("enable", "x"), ("delete", "x", "--confirm", "x")):  # fmt: skip
            assert pgcron("jobs", *command, url=owner_url).code == 0, command


class TestUsage:
    @pytest.mark.parametrize(
        ("args", "lines"),
        [
            (("jbs",), ["Error: pgcron has no command 'jbs'", "  hint: did you mean 'jobs'?"]),
            (("jobs", "lst"), ["Error: pgcron jobs has no command 'lst'", "  hint: did you mean 'list'?"]),
            (("jobs", "zzz"), ["Error: pgcron jobs has no command 'zzz'", "  hint: `pgcron jobs -h` lists them"]),
            (("jobs", "show"), ["Error: Missing argument 'NAME'.", "  hint: `pgcron jobs show -h` shows its options"]),
        ],
    )
    def test_wrong_usage_is_two_lines(self, args: tuple[str, ...], lines: list[str]) -> None:
        done = CliRunner().invoke(cli, args)
        assert (done.exit_code, done.stderr.splitlines()) == (2, lines)

    def test_an_unknown_option_is_wrong_usage(self) -> None:
        assert CliRunner().invoke(cli, ["jobs", "list", "--jso"]).exit_code == 2


class TestOwnBugs:
    @pytest.fixture(autouse=True)
    def _broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("surprise")

        monkeypatch.setattr("pgcron_py.app.invariants.check_invariants", broken)

    def test_a_bug_is_one_line_that_tells_how_to_see_more(self, pgcron: Any) -> None:
        done = pgcron("check")
        assert done.code == 1
        assert done.err.startswith(
            "Error: RuntimeError: surprise\n  hint: this is a bug: run it again as `pgcron --debug"
        )

    def test_debug_shows_where(self, pgcron: Any) -> None:
        assert 'raise RuntimeError("surprise")' in pgcron("--debug", "check").err
        assert 'raise RuntimeError("surprise")' in pgcron("check", PGCRON_DEBUG="1").err
        assert "Traceback" not in pgcron("check", PGCRON_DEBUG="0").err


class TestTheExecutable:
    def test_it_lists_jobs(self, pgcron: Any, job: str) -> None:
        done = executable("jobs", "list", PGCRON_DATABASE_URL=pgcron.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\t" not in done.stdout
        assert "\x1b" not in done.stdout
        assert "nightly" in done.stdout

    def test_the_option_wins_over_the_environment(self, pgcron: Any, job: str) -> None:
        done = executable("jobs", "list", "--database-url", pgcron.url, PGCRON_DATABASE_URL="nonsense")
        assert done.returncode == 0

    def test_it_refuses_with_the_same_line_and_code(self, pgcron: Any) -> None:
        done = executable("jobs", "show", "x", PGCRON_DATABASE_URL=pgcron.url)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "Error: no job is named 'x'\n  hint: `pgcron jobs list` shows all\n"

    def test_control_c_ends_it_with_130(self, pgcron: Any, job: str) -> None:
        env = os.environ | {"PGCRON_DATABASE_URL": pgcron.url}
        with subprocess.Popen(
            [PGCRON, "jobs", "run", job, "--wait"], env=env, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert "no worker is alive" in process.stderr.readline()  # it waits from here on
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
        assert process.returncode == 130
        assert rest.strip() == "Error: interrupted"

    def test_a_reader_that_goes_away_is_no_error_to_tell(self, pgcron: Any, job: str) -> None:
        done = subprocess.run(
            ["sh", "-c", f"'{PGCRON}' next '* * * * *' -n 10000 | head -1"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert (done.stdout, done.stderr) == ("Every minute, UTC time\n", "")

    def test_help_begins_fast(self) -> None:
        executable("--help")
        started = time.monotonic()
        done = executable("--help")
        assert done.returncode == 0
        assert time.monotonic() - started < 1.5  # 0.25 s here; the slack is for a busy machine
