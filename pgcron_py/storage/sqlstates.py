"""One table: which SQLSTATE of ours is which error. SQL raises them, Python maps them, nobody parses messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pgcron_py import errors

ERROR_OF_SQLSTATE: dict[str, type[errors.PgCronError]] = {
    "PC001": errors.LeaseLost,
    "PC002": errors.InvalidSchedule,
    "PC003": errors.JobLocked,
    "PC004": errors.JobDisabled,
    "PC005": errors.AlreadyRunning,
    "PC006": errors.AlreadyRequested,
    "PC007": errors.JobNotFound,
    "PC008": errors.JobIsRunning,
    "PC009": errors.JobDeclaredInCode,
    "PC010": errors.AppendOnly,
    "PC011": errors.AlreadyEnded,
    "PC012": errors.NotFound,
    "PC013": errors.UnknownTimeZone,
    "PC014": errors.InvalidArguments,
    "PC015": errors.NotPermitted,
    "PC016": errors.StaleVersion,
}

# Lock not available, deadlock, serialization failure: the statement may simply be sent again.
RETRIED_SQLSTATES = frozenset({"55P03", "40P01", "40001"})
READ_ONLY = "25006"

# The DETAIL of PC002, as sql/functions/schedule_items_v01.sql writes it.
_PLACE = re.compile(r"(?:field: (?P<field>\w+), )?column: (?P<column>\d+), code: (?P<code>\w+)")


def translated(error: psycopg.Error) -> errors.PgCronError | None:
    """Our error for a refusal that PostgreSQL reported; None when it isn't one that a user caused."""
    state = error.sqlstate or ""
    message, hint = error.diag.message_primary or str(error), error.diag.message_hint
    if state == "PC002":
        return _invalid_schedule(message, error.diag.message_detail or "", hint)
    if state == "PC013":
        return errors.UnknownTimeZone((error.diag.message_detail or "").removeprefix("zone: "), hint=hint)
    if state in ERROR_OF_SQLSTATE:
        return ERROR_OF_SQLSTATE[state](message, hint=hint)
    if state == "23514":  # check_violation: the constraint's name says which rule
        return errors.InvalidArguments(
            f"{error.diag.table_name}: the value breaks rule {error.diag.constraint_name}", hint=hint
        )
    if state == "23505" and error.diag.constraint_name == "cron_job_name_key":
        return errors.InvalidArguments("name: another job has this name", hint="choose another name")
    if state == "42501":
        return errors.NotPermitted(message, hint="`pgcron db roles` tells which role may do what")
    if state == READ_ONLY:
        return errors.DatabaseIsReadOnly()
    if state in RETRIED_SQLSTATES:
        return errors.LockNotAvailable(message)
    if state in {"3F000", "42P01", "42883"}:
        return errors.DatabaseNotReady("schema pgcron is missing or incomplete", hint="run `pgcron db upgrade`")
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
