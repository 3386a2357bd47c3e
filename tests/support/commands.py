"""Every command of `pgcron` that asks a database, in an order in which each finds what it needs.

{folder} is a folder with a crontab and a file of jobs; {run}, {backfill}, {change} and {url} are filled in from the database.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import psycopg

from pgcron_py.cli import cli

MAKING = (
    "db upgrade",
    "db seed --sample",
    "db install-compat",
    "db grant --role reader --to pgcron_operator",
    "jobs create nightly --schedule '0 3 * * *' --handler shop:close --tag shop",
    "jobs create hourly --schedule @hourly --handler shop:count",
    "jobs edit hourly --schedule '30 * * * *'",
    "jobs run nightly",
    "jobs backfill nightly --from 2d",
    "jobs skip-next hourly",
    "blackouts set freeze --to 2h --job nightly --reason release",
    "limits set queue default --max-running 5",
    "notify channels add hook webhook+http://127.0.0.1:1/x",
    "notify mute --channel hook --until 1h",
    "users create ana --role viewer --no-password",
)
READING = (
    "jobs list",
    "jobs show nightly",
    "jobs stats nightly",
    "jobs explain nightly",
    "runs list",
    "runs show nightly#1",
    "runs tail nightly#1",
    "workers list",
    "backfills list",
    "blackouts list",
    "handlers list",
    "handlers show shop:close",
    "limits list",
    "export",
    "notify list",
    "notify inbox",
    "notify alerts",
    "notify channels list",
    "audit list",
    "audit verify",
    "check",
    "doctor",
    "db current",
    "db check",
    "db roles",
    "users list",
)
CHANGING = (
    "backfills cancel {backfill}",
    "jobs disable nightly --reason stocktaking",
    "jobs enable nightly",
    "jobs bulk tag late --name 'night*' --yes",
    "jobs cancel nightly",
    "runs retry nightly#1",
    "runs cancel {run}",
    "blackouts remove freeze",
    "limits remove queue default",
    "notify ack --all",
    "notify unmute --channel hook",
    "notify retry",
    "notify test hook --by-worker --timeout 0",
    "notify channels edit hook --disabled",
    "notify channels remove hook",
    "users passwd ana --password-stdin",
    "users role ana operator",
    "users disable ana",
    "users enable ana",
    "users link ana",
    "pause --reason 'the disk is full'",
    "resume",
    "audit revert {change}",
    "apply {folder}/jobs.yaml",
    "import crontab {folder}/crontab",
    "import pg-cron --from {url}",
    "workers drain --all",
    "jobs delete hourly --confirm hourly",
    "db adopt",
    "db remove-compat",
    "db downgrade base --yes",
)
WITHOUT_A_DATABASE = {"next", "config show", "db url"}
SERVING = {"worker", "admin", "demo"}
EXIT_CODES = {
    "doctor": {0, 1, 2},  # what these find is no matter here
    "jobs explain": {0, 3},
    "import pg-cron": {0, 3},
    "notify test": {1},  # no worker answers at once
}

INPUT = {"users passwd": "correct horse battery staple\n"}
JOBS = "jobs:\n  weekly:\n    schedule: 0 5 * * mon\n    handler: shop:close\n"
CRONTAB = "CRON_TZ=UTC\n45 2 * * * /usr/local/bin/backup\n"


def name_of(line: str) -> str:
    """`jobs list` of `jobs list --json`."""
    words = shlex.split(line)
    command: click.Command = cli
    depth = 0
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[depth])
        assert found is not None, line
        command, depth = found, depth + 1
    return " ".join(words[:depth])


def all_commands(group: click.Group = cli, *above: str) -> set[str]:
    """The names of all commands that are no group."""
    found: set[str] = set()
    for name in group.list_commands(click.Context(group)):
        if not above and name in SERVING:
            continue
        command = group.get_command(click.Context(group), name)
        words = (*above, name)
        found |= all_commands(command, *words) if isinstance(command, click.Group) else {" ".join(words)}
    return found


def input_of(line: str) -> str | None:
    return INPUT.get(name_of(line))


def exit_codes_of(line: str) -> set[int]:
    return EXIT_CODES.get(name_of(line), {0})


def filled(line: str, connection: psycopg.Connection[Any], folder: Path, url: str) -> list[str]:
    """The words of a command, its placeholders replaced."""
    values: dict[str, object] = {"folder": folder, "url": url}
    for name, query in PLACEHOLDERS.items():
        if f"{{{name}}}" in line:
            row = connection.execute(query).fetchone()
            assert row is not None, f"nothing for {name}"
            values[name] = row[0]
    return [word.format(**values) for word in shlex.split(line)]


PLACEHOLDERS = {
    "run": "SELECT id FROM pgcron.cron_log WHERE status = 'RUNNING'",
    "backfill": "SELECT id FROM pgcron.cron_backfill",
    "change": """SELECT a.id FROM pgcron.cron_audit a JOIN pgcron.cron_job j ON j.id = a.job_id
        WHERE j.name = 'hourly' AND a.new_values ? 'schedule' AND a.old_values ? 'schedule' ORDER BY a.at DESC LIMIT 1""",
}


def files_in(folder: Path) -> Path:
    (folder / "jobs.yaml").write_text(JOBS)
    (folder / "crontab").write_text(CRONTAB)
    return folder
