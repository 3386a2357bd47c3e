"""The health routes and the command, over a real socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest


@contextmanager
def admin(database_url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`pgcron admin` as a process of its own, with the port it took."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from pgcron_admin.cli import admin; admin()", "--dev", "--port", "0"],
        env={**os.environ, "PGCRON_DATABASE_URL": database_url},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = next((line for line in process.stderr if "running on http://127.0.0.1:" in line), None)
        assert line is not None, "the admin ended at once"
        yield process, int(line.split("127.0.0.1:")[1].split()[0])
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str) -> tuple[int, str | None, dict[str, str | None]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, answer.getheader("content-type"), body


def test_it_is_ready_once_the_schema_exists(empty_db_url: str) -> None:
    with admin(empty_db_url) as (_, port):
        status, content_type, body = get(port, "/health/ready")
        assert (status, content_type, body["status"]) == (503, "application/json", "unavailable")
        assert "schema pgcron is missing" in str(body["reason"])

        with psycopg.connect(empty_db_url) as connection:
            connection.execute("CREATE SCHEMA pgcron")
        assert get(port, "/health/ready") == (200, "application/json", {"status": "ok", "reason": None})


def test_it_is_alive_but_not_ready_without_a_database() -> None:
    with admin("postgresql://ana:secret@127.0.0.1:1/nothing") as (_, port):
        assert get(port, "/health/live") == (200, "application/json", {"status": "ok", "reason": None})
        status, _, body = get(port, "/health/ready")
        assert status == 503
        assert "secret" not in str(body)


def test_a_database_that_never_answers_is_not_waited_for() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with admin(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/nothing") as (_, port):
            status, _, body = get(port, "/health/ready")
    assert status == 503
    assert body["reason"] == "the database did not answer within 2 s"


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(signum: signal.Signals) -> None:
    with admin("postgresql://127.0.0.1:1/nothing") as (process, port):
        get(port, "/health/live")
        process.send_signal(signum)
        process.communicate(timeout=5)


def test_it_asks_for_a_database_url() -> None:
    command = [sys.executable, "-c", "from pgcron_admin.cli import admin; admin()"]
    environment = {name: value for name, value in os.environ.items() if name != "PGCRON_DATABASE_URL"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--database-url" in done.stderr
