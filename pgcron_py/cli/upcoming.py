"""`pgcron next`: a schedule explained, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.options import json_option, moment

if TYPE_CHECKING:
    from pgcron_py.timetable import Description


@click.command("next")
@click.argument("expr")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="IANA zone of the schedule.")
@click.option(
    "--after",
    default="now",
    show_default=True,
    metavar="TIME",
    help="Runs after this time; without an offset it is in the zone.",
)
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=5, show_default=True, help="So many runs.")
@click.option("--name", default="", metavar="JOB", help="The job's name, which decides what H means.")
@json_option
def upcoming(expr: str, tz: str, after: str, count: int, name: str, as_json: bool) -> None:
    """Explain the schedule EXPR and tell its next runs."""
    from pgcron_py.app.schedules import pointing_into
    from pgcron_py.timetable import describe, load_zone, next_runs, parse

    now = datetime.now(UTC)
    with pointing_into(expr):
        canonical = parse(expr, name=name).canonical
    start = moment(after, load_zone(tz), now)
    described, found = describe(expr, tz, start, name=name), next_runs(expr, tz, start, count, name=name)
    if as_json:
        output.print_json({
            "schedule": expr, "canonical": canonical, "timezone": tz, "after": start, "sentence": described.sentence,
            "warnings": described.warnings, "next_runs": found,
        })  # fmt: skip
    else:
        _print(described, found, tz, now)


def _print(described: Description, found: list[datetime], tz: str, now: datetime) -> None:
    click.echo(described.sentence)
    for warning in described.warnings:
        output.warn(warning.message)
    rows = [(fmt.local_with_offset(at, tz), f"{at:%Y-%m-%d %H:%M:%S}Z", fmt.relative(at, now)) for at in found]
    output.table((tz, "UTC", "from now"), rows, "no run has a time that can be told beforehand")
