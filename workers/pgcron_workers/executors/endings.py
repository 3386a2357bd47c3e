"""What became of a run: a success, a skip, or a failure with the reason that fits."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
from msgspec.structs import replace

from pgcron_py.domain.retry import failure_of
from pgcron_py.domain.words import JobId, Reason, Status
from pgcron_py.errors import LeaseLost
from pgcron_py.outcomes import Outcome, Skip
from pgcron_py.storage.runs import Finish
from pgcron_workers.executors.base import RunEnd
from pgcron_workers.executors.jsonable import text_of
from pgcron_workers.executors.live_run import LiveRun
from pgcron_workers.executors.outcome import MAX_ERROR, error_of, json_of, trace_of
from pgcron_workers.executors.sanitise import name_of, storable
from pgcron_workers.executors.transactions import TransactionBroken

# No SQLSTATE: libpq lost the connection; 57P0x: the server is going down or coming up, or ended this backend.
_CONNECTION_LOST = frozenset({None, "57P01", "57P02", "57P03", "08000", "08003", "08006"})


def success(run: LiveRun, value: Any) -> RunEnd:
    """Raises CancelledError when the run was asked to end meanwhile: its handler took no notice."""
    if run.stop_reason is not None:
        raise asyncio.CancelledError
    return _succeeded(run, _result_of(run, value))


def skipped(run: LiveRun, skip: BaseException) -> RunEnd:
    """The handler had nothing to do. Raises CancelledError when it was asked to end meanwhile."""
    if run.stop_reason is not None:
        raise asyncio.CancelledError
    reason = storable(text_of(_reason_given(skip)), MAX_ERROR) or "nothing to do"
    return replace(_succeeded(run, _result_of(run)), skip_reason=reason)


def _succeeded(run: LiveRun, result: Any) -> RunEnd:
    metadata = json_of(run.context.metadata) if run.context.metadata else {}
    return RunEnd(
        run.order.run_id, Status.SUCCESS, metadata=metadata, result=result, duration=run.elapsed_ms(), progress=run.output.latest_progress,
    )  # fmt: skip


def _result_of(run: LiveRun, value: Any = None) -> Any:
    """What the handler set wins over what it returned."""
    given = run.context._result if run.context._result is not None else value
    return None if given is None else json_of(given)


def finish_of(run: LiveRun, end: RunEnd) -> Finish:
    return Finish(
        end.run_id, JobId(run.order.job_id), end.status, run.order.finish_token, duration=end.duration,
        metadata=end.metadata or None, result=end.result, skip_reason=end.skip_reason, progress=end.progress,
    )  # fmt: skip


def recorded(end: RunEnd) -> RunEnd:
    """Its record is committed: the supervisor needs no more than how it ended."""
    return RunEnd(end.run_id, end.status, metadata=end.metadata, duration=end.duration, is_recorded=True)


def ended(run: LiveRun, error: BaseException) -> RunEnd:
    """How a run ended whose handler raised."""
    return skipped(run, error) if issubclass(type(error), Skip) and run.stop_reason is None else classified(run, error)


def classified(run: LiveRun, error: BaseException) -> RunEnd:
    """FAILED, with the reason that fits; a run that was asked to end did end for that."""
    reason = run.stop_reason or _reason_of(run, error)
    text, trace = (_stopped_text(run), None) if run.stop_reason is not None else _told(run, error)
    failure = failure_of(reason, error)
    return RunEnd(
        run.order.run_id, Status.FAILED, reason, text, trace, json_of(run.context.metadata) or {}, _result_of(run),
        duration=run.elapsed_ms(), progress=run.output.latest_progress,
        error_types=failure.error_types, wish=failure.wish, wish_after_ms=failure.wish_after_ms,
    )  # fmt: skip


def _told(run: LiveRun, error: BaseException) -> tuple[str, str | None]:
    """The error's text and its trace; what a handler says on purpose needs no trace of ours."""
    if _is_out_of_memory(run, error):
        return f"more than its memory limit of {run.order.memory_limit_mib} MiB: {error_of(error)}", trace_of(error)
    if issubclass(type(error), Outcome) and error.__cause__ is None:
        return storable(text_of(_reason_given(error)), MAX_ERROR) or name_of(error), None
    if run.handler.is_builtin and issubclass(type(error), psycopg.Error):
        return error_of(error), None  # of a statement that somebody gave to pgcron.sql
    return error_of(error), trace_of(error)


def _reason_of(run: LiveRun, error: BaseException) -> Reason:
    kind = type(error)  # isinstance would ask the error's own __class__, which may raise
    if issubclass(kind, TransactionBroken):
        return Reason.TX_BROKEN
    if issubclass(kind, LeaseLost) or _sqlstate_of(error) == "PC001":
        return Reason.LOST
    is_of_connection = run.handler.transactional and issubclass(kind, psycopg.OperationalError)
    if is_of_connection and _sqlstate_of(error) in _CONNECTION_LOST:
        return Reason.DB_ERROR
    return Reason.CRASHED if _is_out_of_memory(run, error) else Reason.ERROR


def _reason_given(error: BaseException) -> object:
    try:
        return getattr(error, "reason", "")
    except BaseException:
        return ""


def _sqlstate_of(error: BaseException) -> str | None:
    try:
        state = getattr(error, "sqlstate", None)
    except BaseException:
        return None
    return state if type(state) is str else None


def _is_out_of_memory(run: LiveRun, error: BaseException) -> bool:
    return issubclass(type(error), MemoryError) and run.order.memory_limit_mib is not None


def _stopped_text(run: LiveRun) -> str:
    if run.stop_reason is Reason.TIMEOUT:
        return f"timed out after {run.order.timeout_ms} ms"
    return f"stopped: {run.stop_reason}"
