"""`pgcron demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pgcron_py.cli.failures import report
from pgcron_py.errors import PgCronError
from pgcron_workers.demo.place import default_data_dir
from pgcron_workers.demo.session import Session, Wanted, process_began
from pgcron_workers.demo.stopping import StoppedEarly, Stopping
from pgcron_workers.demo.worlds import DEMO, SHOWCASE


class OneLineErrors(click.Command):
    """On its own the command says a refusal on one line; inside `pgcron` the CLI does."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(*arguments, **options)
        except PgCronError as error:
            sys.exit(report(error, debug=False))


@click.command(cls=OneLineErrors)
@click.option(
    "--port", default=8321, show_default=True, type=click.IntRange(1, 65535),
    help="Port of the admin; the next free one if it is taken.",
)  # fmt: skip
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 20), help="Worker processes.")
@click.option(
    "--showcase",
    is_flag=True,
    help="An installation as it looks after three months instead: sixty jobs of a shop with their history, and what is wrong with them.",
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path),
    help="Where the database lies, and stays.  [default: .pgcron/demo, or .pgcron/showcase]",
)  # fmt: skip
@click.option(
    "--exit-after", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
    help="End by itself so many seconds after the first worker is ready.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Only the summary, as one JSON object, on stdout.")
def demo(
    port: int, workers: int, data_dir: Path | None, exit_after: float | None, *, showcase: bool, as_json: bool
) -> None:  # fmt: skip
    """A running system to look at: PostgreSQL, workers and the admin, with jobs that do real work.

    Needs no database: it brings one (extra `embedded`) and keeps its data for the next time. Ctrl-C ends it.
    Exit code 1: an invariant was broken, or no run succeeded.
    """
    stopping = Stopping()
    stopping.listen()
    world = SHOWCASE if showcase else DEMO
    folder = (data_dir or default_data_dir(world.folder)).absolute()
    wanted = Wanted(folder, port, workers, exit_after, process_began(), world)
    try:
        summary = Session(wanted, Console(stderr=as_json), stopping).run()
    except StoppedEarly:
        click.echo("stopped before anything ran", err=True)
        return
    click.echo(summary.as_json() if as_json else summary.as_text())
    sys.exit(summary.exit_code(was_interrupted=stopping.is_asked))
