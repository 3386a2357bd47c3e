"""From settings to a running supervisor, in a fresh interpreter: what reads flags and environment is large, and stays behind.

`pgcron worker` reads its settings, then this process becomes another program (exec: the same pid, the same open streams) that
finds them, as JSON, in a file that exists in memory only: a secret must not stand among the arguments.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from pgcron_workers.config import Launch, WorkerConfig
from pgcron_workers.executors.newborn import born
from pgcron_workers.leaving_out import left_out

# Found where they were found: -m would look elsewhere, and in the working directory, which is the application's.
BEGIN = "import sys; sys.path[:] = {path!r}; from pgcron_workers.supervise import main; main()"


def launch(what: Launch) -> None:
    """Ends here: as another program, or in this one where the system has no way to."""
    import subprocess

    if not (sys.executable and hasattr(os, "memfd_create")):
        supervise(what)
    file = os.memfd_create("pgcron worker", 0)  # inherited
    with os.fdopen(os.dup(file), "wb") as stream:
        stream.write(json.dumps(asdict(what)).encode())
    os.lseek(file, 0, os.SEEK_SET)
    for output in (sys.stdout, sys.stderr):
        output.flush()
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # what multiprocessing does, too
    os.execv(sys.executable, [sys.executable, *flags, "-c", BEGIN.format(path=sys.path), str(file), *sys.argv[1:]])


def supervise(what: Launch) -> None:
    """Runs a worker until it is stopped, and exits. Raises PgCronError for what an operator must mend first."""
    newborn = born()
    with left_out("ssl"):  # TLS to the database is libpq's; Python's own, which nobody here uses, is 4 MiB
        import asyncio

        with suppress(ImportError):  # its part in Python alone would not do without
            import psycopg  # noqa: F401 - so that who imports it later finds it
    import gc

    from pgcron_py.app.dsn import checked_url
    from pgcron_workers.health import reported
    from pgcron_workers.logs import configured_log
    from pgcron_workers.process import Supervisor

    checked_url(what.worker.database_url)
    log = configured_log(what.worker.log_level, what.log_format)
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # a claim makes thousands of objects, of which none is a cycle

    async def main() -> int:
        supervisor = Supervisor(what.worker, log, newborn)
        async with reported(supervisor, host=what.health_host, port=what.health_port, lease_ttl=what.worker.lease_ttl):
            return await supervisor.run()

    sys.exit(asyncio.run(main()))


def received(file: int) -> Launch:
    """What launch() left."""
    with os.fdopen(file, "rb") as stream:
        told: dict[str, Any] = json.loads(stream.read())
    return Launch(**told | {"worker": WorkerConfig(**told["worker"])})


def main() -> None:
    what = received(int(sys.argv[1]))
    try:
        supervise(what)
    except (Exception, KeyboardInterrupt) as error:
        from pgcron_py.cli.failures import report, wants_debug

        sys.exit(report(error, what.is_debug or wants_debug()))
