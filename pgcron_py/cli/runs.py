"""`pgcron runs list`, `show`, `tail`, `cancel` and `retry`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.failures import FAILED, OK, clean
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option, moment, reason_option

if TYPE_CHECKING:
    from pgcron_py.app.runs import RunDetail, RunRow
    from pgcron_py.app.runs_output import OutputLine

STATUSES = ["RUNNING", "SUCCESS", "FAILED"]
STREAMS = ["stdout", "stderr", "log"]
CAUSES = ["schedule", "manual", "retry", "backfill", "buffered"]
COLUMNS = ("run", "status", "cause", "due", "started", "took", "error")
ERROR_SHOWN = 80  # characters in a list


@click.group(cls=Group)
def runs() -> None:
    """List, show, cancel and retry runs, and follow what they write."""


@runs.command("list")
@click.option("--job", metavar="NAME", help="Only of this job.")
@click.option("--status", type=click.Choice(STATUSES, case_sensitive=False), help="Only with this status.")
@click.option("--cause", type=click.Choice(CAUSES), help="Only with this cause.")
@click.option("--since", metavar="TIME", help="Started then or later: 2026-03-29T02:30, or 2h for two hours ago.")
@click.option("--until", metavar="TIME", help="Started before. Times without an offset are UTC.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@json_option
@database_option
def list_(as_json: bool, database_url: str | None, since: str | None, until: str | None, **filters: Any) -> None:
    """List runs, newest first."""
    from pgcron_py.app.runs import RunFilter, list_runs

    now = datetime.now(UTC)
    after, before = (moment(text, UTC, now) if text else None for text in (since, until))
    with database(database_url) as connection:
        found = list_runs(connection, RunFilter(since=after, until=before, **filters))
    if as_json:
        output.print_json([asdict(run) | {"run": run.name} for run in found])
    else:
        run_table(found, now)


def run_table(found: Sequence[RunRow], now: datetime) -> None:
    output.table(COLUMNS, [_cells(run, now) for run in found], "no run")


def _cells(run: RunRow, now: datetime) -> list[str]:
    took = fmt.duration(run.duration) if run.completed_at else fmt.relative(run.started_at, now).removesuffix(" ago")
    cause = run.cause if run.attempt == 1 else f"{run.cause}, attempt {run.attempt}"
    return [
        run.name, outcome(run), cause, fmt.local(run.scheduled_for, run.timezone), fmt.local(run.started_at, run.timezone),
        took, (run.error or "")[:ERROR_SHOWN],
    ]  # fmt: skip


def outcome(run: RunRow) -> str:
    return f"{run.status} ({run.reason})" if run.reason else run.status


@runs.command()
@click.argument("run")
@json_option
@database_option
def show(run: str, as_json: bool, database_url: str | None) -> None:
    """Show one run. RUN is JOB#SEQ, an id, or the beginning of one that no other run has."""
    from pgcron_py.app.runs import show_run

    with database(database_url) as connection:
        found = show_run(connection, run)
    output.print_json(run_json(found)) if as_json else print_run(found)


def run_json(run: RunDetail) -> dict[str, Any]:
    return asdict(run) | {"run": run.name, "lag_ms": run.lag_ms}


def print_run(run: RunDetail) -> None:
    output.pairs([*_times(run), *_origin(run), *_data(run)])


def _times(run: RunDetail) -> list[tuple[str, Any]]:
    due = run.scheduled_for or run.requested_at
    lag = f", {fmt.duration(run.lag_ms)} after it was due" if run.lag_ms is not None and run.lag_ms >= 0 else ""
    ended = (
        f"{fmt.local(run.completed_at, run.timezone)}, took {fmt.duration(run.duration)}" if run.completed_at else None
    )
    return [
        ("run", run.name),
        ("status", outcome(run) + (", a strike" if run.is_strike else "")),
        ("due" if run.scheduled_for else "asked for", fmt.local(due, run.timezone) if due else None),
        ("started", f"{fmt.local(run.started_at, run.timezone)}{lag}"),
        ("ended", ended),
        ("cancel asked", _cancel_asked(run)),
        ("skipped", run.skip_reason),
    ]  # fmt: skip


def _cancel_asked(run: RunDetail) -> str | None:
    if run.cancel_requested_at is None:
        return None
    why = f": {run.cancel_reason}" if run.cancel_reason else ""
    return f"{fmt.local(run.cancel_requested_at, run.timezone)} by {run.cancel_requested_by}{why}"


def _origin(run: RunDetail) -> list[tuple[str, Any]]:
    worker = f"{run.worker_host}, pid {run.worker_pid} ({run.worker_id})" if run.worker_host else run.worker_id
    return [
        ("cause", f"{run.cause}{f' by {run.requested_by}' if run.requested_by else ''}"),
        ("attempt", run.attempt),
        ("schedule", f"{run.schedule}  ({run.timezone}), version {run.job_version} of the job"),
        ("handler", run.handler),
        ("args", output.compact(run.args)),
        ("worker", worker),
        ("id", run.id),
    ]


def _data(run: RunDetail) -> list[tuple[str, Any]]:
    trace = run.stack_trace if run.may_see_trace else "this role may not read stack traces" if run.error else None
    return [
        ("result", None if run.result is None else output.compact(run.result)),
        ("metadata", output.compact(run.metadata) if run.metadata else None),
        ("progress", output.compact(run.progress) if run.progress else None),
        ("error", run.error),
        ("trace", trace),
    ]


@runs.command()
@click.argument("run")
@click.option(
    "--force", is_flag=True, help="Kill it at once where it has a process of its own, without asking it first."
)
@click.option("--wait", is_flag=True, help="Until it has ended.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up waiting.")
@reason_option
@json_option
@database_option
def cancel(
    run: str,
    force: bool,
    wait: bool,
    timeout: float | None,
    reason: str | None,
    as_json: bool,
    database_url: str | None,
) -> None:
    """Cancel a run that goes on; RUN as for `show`. It is asked to end, and killed if it does not."""
    from pgcron_py.app.runs import cancel, wait_until_ended
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        run_id, was_first = cancel(connection, run, os_caller(reason), force=force)
        ended = wait_until_ended(connection, run_id, timeout) if wait else None
    if ended is not None:
        output.print_json(run_json(ended)) if as_json else print_run(ended)
    elif as_json:
        output.print_json({"run_id": run_id, "was_first": was_first})
    else:
        click.echo(f"asked run {run} to end" if was_first else f"run {run} was asked to end before")


@runs.command()
@click.argument("run")
@click.option("--wait", is_flag=True, help="Until it has ended; the exit code is 1 if it FAILED.")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Give up waiting; the run goes on.")
@reason_option
@json_option
@database_option
def retry(
    run: str, wait: bool, timeout: float | None, reason: str | None, as_json: bool, database_url: str | None
) -> int:
    """Try a run that ended again, with its arguments and for its occurrence; RUN as for `show`."""
    from pgcron_py.app.runs import retry, wait_for_run
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        request_id = retry(connection, run, os_caller(reason))
        ended = wait_for_run(connection, request_id, timeout) if wait else None
    if ended is not None:
        output.print_json(run_json(ended)) if as_json else print_run(ended)
        return FAILED if ended.status == "FAILED" else OK
    if as_json:
        output.print_json({"request_id": request_id})
    else:
        click.echo(f"asked for another attempt of {run} (request {request_id})")
    return OK


@runs.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--stream", type=click.Choice(STREAMS), help="Only what it wrote there.")
@json_option
@database_option
def tail(run: str, follow: bool, stream: str | None, as_json: bool, database_url: str | None) -> None:
    """Print what a run wrote: its first and last 64 KiB. RUN as for `show`; --json prints an object for each line."""
    from pgcron_py.app.runs import find_run
    from pgcron_py.app.runs_output import follow_output, output_of

    with database(database_url) as connection:
        run_id = find_run(connection, run)
        for line in (follow_output if follow else output_of)(connection, run_id, stream):
            click.echo(output.compact(asdict(line)) if as_json else _output_line(line))


def _output_line(line: OutputLine) -> str:
    """As it was written; a record with its level before it."""
    return clean(f"{line.level} {line.text}" if line.level not in (None, "DROPPED") else line.text)
