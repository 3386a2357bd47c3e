"""`pgcron.sql`: a command on a connection that the worker's settings name.

The command goes to the server as it is, in one message of the simple protocol: several statements are one transaction unless
the command itself says BEGIN and COMMIT, and VACUUM and its like work when they are alone. A connection serves one run.
"""

from __future__ import annotations

import contextlib
import select
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import ExecStatus, TransactionStatus

from pgcron_py.context import JobContext
from pgcron_py.handlers import builtin
from pgcron_py.outcomes import Fail, Outcome

CONNECT_TIMEOUT = 10.0  # seconds
LOOK_EVERY = 0.05  # seconds: how soon a wish to cancel is seen
CANCEL_TIMEOUT = 2.0  # seconds
CANCEL_AGAIN = 0.5  # seconds: a cancel that came before its statement began was lost
MOST_TOLD = 100  # statements of one command

connections: dict[str, str] = {}
"""Name to URL; from PGCRON_SQL_CONNECTIONS."""

BACKEND_PID = "SELECT pg_backend_pid()"

# The job's timeout limits each statement even where nobody is left to cancel it; so does the end of this process. A second more
# than it: where somebody is, the run ends for its timeout, and not for a statement that was cancelled in the same moment.
MARGIN_S = 1.0
LIMITS = """
SELECT set_config('statement_timeout', coalesce(%s, current_setting('statement_timeout')), false),
  set_config('client_connection_check_interval', '1s', false)
"""

_COPY = frozenset({ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH})


@builtin("pgcron.sql")
def run_sql(ctx: JobContext, command: str, connection: str = "default") -> None:
    """Runs SQL on a connection that the worker's settings name; row counts and notices are in the output."""
    url = connections.get(connection)
    if url is None:
        known = ", ".join(sorted(connections)) or "none"
        raise Fail(f"no connection is named {connection!r} here ({known}): PGCRON_SQL_CONNECTIONS names them")
    if not command.strip():
        raise Fail("the command is empty")
    with contextlib.closing(_connected(url, ctx)) as session:
        session.add_notice_handler(_notice)
        told = _Told()
        try:
            _perform(session, command, ctx, told)
        finally:
            ctx.result(told.as_json())  # of a failure, too: how far it got


@dataclass(slots=True)
class _Told:
    """What became of the statements of a command."""

    rows: int = 0
    count: int = 0
    tags: list[str] = field(default_factory=list)

    def add(self, tag: str, rows: int) -> None:
        self.rows += rows
        self.count += 1
        if self.count <= MOST_TOLD:
            self.tags.append(tag)
            _write(tag)

    def as_json(self) -> dict[str, Any]:
        return {"rows": self.rows, "statements": self.count, "tags": self.tags}


def _connected(url: str, ctx: JobContext) -> psycopg.Connection[Any]:
    left = ctx.time_left
    seconds = CONNECT_TIMEOUT if left is None else min(CONNECT_TIMEOUT, left)
    session = psycopg.connect(
        url, autocommit=True, connect_timeout=max(1, round(seconds)), application_name=application_name(ctx)
    )
    try:
        limit = None if ctx.timeout is None else str(round((ctx.timeout + MARGIN_S) * 1000))
        row = session.execute(BACKEND_PID, prepare=False).fetchone()
        if row is not None and row[0] == session.info.backend_pid:
            ctx.metadata["backend_pid"] = row[0]
            session.execute(LIMITS, (limit,), prepare=False)
        # Else a pooler would give these limits, and this backend, to whoever comes next.
    except BaseException:
        session.close()
        raise
    return session


def application_name(ctx: JobContext) -> str:
    """At most the 63 bytes that PostgreSQL keeps, the run first: it is what somebody would look for."""
    return f"pgcron {ctx.run_id} {ctx.job_name}".encode()[:63].decode(errors="ignore")


def _perform(session: psycopg.Connection[Any], command: str, ctx: JobContext, told: _Told) -> None:
    """libpq itself, step by step: psycopg would hold all rows in memory, and would not look whether to cancel."""
    pgconn = session.pgconn
    pgconn.nonblocking = 0
    pgconn.send_query(command.encode(session.info.encoding))
    pgconn.set_single_row_mode()
    failed: psycopg.Error | None = None
    fetched = 0
    while (result := _next_result(session, ctx)) is not None:
        status = result.status
        if status == ExecStatus.SINGLE_TUPLE:
            fetched += 1
        elif status in _COPY:
            raise Fail("COPY FROM STDIN and TO STDOUT have no other end here: use a table, or a file of the server")
        elif status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            tag = (result.command_status or b"").decode()
            told.add(tag, fetched or result.command_tuples or 0)
            fetched = 0
        elif status != ExecStatus.EMPTY_QUERY:
            failed = failed or errors.error_from_result(result, encoding=session.info.encoding)
    if failed is not None:
        raise failed
    if pgconn.transaction_status != TransactionStatus.IDLE:
        raise Outcome("the command left a transaction open, which was rolled back: it lacks a COMMIT")


def _next_result(session: psycopg.Connection[Any], ctx: JobContext) -> Any:
    pgconn = session.pgconn
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    cancel_at: float | None = None
    while pgconn.is_busy():
        if poll.poll(LOOK_EVERY * 1000):
            try:
                pgconn.consume_input()
            except psycopg.OperationalError as error:
                raise Outcome(f"the connection broke: {str(error).strip()}") from None
        if ctx.cancelled and (cancel_at is None or time.monotonic() >= cancel_at):
            cancel_at = time.monotonic() + CANCEL_AGAIN
            with contextlib.suppress(psycopg.Error):
                session.cancel_safe(timeout=CANCEL_TIMEOUT)
    return pgconn.get_result()


def _notice(notice: errors.Diagnostic) -> None:
    lines = [f"{notice.severity}:  {notice.message_primary}"]
    lines += [f"DETAIL:  {notice.message_detail}"] if notice.message_detail else []
    lines += [f"HINT:  {notice.message_hint}"] if notice.message_hint else []
    _write("\n".join(lines))


def _write(text: str) -> None:
    """Into the run's output, whatever the level of the worker's log."""
    sys.stdout.write(f"{text}\n")
