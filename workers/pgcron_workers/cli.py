"""`pgcron worker`: from flags and environment to a running supervisor."""

from __future__ import annotations

import click

from pgcron_py.errors import InvalidArguments
from pgcron_py.settings import load_settings
from pgcron_workers.builtins import builtins_of
from pgcron_workers.config import Launch, WorkerConfig
from pgcron_workers.supervise import launch


@click.command()
@click.option(
    "--app", metavar="MODULE[:ATTR]", help="The application whose handlers this worker runs [env: PGCRON_APP]."
)
@click.option("--concurrency", type=int, help="Most runs at a time [env: PGCRON_CONCURRENCY; default 100].")
@click.option(
    "--processes", type=int, help="Most `def` handlers at a time, a process each [env: PGCRON_PROCESSES; default 4]."
)
@click.option("--queues", metavar="A,B", help="Serve only these queues [env: PGCRON_QUEUES; default all].")
@click.option(
    "--busy-share",
    type=float,
    help="Share of the time for a backlog while others commit much; 1: all [env: PGCRON_BUSY_SHARE; default 0.1].",
)
@click.option("--database-url", metavar="URL", help="Where schema pgcron lives [env: PGCRON_DATABASE_URL].")
@click.option(
    "--shutdown-grace",
    type=float,
    help="Seconds that runs may go on after SIGTERM [env: PGCRON_SHUTDOWN_GRACE; default 30].",
)
@click.option(
    "--health-port",
    type=int,
    help="Serve /health/live, /health/ready and /metrics [env: PGCRON_HEALTH_PORT; default off].",
)
@click.option(
    "--health-host", metavar="HOST", help="Address of the health port [env: PGCRON_HEALTH_HOST; default 127.0.0.1]."
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Least level that is logged."
)
@click.option(
    "--log-format", type=click.Choice(["auto", "console", "json"]), help="auto: console on a terminal, else json."
)
def worker(**flags: object) -> None:
    """Run jobs: claim what is due, perform it, record it. Start as many as you like, anywhere.

    SIGTERM or Ctrl-C drains: no new runs, those that go on may end. A second one hurries.
    """
    settings = load_settings(**flags)
    if settings.database_url is None:
        raise InvalidArguments("database_url is not set", hint="give --database-url or set PGCRON_DATABASE_URL")
    if settings.app is None:
        raise InvalidArguments("app is not set", hint="give --app MODULE[:ATTR] or set PGCRON_APP")
    config = WorkerConfig(
        settings.database_url, settings.app, settings.concurrency, settings.processes, settings.cancel_grace, settings.queues,
        settings.lease_ttl, settings.beat, settings.shutdown_grace, settings.log_level, settings.log_retention_days, settings.busy_share,
        builtins_of(settings),
    )  # fmt: skip
    launch(Launch(config, settings.log_format, settings.health_host, settings.health_port, _is_debugging()))


def _is_debugging() -> bool:
    """`pgcron --debug worker`; PGCRON_DEBUG is looked at when there is an error."""
    return bool(getattr(click.get_current_context().obj, "debug", False))
