"""A supervisor is small: its settings were read by a program that it no longer is, and its TLS is libpq's.

Counted in modules, which are the same on every machine. Memory: case D of the benchmarks.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pgcron_py.cli.failures import UNAVAILABLE
from support.fleet import Fleet
from support.modules import modules_of, telling_modules
from support.tls import encrypted

LARGE = {
    "alembic", "apprise", "argon2", "click", "cron_descriptor", "croniter", "dotenv", "greenlet", "hashlib", "jinja2", "litestar",
    "opentelemetry", "prometheus_client", "psycopg_pool", "pydantic", "pydantic_core", "pydantic_settings", "pygments", "rich",
    "sqlalchemy", "ssl", "yaml",
}  # fmt: skip
MODULES = 470  # 440 when it was set
SUPERVISE = "pgcron_workers.supervise"
APP = """
@app.handler("noop")
async def noop(): ...
"""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_supervisor_that_works_over_tls_has_imported_nothing_large(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, jitter_ms) VALUES ('job', '* * * * * *', 'noop', 0)"
    )
    with encrypted(fleet.worker_url, fleet.folder) as (proxy, url):
        worker = fleet.start("--concurrency", "10", url=url, **telling_modules(fleet.folder))
        assert fleet.ended("job")[0]["status"] == "SUCCESS"
        assert proxy.encrypted >= 4  # to claim, record, listen; and the executor's
        loaded = modules_of(worker.pid, fleet.folder)
        assert worker.stop() == 0
    assert "psycopg" in loaded
    assert sorted({name.partition(".")[0] for name in loaded} & LARGE) == []
    assert len(loaded) <= MODULES


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def test_a_worker_keeps_its_process_and_hides_its_secrets(fleet: Fleet) -> None:
    """Whoever started it waits for the same process; what came by the environment is not among the arguments."""
    fleet.app(APP)
    worker = fleet.start("--concurrency", "10")
    told = command_line(worker.pid)
    code = told.index("-c") + 1
    assert SUPERVISE in told[code]
    assert told[code + 2 :] == ["--app", "jobs", "--log-format", "json", "--concurrency", "10"]  # for who looks with ps
    assert fleet.row("SELECT pid FROM pgcron.cron_worker")["pid"] == worker.pid
    assert worker.stop() == 0


def test_what_the_supervisor_refuses_is_told_as_the_command_line_tells_it(fleet: Fleet) -> None:
    url = "postgresql://user:secret@host/name?nonsense=1"
    elsewhere = f"import sys; sys.path[:] = {sys.path!r}; from pgcron_workers.cli import worker; worker()"
    for command in (
        [sys.executable, "-m", "pgcron_workers"],
        [str(Path(sys.executable).with_name("pgcron")), "worker"],
        [sys.executable, "-S", "-c", elsewhere],  # as programs in one file do
    ):
        done = subprocess.run(
            [*command, "--app", "jobs", "--database-url", url], cwd=fleet.folder, capture_output=True, text=True, timeout=30
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr == (
            "Error: the database URL can't be read\n  hint: write it as postgresql://user:password@host:5432/dbname\n"
        )


def test_an_application_is_not_imported_before_the_database_is_found_to_be_its_own(fleet: Fleet) -> None:
    """Its executor's interpreter has started long before: what a module does when it is imported must not happen on a copy."""
    fleet.app("open('imported', 'w').close()")
    fleet.do("UPDATE pgcron.cron_meta SET system_identifier = '1'")
    assert fleet.start(ready=False).process.wait(20) == UNAVAILABLE
    assert not (fleet.folder / "imported").exists()
    fleet.do("UPDATE pgcron.cron_meta SET system_identifier = (SELECT system_identifier FROM pg_control_system())")
    fleet.start()
    assert (fleet.folder / "imported").exists()
