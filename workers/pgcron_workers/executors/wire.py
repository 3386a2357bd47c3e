"""Orders and ends as messages, in one place for both sides of a channel."""

from __future__ import annotations

from uuid import UUID

from pgcron_py.domain.words import Reason, RunId, Status
from pgcron_workers.executors.base import Order, RunEnd
from pgcron_workers.executors.frames import Message
from pgcron_workers.executors.outcome import error_of, trace_of

END_KEYS = (
    "status", "reason", "error", "stack_trace", "metadata", "result", "duration", "is_recorded", "skip_reason",
    "progress", "error_types", "wish", "wish_after_ms",
)  # fmt: skip


def order_as_message(order: Order) -> Message:
    return {
        "type": "run", "run_id": str(order.run_id), "job_id": str(order.job_id), "job_name": order.job_name, "handler": order.handler,
        "args": order.args, "seq": order.seq, "attempt": order.attempt, "cause": order.cause,
        "scheduled_for": order.scheduled_for and order.scheduled_for.isoformat(), "timeout_ms": order.timeout_ms,
        "memory_limit_mib": order.memory_limit_mib, "finish_token": str(order.finish_token), "timing": order.timing and order.timing.as_message(),
    }  # fmt: skip


def end_as_message(end: RunEnd) -> Message:
    return {"type": "end", "run_id": str(end.run_id)} | {key: getattr(end, key) for key in END_KEYS}


def parsed_end(message: Message) -> RunEnd:
    values = {key: message[key] for key in END_KEYS}
    reason = values.pop("reason")
    status = Status(values.pop("status"))
    return RunEnd(RunId(UUID(message["run_id"])), status, reason and Reason(reason), **values)


def failed_to_begin(message: Message, error: Exception) -> Message:
    """The end of an order whose handler or arguments could not be had."""
    end = RunEnd(RunId(UUID(message["run_id"])), Status.FAILED, Reason.ERROR, error_of(error), trace_of(error))
    return end_as_message(end)
