"""`pgcron jobs create` and `edit`: the same options; create fills in defaults, edit changes only what is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.options import (
    NOTHING,
    CountOrNever,
    F,
    FactorOrNever,
    Instant,
    JsonObject,
    Milliseconds,
    database,
    database_option,
    json_option,
    reason_option,
)  # fmt: skip
from pgcron_py.domain.declaration import LOG_LEVELS
from pgcron_py.domain.overlap import CATCHUP_POLICIES, OVERLAP_POLICIES
from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from pgcron_py.app.jobs import Change, Created, Edited
    from pgcron_py.timetable import Warning

# Parameter names are those of the columns; `default` stands for "not set" in the choices.
DEFINITION: tuple[Callable[[Any], Any], ...] = (
    click.option("--timezone", metavar="ZONE", help="IANA zone such as Europe/Berlin [default: UTC]."),
    click.option("--args", type=JsonObject(), metavar="JSON", help="Arguments of the handler: a JSON object."),
    click.option("--description", metavar="TEXT", help="What it is for; '' for none."),
    click.option("--queue", metavar="NAME", help="Which workers take it [default: default]."),
    click.option("--priority", type=int, metavar="N", help="-100 to 100, larger first [default: 0]."),
    click.option("--timeout", "timeout_ms", type=Milliseconds(optional=True), metavar="SECONDS", help="A longer run fails; or none [default: none]."),
    click.option("--max-attempts", type=int, metavar="N", help="Attempts for one occurrence [default: 1]."),
    click.option("--backoff", "backoff_ms", type=Milliseconds(), metavar="SECONDS", help="Before the second attempt [default: 1]."),
    click.option("--backoff-max", "backoff_max_ms", type=Milliseconds(), metavar="SECONDS", help="Longest time between attempts [default: 60]."),
    click.option("--retry-on", multiple=True, metavar="EXCEPTION", help="Only these are tried again: ValueError, httpx.TimeoutException; may be repeated; '' for any [default: any]."),
    click.option("--no-retry-on", multiple=True, metavar="EXCEPTION", help="These never are; may be repeated; '' for none [default: none]."),
    click.option("--memory-limit", "memory_limit_mib", type=CountOrNever(), metavar="MIB", help="Memory that a run may take, in MiB; or none [default: none]."),
    click.option("--idempotent/--no-idempotent", "is_idempotent", default=None, help="Lost runs may be repeated [default: no]."),
    click.option("--jitter", "jitter_ms", type=Milliseconds(), metavar="SECONDS", help="Spread the start over so long [default: 0]."),
    click.option("--overlap-policy", type=click.Choice(OVERLAP_POLICIES), help="When it is due while it runs [default: skip]."),
    click.option("--max-running", type=int, metavar="N", help="Most runs at a time, with allow_all [default: 1]."),
    click.option("--catchup-policy", type=click.Choice(CATCHUP_POLICIES), help="After an outage: run none, the latest, or all (the newest 100) [default: latest]."),
    click.option("--catchup-window", "catchup_window_ms", type=Milliseconds(optional=True), metavar="SECONDS", help="What passed longer ago is missed; or none [default: none]."),
    click.option("--starting-deadline", "starting_deadline_ms", type=Milliseconds(optional=True), metavar="SECONDS", help="Later than this is a miss; or none [default: none]."),
    click.option("--dst-gap", type=click.Choice(["default", "run_after", "skip"]), help="Times that the clocks skip [default: as Debian's cron]."),
    click.option("--dst-fold", type=click.Choice(["default", "first", "both", "second"]), help="Times that the clocks repeat [default: as Debian's cron]."),
    click.option("--max-consecutive-failures", type=CountOrNever(), metavar="N", help="Disable it after so many; or never [default: 3]."),
    click.option("--retention-days", type=CountOrNever(), metavar="N", help="Keep ended runs so long; or none [default: as the workers' PGCRON_LOG_RETENTION_DAYS]."),
    click.option("--retention-count", type=CountOrNever(), metavar="N", help="Keep at most so many runs; or none [default: none]."),
    click.option("--extra-schedule", "extra_schedules", multiple=True, metavar="TEXT", help="Fires when this does, too; may be repeated; '' for none [default: none]."),
    click.option("--exclude", "excluded_schedules", multiple=True, metavar="TEXT", help="Does not fire in these minutes, such as '* * 25 12 *'; may be repeated; '' for none [default: none]."),
    click.option("--start-at", type=Instant(), metavar="TIME", help="No run before this time; or none [default: none]."),
    click.option("--end-at", type=Instant(), metavar="TIME", help="No run after this time; or none [default: none]."),
    click.option("--max-runs", type=CountOrNever(), metavar="N", help="So many runs by the schedule, then no more; or none [default: none]."),
    click.option("--alone/--not-alone", "runs_alone", default=None, help="Nothing else in the fleet runs meanwhile [default: no]."),
    click.option("--min-version", metavar="RELEASE", help="Applications of an older release don't run it; '' for any [default: any]."),
    click.option("--log-level", type=click.Choice(LOG_LEVELS), help="What is kept beside a run's row: all, errors (no output of successful runs), none (no output, no trace) [default: all]."),
    click.option("--must-succeed-every", "must_succeed_every_ms", type=Milliseconds(optional=True), metavar="SECONDS", help="Longer without a success is an alert; or none [default: none]."),
    click.option("--late-after", "late_after_ms", type=Milliseconds(optional=True), metavar="SECONDS", help="A later start is an alert; or none [default: none]."),
    click.option("--slow-after", "slow_after_ms", type=Milliseconds(optional=True), metavar="SECONDS", help="A longer run is an alert; or none [default: none]."),
    click.option("--slow-factor", type=FactorOrNever(), metavar="X", help="A run longer than X times the 95th percentile is an alert; or none [default: none]."),
    click.option("--ping-url", metavar="URL", help="Hears of start, success and failure, as healthchecks.io takes it; '' for none."),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="May be repeated; replaces all; '' for none."),
    click.option("--owner", metavar="TEXT", help="Who cares for it; '' for nobody."),
    click.option("--notify-on-failure/--no-notify-on-failure", default=None, help="Whether failures are told [default: yes]."),
)  # fmt: skip


def definition_options(command: F) -> F:
    for option in reversed(DEFINITION):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.option("--schedule", required=True, metavar="TEXT", help="Such as '0 3 * * *', @daily or '@every 90m'.")
@click.option("--handler", required=True, metavar="NAME", help="The function that workers know by this name.")
@definition_options
@click.option("--disabled", is_flag=True, help="Create it disabled.")
@reason_option
@json_option
@database_option
def create(
    name: str, disabled: bool, reason: str | None, as_json: bool, database_url: str | None, **options: Any
) -> None:
    """Create a job."""
    from pgcron_py.app.jobs import create
    from pgcron_py.app.schedules import described
    from pgcron_py.app.session import os_caller
    from pgcron_py.domain.declaration import JobDeclaration

    declaration = JobDeclaration(name=name, **given(options))
    described(declaration, _now())  # refused here, before a connection is made
    with database(database_url) as connection:
        made = create(connection, declaration, os_caller(reason), is_enabled=not disabled)
    if as_json:
        output.print_json(asdict(made) | {"schedule": declaration.schedule, "is_enabled": not disabled})
    else:
        _print_created(made, disabled)


@click.command()
@click.argument("name")
@click.option("--schedule", metavar="TEXT", help="Such as '0 3 * * *', @daily or '@every 90m'.")
@click.option("--handler", metavar="NAME", help="The function that workers know by this name.")
@definition_options
@reason_option
@json_option
@database_option
def edit(name: str, reason: str | None, as_json: bool, database_url: str | None, **options: Any) -> None:
    """Change a job; what is not given stays. Shows old and new, and the next runs before and after."""
    from pgcron_py.app.jobs import edit
    from pgcron_py.app.schedules import pointing_into
    from pgcron_py.app.session import os_caller
    from pgcron_py.timetable import load_zone, parse

    changes = given(options)
    if not changes:
        raise InvalidArguments("nothing to change is given", hint="`pgcron jobs edit -h` shows the options")
    if "schedule" in changes:
        with pointing_into(changes["schedule"]):
            parse(changes["schedule"], name=name)
    if "timezone" in changes:
        load_zone(changes["timezone"])
    with database(database_url) as connection:
        done = edit(connection, name, changes, os_caller(reason))
    output.print_json(done) if as_json else _print_edited(done)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as columns."""
    values = {name: value for name, value in options.items() if value is not None and value != ()}
    columns = {name: _column_value(name, value) for name, value in values.items()}
    if "overlap_policy" in columns:
        columns["is_exclusive"] = columns["overlap_policy"] != "allow_all"
        if columns["is_exclusive"]:
            columns.setdefault("max_running", 1)
    return columns


def _column_value(name: str, value: Any) -> Any:
    if name in ("tags", "retry_on", "no_retry_on", "extra_schedules", "excluded_schedules"):
        return tuple(tag.strip() for tag in value if tag.strip())
    if value is NOTHING or (name in ("description", "owner", "min_version", "ping_url") and value == ""):
        return None
    return None if name in ("dst_gap", "dst_fold") and value == "default" else value


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _print_created(made: Created, disabled: bool) -> None:
    click.echo(f"created {made.name}{', disabled' if disabled else ''}: {made.description.sentence}")
    _print_warnings(made.description.warnings, made.cautions)
    for at in made.description.next_runs:
        click.echo(f"  {fmt.local_with_offset(at, made.timezone)}")


def _print_warnings(warnings: Sequence[Warning], cautions: Sequence[str]) -> None:
    for message in (*(warning.message for warning in warnings), *cautions):
        output.warn(message)


def _print_edited(done: Edited) -> None:
    if not done.changes:
        click.echo(f"{done.name} is so already: nothing was changed")
        return
    click.echo(f"changed {done.name}")
    output.pairs([(f"  {change.field.removesuffix('_ms')}", _old_and_new(change)) for change in done.changes])
    _print_warnings(done.description.warnings, done.cautions)
    if done.before != done.after or done.old_timezone != done.timezone:
        before = [fmt.local_with_offset(at, done.old_timezone) for at in done.before]
        after = [fmt.local_with_offset(at, done.timezone) for at in done.after]
        rows = max(len(before), len(after))
        padded = [[*column, *[fmt.NOTHING] * (rows - len(column))] for column in (before, after)]
        output.title("Next runs")
        output.table(("before", "after"), list(zip(*padded, strict=True)), "")


def _old_and_new(change: Change) -> str:
    return f"{_shown(change.field, change.old)} → {_shown(change.field, change.new)}"


def _shown(field: str, value: Any) -> str:
    if value is None:
        return "none"
    return fmt.duration(value) if field.endswith("_ms") else value if isinstance(value, str) else output.compact(value)
