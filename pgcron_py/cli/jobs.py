"""`pgcron jobs list` and `show`; what changes jobs is in job_changes.py and job_actions.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.backfills import backfill
from pgcron_py.cli.explaining import explain
from pgcron_py.cli.job_actions import cancel, delete, disable, enable, run, skip_next
from pgcron_py.cli.job_changes import create, edit
from pgcron_py.cli.job_stats import in_short, stats
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option
from pgcron_py.cli.runs import run_table

if TYPE_CHECKING:
    from datetime import datetime

    from pgcron_py.app.job_queries import JobDetail, JobFacts, JobRow

COLUMNS = ("name", "schedule", "zone", "state", "last run", "next run", "success", "avg")


@click.group(cls=Group)
def jobs() -> None:
    """List, show, measure, create, edit, enable, disable, run, cancel and delete jobs."""


@jobs.command("list")
@click.argument("glob", required=False)
@click.option("--tag", help="Only with this tag.")
@click.option("--queue", help="Only of this queue.")
@click.option("--enabled/--disabled", default=None, help="Only enabled or only disabled ones.")
@click.option("--failing", is_flag=True, help="Only with strikes, or whose last run FAILED.")
@json_option
@database_option
def list_(glob: str | None, as_json: bool, database_url: str | None, **filters: Any) -> None:
    """List jobs; GLOB narrows them by name: 'billing-*'."""
    from pgcron_py.app.job_queries import list_jobs

    with database(database_url) as connection:
        found = list_jobs(connection, glob=glob, **filters)
    if as_json:
        output.print_json([_job_json(job) for job in found.jobs])
    else:
        output.table(COLUMNS, [_job_cells(job, found.now) for job in found.jobs], "no job matches")


def _job_cells(job: JobRow, now: datetime) -> list[str]:
    following = f"{fmt.local(job.next_run_at, job.timezone)} ({fmt.relative(job.next_run_at, now)})"
    return [
        job.name, job.schedule, job.timezone, job.state, fmt.last_run(job.last_run_at, job.last_status, job.last_reason, now),
        following if job.next_run_at else fmt.NOTHING, fmt.share(job.success_rate), fmt.duration(job.average_duration),
    ]  # fmt: skip


def _job_json(job: JobRow) -> dict[str, Any]:
    return asdict(job) | {"success_rate": job.success_rate}


@jobs.command()
@click.argument("name")
@json_option
@database_option
def show(name: str, as_json: bool, database_url: str | None) -> None:
    """Show all about one job: what it does and when, its last runs, what waits, what was missed."""
    from pgcron_py.app.job_queries import show_job

    with database(database_url) as connection:
        found = show_job(connection, name)
    if as_json:
        output.print_json(_detail_json(found))
    else:
        _print_detail(found)


def _detail_json(found: JobDetail) -> dict[str, Any]:
    described = found.description
    return {
        **_job_json(found.job),
        "blocked_by": found.blocked_by,
        "week": found.week,
        "sentence": described and described.sentence,
        "warnings": described.warnings if described else [],
        "next_runs": described.next_runs if described else [],
        "problem": found.problem,
        "requests": found.requests,
        "runs": found.runs,
        "misses": found.misses,
    }


def _print_detail(found: JobDetail) -> None:
    job, now = found.job, found.now
    output.pairs([*_facts(found), *_policies(job), *_numbers(found)])
    for warning in found.description.warnings if found.description else ():
        output.warn(warning.message)
    _print_next(found)
    if found.requests:
        output.title("Waiting requests")
        cells = [
            (r.cause, r.requested_by, fmt.local(r.run_after, job.timezone), str(r.attempt)) for r in found.requests
        ]
        output.table(("cause", "by", "not before", "attempt"), cells, "")
    output.title("Last runs")
    run_table(found.runs, now)
    if found.misses:
        output.title("Recent misses")
        cells = [
            (m.reason, f"{m.count}{'+' * m.is_lower_bound}", fmt.local(m.first_scheduled_for, job.timezone),
             fmt.local(m.last_scheduled_for, job.timezone))
            for m in found.misses
        ]  # fmt: skip
        output.table(("reason", "count", "first", "last"), cells, "")


def _print_next(found: JobDetail) -> None:
    if found.description and found.description.next_runs:
        output.title("Next runs" if found.job.is_enabled else "Next runs, were it enabled")
        for at in found.description.next_runs:
            click.echo(f"{fmt.local_with_offset(at, found.job.timezone)}  {fmt.relative(at, found.now)}")


def _facts(found: JobDetail) -> list[tuple[str, Any]]:
    job = found.job
    declared = job.declared_schedule if job.declared_schedule != job.schedule else None
    code = (
        f"app {job.app}, release {job.release}{', no longer declared' if job.undeclared_at else ''}"
        if job.app
        else None
    )
    return [
        ("name", job.name),
        ("description", job.description or None),
        ("state", job.state + (", locked" if job.is_locked else "")),
        ("blocked", found.blocked_by if job.is_enabled else None),
        ("schedule", f"{job.schedule}  ({job.timezone})"),
        ("also", ", ".join(job.extra_schedules) or None),
        ("but not", ", ".join(job.excluded_schedules) or None),
        ("period", _period(job)),
        (
            "runs at most",
            f"{job.max_runs} times by its schedule, {job.scheduled_runs} so far" if job.max_runs else None,
        ),
        ("declared as", declared),
        ("in words", found.description.sentence if found.description else f"can't be read here: {found.problem}"),
        ("handler", job.handler),
        ("args", output.compact(job.args)),
        ("origin", f"{job.origin}{f', {code}' if code else ''}"),
        ("owner", job.owner),
        ("tags", ", ".join(job.tags) or None),
        ("queue", f"{job.queue}, priority {job.priority}{', alone' if job.runs_alone else ''}"),
        ("release", f"{job.min_version} or newer" if job.min_version else None),
        ("id", job.id),
        ("version", f"{job.version}, changed {fmt.local(job.updated_at, job.timezone)}"),
        ("disabled", fmt.local(job.disabled_at, job.timezone) if job.disabled_at else None),
        ("enabled again", fmt.local(job.disabled_until, job.timezone) if job.disabled_until else None),
    ]


def _policies(job: JobFacts) -> list[tuple[str, Any]]:
    retries = f"{job.max_attempts} attempts, {fmt.duration(job.backoff_ms)} to {fmt.duration(job.backoff_max_ms)} apart"
    strikes = job.max_consecutive_failures
    return [
        ("overlap", f"{job.overlap_policy}{'' if job.is_exclusive else f', at most {job.max_running} at a time'}"),
        ("catch-up", f"{job.catchup_policy}{f', at most {fmt.duration(job.catchup_window_ms)} back' if job.catchup_window_ms else ''}"),
        ("deadline", fmt.duration(job.starting_deadline_ms) if job.starting_deadline_ms else None),
        ("timeout", fmt.duration(job.timeout_ms) if job.timeout_ms else "none"),
        ("retries", retries if job.max_attempts > 1 else "none"),
        ("retries on", ", ".join(job.retry_on) or None),
        ("never retries", ", ".join(job.no_retry_on) or None),
        ("idempotent", "yes" if job.is_idempotent else "no"),
        ("memory", f"at most {job.memory_limit_mib} MiB more than its process had" if job.memory_limit_mib else None),
        ("jitter", f"up to {fmt.duration(job.jitter_ms)}" if job.jitter_ms else None),
        ("clock changes", f"gap: {job.dst_gap or 'default'}, fold: {job.dst_fold or 'default'}" if job.dst_gap or job.dst_fold else None),
        ("disables itself", f"after {strikes} failures in a row" if strikes else "never"),
        ("keeps runs", _retention(job)),
        ("keeps output", {"all": None, "errors": "of failed runs", "none": "never"}[job.log_level]),
        ("watched", _watched(job)),
        ("pings", job.ping_url),
        ("notifies", "on failure" if job.notify_on_failure else "never"),
    ]  # fmt: skip


def _period(job: JobFacts) -> str | None:
    start = f"from {fmt.local(job.start_at, job.timezone)}" if job.start_at else None
    end = f"to {fmt.local(job.end_at, job.timezone)}" if job.end_at else None
    return " ".join(filter(None, (start, end))) or None


def _watched(job: JobFacts) -> str | None:
    words = (
        f"no success for {fmt.duration(job.must_succeed_every_ms)}" if job.must_succeed_every_ms else None,
        f"{fmt.duration(job.late_after_ms)} late" if job.late_after_ms else None,
        f"longer than {fmt.duration(job.slow_after_ms)}" if job.slow_after_ms else None,
        f"longer than {job.slow_factor:g} times the 95th percentile" if job.slow_factor else None,
    )
    return "alert when " + ", or ".join(filter(None, words)) if any(words) else None


def _retention(job: JobFacts) -> str | None:
    days = f"{job.retention_days} days" if job.retention_days else None
    count = f"at most {job.retention_count}" if job.retention_count else None
    return ", ".join(filter(None, (days, count))) or None


def _numbers(found: JobDetail) -> list[tuple[str, Any]]:
    job, now = found.job, found.now
    counts = f"{job.success_count} succeeded, {job.failure_count} failed ({fmt.share(job.success_rate)})"
    following = f"{fmt.local(job.next_run_at, job.timezone)}, {fmt.relative(job.next_run_at, now)}"
    return [
        ("runs", counts),
        ("7 days", in_short(found.week)),
        ("strikes", f"{job.consecutive_failures} in a row" if job.consecutive_failures else None),
        ("average", fmt.duration(job.average_duration)),
        ("last run", fmt.last_run(job.last_run_at, job.last_status, job.last_reason, now)),
        ("next run", following if job.next_run_at else fmt.NOTHING),
    ]


for command in (create, edit, enable, disable, explain, run, backfill, cancel, skip_next, delete, stats):
    jobs.add_command(command)
