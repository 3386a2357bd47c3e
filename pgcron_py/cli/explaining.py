"""`pgcron jobs explain`: why a job does not run."""

from __future__ import annotations

import click

from pgcron_py.cli import output
from pgcron_py.cli.failures import FOUND, OK
from pgcron_py.cli.options import database, database_option, json_option


@click.command()
@click.argument("name")
@json_option
@database_option
def explain(name: str, as_json: bool, database_url: str | None) -> int:
    """Why a job does not run: the conditions of a claim, in their order. The exit code is 3 when something blocks it."""
    from pgcron_py.app.explaining import answer_of, explain

    with database(database_url) as connection:
        steps = explain(connection, name)
    answer = answer_of(steps)
    is_blocked = answer.verdict == "blocks"
    if as_json:
        output.print_json({"job": name, "is_blocked": is_blocked, "answer": answer, "steps": steps})
    else:
        click.echo(f"{name}: {answer.message if is_blocked else f'nothing blocks it: {answer.message}'}")
        output.table(("condition", "", "what"), [(step.topic, step.verdict, step.message) for step in steps], "")
    return FOUND if is_blocked else OK
