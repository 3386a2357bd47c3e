"""Reading runs, and waiting for one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pgcron_py.app.jobs import require
from pgcron_py.app.session import Caller, Connection, rows, transaction, value
from pgcron_py.errors import InvalidArguments, PgCronError

_COLUMNS = """
SELECT l.id, j.name AS job, l.seq, l.status, l.reason, l.cause, l.attempt, l.scheduled_for, l.started_at, l.completed_at, l.duration,
  l.error, l.worker_id, l.requested_by, j.timezone
"""
_FROM = "FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id"
# Ids are in time's order, so the newest come from the primary key.
LIST = f"""{_COLUMNS} {_FROM}
WHERE (%(status)s::text IS NULL OR l.status = %(status)s) AND (%(cause)s::text IS NULL OR l.cause = %(cause)s)
  AND (%(since)s::timestamptz IS NULL OR l.started_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR l.started_at < %(until)s)
ORDER BY l.id DESC LIMIT %(limit)s
"""
LIST_OF_JOB = f"""{_COLUMNS} {_FROM}
WHERE l.job_id = %(job_id)s AND (%(status)s::text IS NULL OR l.status = %(status)s) AND (%(cause)s::text IS NULL OR l.cause = %(cause)s)
  AND (%(since)s::timestamptz IS NULL OR l.started_at >= %(since)s) AND (%(until)s::timestamptz IS NULL OR l.started_at < %(until)s)
ORDER BY l.seq DESC LIMIT %(limit)s
"""
DETAIL = f"""{_COLUMNS}, l.is_strike, l.is_exclusive, l.handler, l.schedule, l.job_version, l.args, l.metadata, l.result, l.progress,
  l.request_id, l.cancel_requested_at, l.cancel_requested_by, l.cancel_reason, l.skip_reason, w.host AS worker_host, w.pid AS worker_pid,
  r.created_at AS requested_at, NULL AS stack_trace,
  has_column_privilege('pgcron.cron_log', 'stack_trace', 'SELECT') AS may_see_trace
{_FROM} LEFT JOIN pgcron.cron_worker w ON w.id = l.worker_id LEFT JOIN pgcron.cron_request r ON r.id = l.request_id
WHERE l.id = %(id)s
"""
TRACE = "SELECT stack_trace FROM pgcron.cron_log WHERE id = %(id)s"
BY_SEQ = "SELECT id FROM pgcron.cron_log WHERE job_id = %(job_id)s AND seq = %(seq)s"
BY_PREFIX = "SELECT id FROM pgcron.cron_log WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id LIMIT 3"
REQUEST = "SELECT state, run_id FROM pgcron.cron_request WHERE id = %(id)s"
CANCEL = "SELECT pgcron.cancel_run(%(id)s, %(reason)s, %(force)s)"
RETRY = "SELECT pgcron.retry_run(%(id)s, %(reason)s)"
STATUS = "SELECT status FROM pgcron.cron_log WHERE id = %(id)s"

PREFIX = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """Columns of cron_log; job and timezone: of its job. duration: ms by the executor's clock."""

    id: UUID
    job: str
    seq: int
    status: str
    reason: str | None
    cause: str
    attempt: int
    scheduled_for: datetime | None
    started_at: datetime
    completed_at: datetime | None
    duration: int | None
    error: str | None
    worker_id: UUID
    requested_by: str | None
    timezone: str

    @property
    def name(self) -> str:
        return f"{self.job}#{self.seq}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail(RunRow):
    """may_see_trace: whether this role may read stack traces at all."""

    is_strike: bool
    is_exclusive: bool
    handler: str
    schedule: str
    job_version: int
    args: dict[str, Any]
    metadata: Any
    result: Any
    progress: Any
    request_id: UUID | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    cancel_reason: str | None
    skip_reason: str | None
    worker_host: str | None
    worker_pid: int | None
    requested_at: datetime | None
    stack_trace: str | None
    may_see_trace: bool

    @property
    def lag_ms(self) -> int | None:
        """From when it was due, or asked for, to its start. A retry's delay is meant and no lag."""
        due = self.scheduled_for if self.cause == "schedule" else self.requested_at if self.cause == "manual" else None
        return round((self.started_at - due).total_seconds() * 1000) if due else None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """since, until: of the start, [since, until)."""

    job: str | None = None
    status: str | None = None
    cause: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50


def list_runs(connection: Connection, wanted: RunFilter) -> list[RunRow]:
    """Newest first. Raises JobNotFound."""
    params = {
        "status": wanted.status, "cause": wanted.cause, "since": wanted.since, "until": wanted.until, "limit": wanted.limit,
    }  # fmt: skip
    with transaction(connection):
        if wanted.job is None:
            return rows(connection, RunRow, LIST, params)
        return rows(connection, RunRow, LIST_OF_JOB, params | {"job_id": require(connection, wanted.job)})


def runs_of_job(connection: Connection, job: str, limit: int) -> list[RunRow]:
    return list_runs(connection, RunFilter(job=job, limit=limit))


def show_run(connection: Connection, text: str) -> RunDetail:
    """text: see `find_run`. Raises PgCronError when there is no such run or more than one."""
    with transaction(connection):
        return run_detail(connection, find_run(connection, text))


def run_detail(connection: Connection, run_id: UUID) -> RunDetail:
    found = rows(connection, RunDetail, DETAIL, {"id": run_id})[0]
    return replace(found, stack_trace=value(connection, TRACE, {"id": run_id})) if found.may_see_trace else found


def find_run(connection: Connection, text: str) -> UUID:
    """The id of the run that `text` names: JOB#SEQ, an id, or the beginning of one (at least 4 hex digits)."""
    job, hash_, seq = text.rpartition("#")
    if hash_:
        return _by_seq(connection, job, seq)
    digits = text.strip().lower().replace("-", "")
    if not PREFIX.fullmatch(digits):
        raise InvalidArguments(
            f"{text!r} names no run", hint="give JOB#SEQ, an id, or at least 4 hex digits of the beginning of one"
        )
    bounds = {"first": UUID(digits.ljust(32, "0")), "last": UUID(digits.ljust(32, "f"))}
    found = [row[0] for row in connection.execute(BY_PREFIX, bounds)]
    if len(found) > 1:
        shown = ", ".join(map(str, found[:2]))
        raise PgCronError(f"several runs begin with {text!r}", hint=f"give more of the id: {shown}, …")
    return _found(found[0] if found else None, text)


def _by_seq(connection: Connection, job: str, seq: str) -> UUID:
    if not (seq.isascii() and seq.isdigit() and len(seq) < 19):
        raise InvalidArguments(f"{seq!r} is no run's number", hint="write JOB#SEQ, such as nightly#12")
    job_id = require(connection, job)
    return _found(value(connection, BY_SEQ, {"job_id": job_id, "seq": int(seq)}), f"{job}#{seq}")


def _found(run_id: UUID | None, text: str) -> UUID:
    if run_id is None:
        raise PgCronError(f"no run is {text!r}", hint="`pgcron runs list` shows the newest; old ones may be gone")
    return run_id


def cancel(connection: Connection, text: str, caller: Caller, *, force: bool = False) -> tuple[UUID, bool]:
    """The run that `text` names (see `find_run`), and whether nobody had asked so before. force: without asking its handler
    first. Raises AlreadyEnded."""
    with transaction(connection, caller):
        run_id = find_run(connection, text)
        return run_id, value(connection, CANCEL, {"id": run_id, "reason": caller.reason, "force": force})


def retry(connection: Connection, text: str, caller: Caller) -> UUID:
    """The id of the request for another attempt of the run that `text` names. Raises AlreadyRunning, JobDisabled."""
    with transaction(connection, caller):
        request: UUID = value(connection, RETRY, {"id": find_run(connection, text), "reason": caller.reason})
    return request


def wait_until_ended(connection: Connection, run_id: UUID, timeout_s: float | None, pause_s: float = 0.1) -> RunDetail:
    """Until the run has ended. Raises PgCronError when `timeout_s` is over: the run goes on."""
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    while value(connection, STATUS, {"id": run_id}) == "RUNNING":
        if deadline and time.monotonic() >= deadline:
            raise PgCronError(f"the run has not ended after {timeout_s:g} s", hint="it goes on: see `pgcron runs show`")
        time.sleep(pause_s)
    return run_detail(connection, run_id)


def wait_for_run(connection: Connection, request_id: UUID, timeout_s: float | None, pause_s: float = 0.1) -> RunDetail:
    """Until the run that the request asked for has ended.

    Raises PgCronError when the request is cancelled, or when `timeout_s` is over: the run goes on.
    """
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    for run_id in _looks(connection, request_id):
        if run_id and value(connection, STATUS, {"id": run_id}) != "RUNNING":
            return run_detail(connection, run_id)
        if deadline and time.monotonic() >= deadline:
            what = "the run has not ended" if run_id else "no worker has begun the run"
            hint = (
                "it goes on: see `pgcron runs list`" if run_id else "the request still waits: see `pgcron workers list`"
            )
            raise PgCronError(f"{what} after {timeout_s:g} s", hint=hint)
        time.sleep(pause_s)
    raise PgCronError("the request vanished: its job was deleted")


def _looks(connection: Connection, request_id: UUID) -> Iterator[UUID | None]:
    """The id of the request's run, asked again and again; ends when the request is gone."""
    while row := connection.execute(REQUEST, {"id": request_id}).fetchone():
        state, run_id = row
        if state in ("CANCELLED", "EXPIRED"):
            raise PgCronError(f"the request was {state.lower()}: there is no run")
        yield run_id
