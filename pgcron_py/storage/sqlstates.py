"""One table: which SQLSTATE of ours is which error, and which status of HTTP. SQL raises them, Python maps them, nobody parses messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from pgcron_py import errors


@dataclass(frozen=True, slots=True)
class Refusal:
    """error: what Python raises. http_status: what the REST API answers. sqlstate: what SQL raises, where SQL does."""

    error: type[errors.PgCronError]
    http_status: int
    sqlstate: str | None = None


# An error that is no row here has the status of the nearest class above it; what is nobody's fault but ours is 500.
REFUSALS = (
    Refusal(errors.LeaseLost, 409, "PC001"),
    Refusal(errors.InvalidSchedule, 400, "PC002"),
    Refusal(errors.JobLocked, 403, "PC003"),
    Refusal(errors.JobDisabled, 400, "PC004"),
    Refusal(errors.AlreadyRunning, 400, "PC005"),
    Refusal(errors.AlreadyRequested, 409, "PC006"),
    Refusal(errors.JobNotFound, 404, "PC007"),
    Refusal(errors.JobIsRunning, 409, "PC008"),
    Refusal(errors.JobDeclaredInCode, 409, "PC009"),
    Refusal(errors.AppendOnly, 409, "PC010"),
    Refusal(errors.AlreadyEnded, 409, "PC011"),
    Refusal(errors.NotFound, 404, "PC012"),
    Refusal(errors.UnknownTimeZone, 400, "PC013"),
    Refusal(errors.InvalidArguments, 422, "PC014"),
    Refusal(errors.NotPermitted, 403, "PC015"),
    Refusal(errors.StaleVersion, 409, "PC016"),
    Refusal(errors.InvalidDeclaration, 422),
    Refusal(errors.NotSignedIn, 401),
    Refusal(errors.TooManyRequests, 429, "PC020"),
    Refusal(errors.NoLiveWorker, 503, "PC021"),
    Refusal(errors.IdempotencyKeyReused, 422, "PC022"),
    Refusal(errors.LockNotAvailable, 503),
    Refusal(errors.DatabaseUnavailable, 503),
    Refusal(errors.DatabaseNotReady, 503),
    Refusal(errors.DatabaseIsReadOnly, 503),
    Refusal(errors.PgCronError, 500),
)
ERROR_OF_SQLSTATE = {row.sqlstate: row.error for row in REFUSALS if row.sqlstate}
STATUS_OF_ERROR = {row.error: row.http_status for row in REFUSALS}


def http_status(error: errors.PgCronError) -> int:
    """The status with which the REST API answers an error."""
    return next(STATUS_OF_ERROR[known] for known in type(error).__mro__ if known in STATUS_OF_ERROR)


# Lock not available, deadlock, serialization failure: the statement may simply be sent again.
RETRIED_SQLSTATES = frozenset({"55P03", "40P01", "40001"})
READ_ONLY = "25006"

# The DETAIL of PC002, as sql/functions/schedule_items_v01.sql writes it.
_PLACE = re.compile(r"(?:field: (?P<field>\w+), )?column: (?P<column>\d+), code: (?P<code>\w+)")

# The DETAIL of PC014, and of PC020.
_FIELD = re.compile(r"field: (\w+)")
_RETRY_AFTER = re.compile(r"retry_after: (\d+)")
# What a value can be that no column takes: out of range, no date, a NUL in a text.
_UNSTORABLE = frozenset({None, "22003", "22007", "22008", "22021", "22P02", "22P05"})


def translated(error: psycopg.Error) -> errors.PgCronError | None:
    """Our error for a refusal that PostgreSQL reported; None when it isn't one that a user caused."""
    state = error.sqlstate or ""
    message, hint = error.diag.message_primary or str(error), error.diag.message_hint
    if state == "PC002":
        return _invalid_schedule(message, error.diag.message_detail or "", hint)
    if state == "PC013":
        return errors.UnknownTimeZone((error.diag.message_detail or "").removeprefix("zone: "), hint=hint)
    if state == "PC014":
        field = _FIELD.match(error.diag.message_detail or "")
        return errors.InvalidArguments(message, hint=hint, field=field[1] if field else None)
    if state == "PC020":
        wait = _RETRY_AFTER.match(error.diag.message_detail or "")
        return errors.TooManyRequests(message, retry_after=int(wait[1]) if wait else 1)
    if state in ERROR_OF_SQLSTATE:
        return ERROR_OF_SQLSTATE[state](message, hint=hint)
    if state == "23514":  # check_violation: the constraint's name says which rule
        return errors.InvalidArguments(
            f"{error.diag.table_name}: the value breaks rule {error.diag.constraint_name}", hint=hint
        )
    if state == "23505" and error.diag.constraint_name == "cron_job_name_key":
        return errors.InvalidArguments("name: another job has this name", hint="choose another name", field="name")
    if state == "23503" and error.diag.constraint_name == "app_user_role_fkey":
        return errors.InvalidArguments("role: there is no such role", hint="GET /api/roles lists them", field="role")
    if state == "42501":
        return errors.NotPermitted(message, hint="`pgcron db roles` tells which role may do what")
    if state == READ_ONLY:
        return errors.DatabaseIsReadOnly()
    if state in RETRIED_SQLSTATES:
        return errors.LockNotAvailable(message)
    if state in {"3F000", "42P01", "42883"}:
        return errors.DatabaseNotReady("schema pgcron is missing or incomplete", hint="run `pgcron db upgrade`")
    if isinstance(error, psycopg.DataError) and error.sqlstate in _UNSTORABLE:
        return errors.InvalidArguments(f"a value can't be stored: {message.splitlines()[0]}")
    if isinstance(error, psycopg.OperationalError):
        return errors.DatabaseUnavailable(f"the database did not answer: {_reason(error)}")
    return None


@contextmanager
def refusals_translated() -> Iterator[None]:
    """Raises our errors in place of psycopg's for whatever a user can cause."""
    try:
        yield
    except psycopg.Error as error:
        ours = translated(error)
        if ours is None:
            raise
        raise ours from error


def _invalid_schedule(message: str, detail: str, hint: str | None) -> errors.InvalidSchedule:
    place = _PLACE.fullmatch(detail)
    if place is None:
        return errors.InvalidSchedule(code="sql", field="schedule", message=message, hint=hint)
    return errors.InvalidSchedule(
        code=place["code"], field=place["field"], column=int(place["column"]), message=message, hint=hint
    )


def _reason(error: BaseException) -> str:
    """On one line; of each host where there were several."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    of_hosts = [line.partition("connection failed: ")[2] or line for line in lines if line.startswith("- host: ")]
    return "; ".join(of_hosts) or lines[0]
