"""`pgcron notify`: the inbox, alerts, deliveries, mute windows, tests. Channels have a module of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.failures import FAILED, OK, clean
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.notify_channels import channels
from pgcron_py.cli.options import database, database_option, json_option, moment_to_come, reason_option
from pgcron_py.errors import InvalidArguments

if TYPE_CHECKING:
    from datetime import datetime

    from pgcron_py.app.notifications import DeliveryRow

limit_option = click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most rows.")
channel_option = click.option("--channel", metavar="NAME", help="Only of this channel.")


@click.group(cls=Group)
def notify() -> None:
    """Say where notifications go, see what they say, hold them back."""


notify.add_command(channels)


@notify.command()
@click.option("--all", "read", is_flag=True, help="Also what was read.")
@limit_option
@json_option
@database_option
def inbox(read: bool, limit: int, as_json: bool, database_url: str | None) -> None:
    """List the messages that nobody marked read, the newest first. The inbox needs no channel."""
    from pgcron_py.app.notifications import inbox

    with database(database_url) as connection:
        found = inbox(connection, read=read, limit=limit)
        now = _now(connection)
    if as_json:
        output.print_json(found)
        return
    cells = [
        [
            str(it.id), fmt.relative(it.created_at, now), it.event, it.title,
            "open" + (f", {it.acknowledged_by} cares" if it.acknowledged_by else "") if it.is_open else "over",
            f"read by {it.read_by}" if it.read_by else "unread",
        ]
        for it in found
    ]  # fmt: skip
    output.table(("id", "when", "event", "what", "alert", "read"), cells, "nothing is unread")


@notify.command()
@click.argument("ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "every", is_flag=True, help="Every unread message.")
@reason_option
@json_option
@database_option
def ack(ids: tuple[str, ...], every: bool, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Mark messages read, and say of their alerts that somebody cares: `pgcron doctor` counts those no more.

    ID is a message's id, or the beginning of one that no other has.
    """
    from pgcron_py.app.notifications import acknowledge
    from pgcron_py.app.session import os_caller

    if bool(ids) is every:
        raise InvalidArguments(
            "no message is named" if not ids else "--all and ids are given", hint="give ids, or --all"
        )
    with database(database_url) as connection:
        read, cared_for = acknowledge(connection, ids, every, os_caller(reason))
    if as_json:
        output.print_json({"read": read, "acknowledged": cared_for})
    else:
        click.echo(f"{read} read, {cared_for} alerts acknowledged")


@notify.command()
@click.option("--all", "resolved", is_flag=True, help="Also those that are over.")
@limit_option
@json_option
@database_option
def alerts(resolved: bool, limit: int, as_json: bool, database_url: str | None) -> None:
    """List what is wrong now: one alert for as long as it goes on."""
    from pgcron_py.app.notifications import alerts

    with database(database_url) as connection:
        found = alerts(connection, resolved=resolved, limit=limit)
        now = _now(connection)
    if as_json:
        output.print_json(found)
        return
    cells = [
        [
            it.kind, it.job or "the fleet", fmt.relative(it.opened_at, now), str(it.count), "yes" if it.told_at else "no",
            it.acknowledged_by or fmt.NOTHING, fmt.relative(it.resolved_at, now), output.compact(it.detail),
        ]
        for it in found
    ]  # fmt: skip
    output.table(("kind", "job", "since", "times", "told", "who cares", "over", "facts"), cells, "no alert is open")


@notify.command("list")
@click.option("--all", "ended", is_flag=True, help="Also what was delivered or skipped.")
@channel_option
@limit_option
@json_option
@database_option
def list_(ended: bool, channel: str | None, limit: int, as_json: bool, database_url: str | None) -> None:
    """List what waits to be sent and what was given up, and why."""
    from pgcron_py.app.notifications import deliveries

    with database(database_url) as connection:
        found = deliveries(connection, ended=ended, channel=channel, limit=limit)
        now = _now(connection)
    if as_json:
        output.print_json(found)
    else:
        headers = ("channel", "event", "job", "state", "made", "attempts", "next", "last error")
        output.table(headers, [_cells(it, now) for it in found], "nothing waits, and nothing was given up")


def _cells(it: DeliveryRow, now: datetime) -> list[str]:
    state = "MUTED" if it.is_muted and it.state == "PENDING" else it.state
    due = "on its way" if it.is_on_its_way else fmt.relative(it.next_attempt_at, now)
    return [
        it.channel or "ping_url", it.event, it.job or fmt.NOTHING, state, fmt.relative(it.created_at, now), str(it.attempts), due,
        it.last_error or fmt.NOTHING,
    ]  # fmt: skip


@notify.command()
@channel_option
@reason_option
@json_option
@database_option
def retry(channel: str | None, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """Send at once what was given up or waits for its next attempt."""
    from pgcron_py.app.notifications import retry
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        count = retry(connection, channel, os_caller(reason))
    if as_json:
        output.print_json({"retried": count})
    else:
        click.echo(f"{count} are tried again")


@notify.command()
@click.argument("name")
@click.option("--by-worker", is_flag=True, help="Sent by a worker, from where workers are; else from here.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for a worker.",
)
@json_option
@database_option
def test(name: str, by_worker: bool, timeout: float, as_json: bool, database_url: str | None) -> int:
    """Send a test message to a channel, and say how that went."""
    from pgcron_py.app.channels import ask_for_test, send_test
    from pgcron_py.app.notifications import wait_for_test
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        if by_worker:
            failure = wait_for_test(connection, ask_for_test(connection, name, os_caller()), timeout)
        else:
            failure = send_test(connection, name, os_caller())
    if as_json:
        output.print_json({"channel": name, "delivered": failure is None, "error": failure})
    elif failure is None:
        click.echo(f"delivered to {name}")
    else:
        click.echo(f"Error: not delivered to {name}: {clean(failure)}", err=True)
    return OK if failure is None else FAILED


@notify.command()
@channel_option
@click.option("--job", metavar="NAME", help="Only about this job.")
@click.option("--until", metavar="TIME", help="2026-03-29T18:00, or 2h for two hours from now.")
@click.option("--from", "begins", metavar="TIME", help="When it begins [default: now].")
@click.option("--list", "only_list", is_flag=True, help="List the windows that go on or are to come.")
@reason_option
@json_option
@database_option
def mute(
    channel: str | None, job: str | None, until: str | None, begins: str | None, only_list: bool, reason: str | None, as_json: bool,
    database_url: str | None,
) -> None:  # fmt: skip
    """Hold messages back for a time: of a channel, about a job, or all.

    What is still wrong when the window ends is told then; what is over by then is not. The inbox gets everything.
    """
    from pgcron_py.app.notifications import Window, mute, mutes
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        if only_list:
            found = mutes(connection)
            if as_json:
                output.print_json(found)
                return
            cells = [
                [it.channel or "any", it.job or "any", fmt.local(it.starts_at, "UTC"), fmt.local(it.ends_at, "UTC"), it.muted_by, it.reason or fmt.NOTHING]
                for it in found
            ]  # fmt: skip
            output.table(("channel", "job", "from", "until", "by", "reason"), cells, "nothing is muted")
            return
        if until is None:
            raise InvalidArguments("a window needs an end", hint="give --until 2h, or a time")
        now = _now(connection)
        window = Window(channel, job, moment_to_come(until, now), moment_to_come(begins, now) if begins else None)
        made = mute(connection, window, os_caller(reason))
    if as_json:
        output.print_json({"id": made, "channel": channel, "job": job, "from": window.begins, "until": window.until})
    else:
        click.echo(f"{_what(channel, job)} muted until {fmt.local(window.until, 'UTC')}")


@notify.command()
@channel_option
@click.option("--job", metavar="NAME", help="Only about this job.")
@reason_option
@json_option
@database_option
def unmute(channel: str | None, job: str | None, reason: str | None, as_json: bool, database_url: str | None) -> None:
    """End the windows that `mute` made with the same --channel and --job. What waited is sent if it is still wrong."""
    from pgcron_py.app.notifications import unmute
    from pgcron_py.app.session import os_caller

    with database(database_url) as connection:
        ended = unmute(connection, channel, job, os_caller(reason))
    if as_json:
        output.print_json({"ended": ended})
    else:
        click.echo(f"{ended} windows ended" if ended else f"{_what(channel, job)} was not muted")


def _what(channel: str | None, job: str | None) -> str:
    parts = [f"channel {channel}" if channel else None, f"job {job}" if job else None]
    return " and ".join(filter(None, parts)) or "everything"


def _now(connection: object) -> datetime:
    from typing import cast

    from pgcron_py.app.jobs import NOW
    from pgcron_py.app.session import Connection, value

    now: datetime = value(cast("Connection", connection), NOW)
    return now
