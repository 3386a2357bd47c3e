"""The top of `pgcron`: which commands there are, and where to find them."""

from __future__ import annotations

import click

from pgcron_py.cli.failures import EXIT_CODES
from pgcron_py.cli.running import Manner, RunningGroup

COMMANDS = {
    "jobs": ("pgcron_py.cli.jobs:jobs", "List, show, create, edit, enable, disable, run, cancel and delete jobs."),
    "runs": ("pgcron_py.cli.runs:runs", "List, show, follow, cancel and retry runs."),
    "workers": ("pgcron_py.cli.workers:workers", "List and drain workers."),
    "backfills": ("pgcron_py.cli.backfills:backfills", "List and cancel backfills of past occurrences."),
    "blackouts": ("pgcron_py.cli.rules:blackouts", "List, set and remove windows in which jobs do not start."),
    "handlers": ("pgcron_py.cli.handlers:handlers", "List and show handlers: the functions that jobs run."),
    "limits": ("pgcron_py.cli.rules:limits", "Limit how much of a queue, a tag or a handler may run."),
    "pause": ("pgcron_py.cli.fleet:pause", "Pull the kill switch: no worker claims anything."),
    "resume": ("pgcron_py.cli.fleet:resume", "Let the fleet work again."),
    "export": ("pgcron_py.cli.as_code:export", "Write all jobs as YAML."),
    "apply": ("pgcron_py.cli.as_code:apply", "Make the jobs what a YAML file says."),
    "next": ("pgcron_py.cli.upcoming:upcoming", "Explain a schedule and tell its next runs; needs no database."),
    "notify": ("pgcron_py.cli.notify:notify", "Say where notifications go, see what they say, hold them back."),
    "import": ("pgcron_py.cli.imports:imports", "Turn the schedules of cron and pg_cron into jobs."),
    "doctor": ("pgcron_py.cli.doctor:doctor", "Say what is wrong, also when no worker is alive."),
    "audit": ("pgcron_py.cli.auditing:audit", "List, verify and revert changes."),
    "users": ("pgcron_py.cli.users:users", "List, create, change, disable and link users of the web admin."),
    "check": ("pgcron_py.cli.check:check", "Check the invariants: what must be true at any instant."),
    "db": ("pgcron_py.cli.db:db", "Set the database up, migrate it, check it."),
    "config": ("pgcron_py.cli.config:config", "Show the settings."),
}
"""Of the library. Those of other packages come from the entry points of group `pgcron.commands`."""

EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())


def _debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and isinstance(ctx.obj, Manner):
        ctx.obj.debug = True


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        import pgcron_py

        click.echo(f"pgcron {pgcron_py.__version__}")
        ctx.exit()


@click.group(
    "pgcron", cls=RunningGroup, lazy=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.option(
    "--debug", is_flag=True, is_eager=True, expose_value=False, callback=_debug,
    help="Show tracebacks of errors [env: PGCRON_DEBUG=1].",
)  # fmt: skip
def cli() -> None:
    """Cron for Python services that already run PostgreSQL."""
