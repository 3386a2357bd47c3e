"""`pgcron jobs stats`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.options import AGO, UNITS, database, database_option, json_option
from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from pgcron_py.app.statistics import Figures


@click.command()
@click.argument("name")
@click.option(
    "--window", "windows", multiple=True, metavar="TIME", help="Only this one, such as 24h, 7d or 90d; may be repeated."
)
@json_option
@database_option
def stats(name: str, windows: tuple[str, ...], as_json: bool, database_url: str | None) -> None:
    """Show how well a job did in the last 24 hours, 7 days and 30 days: rates, durations, lag, streaks."""
    from pgcron_py.app.statistics import WINDOWS, statistics_of

    lengths = {text: length_of(text) for text in windows} or WINDOWS
    with database(database_url) as connection:
        found = statistics_of(connection, name, lengths)
    if as_json:
        output.print_json({"job": name, "windows": [asdict(figures) for figures in found]})
    else:
        columns = [_cells(figures) for figures in found]
        labels = [label for label, _ in columns[0]]
        rows = [[label, *(dict(column)[label] for column in columns)] for label in labels]
        output.table(("", *(figures.window for figures in found)), rows, "")


def length_of(text: str) -> timedelta:
    """Raises InvalidArguments."""
    match = AGO.fullmatch(text.strip())
    if match is None:
        raise InvalidArguments(f"{text!r} is no window", hint="write 24h, 7d, 30d or the like")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def _cells(figures: Figures) -> list[tuple[str, str]]:
    shown: list[tuple[str, Any]] = [
        ("runs", str(figures.run_count)),
        ("succeeded", f"{figures.success_count} ({fmt.share(figures.success_rate)})"),
        ("failed", str(figures.failure_count)),
        ("up", fmt.share(figures.uptime)),
        ("down for", fmt.duration(figures.downtime_ms) if figures.downtime_ms else fmt.NOTHING),
        ("average", fmt.duration(figures.duration_average_ms)),
        ("p50", fmt.duration(figures.duration_p50_ms)),
        ("p95", fmt.duration(figures.duration_p95_ms)),
        ("longest", fmt.duration(figures.duration_max_ms)),
        ("lag, average", fmt.duration(figures.lag_average_ms)),
        ("lag, p95", fmt.duration(figures.lag_p95_ms)),
        ("lag, longest", fmt.duration(figures.lag_max_ms)),
        ("last success", fmt.relative(figures.last_success_at, figures.to_at)),
        ("last failure", fmt.relative(figures.last_failure_at, figures.to_at)),
        ("in a row now", in_a_row(figures)),
        ("failures in a row, most", str(figures.longest_failure_streak)),
    ]
    return shown


def in_a_row(figures: Figures) -> str:
    if figures.failure_streak:
        return f"{figures.failure_streak} failed"
    return f"{figures.success_streak} succeeded" if figures.success_streak else fmt.NOTHING


def in_short(figures: Figures) -> str | None:
    """One line for `jobs show`."""
    if not figures.run_count:
        return None
    return (
        f"{figures.run_count} runs, {fmt.share(figures.success_rate)} succeeded, up {fmt.share(figures.uptime)}, "
        f"p50 {fmt.duration(figures.duration_p50_ms)}, p95 {fmt.duration(figures.duration_p95_ms)}, {in_a_row(figures)} in a row"
    )
