"""`pgcron doctor`: what is wrong, also when no worker is alive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pgcron_py.cli import output
from pgcron_py.cli.failures import clean
from pgcron_py.cli.options import database_option, json_option, required_url

if TYPE_CHECKING:
    from pgcron_py.app.doctor import Diagnosis, Finding

# Those of Nagios and all that came after it: unlike other commands, 2 and 3 are no errors of usage here.
CODES = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
COLOURS = {"ok": "green", "warning": "yellow", "critical": "red", "unknown": "magenta"}


@click.command()
@click.option("--nagios", is_flag=True, help="One line for Nagios, Icinga, Zabbix, Sensu and the like.")
@json_option
@database_option
def doctor(nagios: bool, as_json: bool, database_url: str | None) -> int:
    """Say what is wrong and what to do about it, also when no worker is alive.

    The exit code is 0 when all is well, 1 for a warning, 2 for something critical, 3 when the database can't be asked.
    The same checks in SQL: SELECT * FROM pgcron.health.
    """
    from pgcron_py.app.doctor import diagnose

    found = diagnose(required_url(database_url))
    if as_json:
        output.print_json({"state": found.state, "checks": [it.as_json() for it in found.findings]})
    elif nagios:
        click.echo(_one_line(found))
    else:
        for finding in found.findings:
            _tell(finding)
    return CODES[found.state]


def _tell(finding: Finding) -> None:
    state = click.style(finding.state.ljust(8), fg=COLOURS[finding.state])
    click.echo(f"{state}  {finding.name.ljust(14)}  {clean(' '.join(finding.message.split()))}")
    if finding.advice:
        click.echo(f"{' ' * 26}what to do: {finding.advice}")


def _one_line(found: Diagnosis) -> str:
    ill = [it for it in found.findings if it.state != "ok"]
    texts = (
        "; ".join(f"{it.name}: {' '.join(it.message.split())}" for it in ill)
        or f"all {len(found.findings)} checks are ok"
    )
    counts = {state: sum(it.state == state for it in found.findings) for state in CODES}
    figures = " ".join(f"{state}={count}" for state, count in counts.items())
    return f"PGCRON {found.state.upper()} - {clean(texts).replace('|', '/')} | {figures}"
