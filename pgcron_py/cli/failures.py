"""What went wrong, as one line for people and one exit code for programs."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import click

from pgcron_py import errors

if TYPE_CHECKING:
    import psycopg

OK, FAILED, USAGE, FOUND, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = {
    OK: "done",
    FAILED: "refused or failed",
    USAGE: "wrong usage: an option, expression, time, zone or JSON that can't be read; nothing was done",
    FOUND: "a check found something",
    UNAVAILABLE: "the database can't be reached, or is not ready",
    INTERRUPTED: "interrupted with Ctrl-C",
}

CODE_OF: tuple[tuple[type[errors.PgCronError], int], ...] = (
    (errors.DatabaseUnavailable, UNAVAILABLE),
    (errors.DatabaseNotReady, UNAVAILABLE),
    (errors.InvalidSchedule, USAGE),
    (errors.UnknownTimeZone, USAGE),
    (errors.InvalidDeclaration, USAGE),
    (errors.InvalidArguments, USAGE),
)

CHECK_ADDRESS = "check --database-url or PGCRON_DATABASE_URL (`pgcron db url` shows it), and that the server runs"


def report(error: BaseException, debug: bool) -> int:
    """Tells it on stderr; the exit code."""
    if debug and not isinstance(error, (click.UsageError, KeyboardInterrupt)):
        click.echo("".join(traceback.format_exception(error)), err=True)
    code, message, hint, note = _explained(error)
    told = " ".join(message.split()) or type(error).__name__
    click.echo(f"Error: {clean(told)}", err=True)
    for line in note.splitlines():
        click.echo(f"    {line}", err=True)
    if hint:
        click.echo(f"  hint: {clean(' '.join(hint.split()))}", err=True)
    return code


def _explained(error: BaseException) -> tuple[int, str, str | None, str]:
    """Code, message, hint and note."""
    if isinstance(error, errors.PgCronError):
        code = next((code for type_, code in CODE_OF if isinstance(error, type_)), FAILED)
        hint = error.hint or (CHECK_ADDRESS if isinstance(error, errors.DatabaseUnavailable) else None)
        return code, str(error), hint, "\n".join(getattr(error, "__notes__", ()))
    if isinstance(error, click.ClickException):
        return error.exit_code, error.format_message(), _usage_hint(error), ""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED, "interrupted", None, ""
    if ours := _refusal(error):
        return _explained(ours)
    hint = "this is a bug: run it again as `pgcron --debug …` (or PGCRON_DEBUG=1) to see where, and report that"
    return FAILED, f"{type(error).__name__}: {error}", hint, ""


def _usage_hint(error: click.ClickException) -> str | None:
    if hint := getattr(error, "hint", None):
        return str(hint)
    ctx = getattr(error, "ctx", None)
    return f"`{ctx.command_path} -h` shows its options" if isinstance(ctx, click.Context) else None


def _refusal(error: BaseException) -> errors.PgCronError | None:
    """Our error for a psycopg error that nobody translated; psycopg itself is not loaded for this."""
    if "psycopg" not in sys.modules:
        return None
    import psycopg

    from pgcron_py.storage.sqlstates import translated

    if not isinstance(error, psycopg.Error):
        return None
    return translated(error) or (_of_database(error) if error.sqlstate else None)


def _of_database(error: psycopg.Error) -> errors.PgCronError:
    return errors.PgCronError(
        f"the database refused: {error.diag.message_primary or error}", hint=error.diag.message_hint
    )


def clean(text: str) -> str:
    """Without characters that would steer a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in text)


def wants_debug() -> bool:
    return os.environ.get("PGCRON_DEBUG", "") not in ("", "0", "false", "no")
