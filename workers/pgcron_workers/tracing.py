"""One OpenTelemetry span for each run, around the handler, so that the handler's own spans are its children.

Through the API only: the application brings the SDK, or `opentelemetry-instrument` does. Where nobody imported
OpenTelemetry, this doesn't either, and a run pays for one look-up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pgcron_py.domain.words import Status
from pgcron_workers.executors.base import Order, RunEnd

if TYPE_CHECKING:
    from opentelemetry.trace import Span

FLUSH_MS = 2000
_IS_INSTRUMENTED = "OTEL_PYTHON_TRACER_PROVIDER" in os.environ


def is_wanted() -> bool:
    return "opentelemetry.trace" in sys.modules or _IS_INSTRUMENTED


@contextmanager
def spanned(order: Order) -> Iterator[Callable[[RunEnd], RunEnd]]:
    """A span while the handler runs. Gives back a function that writes the run's end on it and passes the end through."""
    if not is_wanted():
        yield _untold
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("pgcron_py")
    kind = trace.SpanKind.CONSUMER
    with tracer.start_as_current_span(order.job_name, kind=kind, attributes=_attributes(order)) as span:
        yield lambda end: _told(span, end)


def flush() -> None:
    """Before the process ends without ceremony: what the SDK still holds back would be lost."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return
    from opentelemetry import trace

    force_flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if force_flush is not None:
        force_flush(FLUSH_MS)


def _untold(end: RunEnd) -> RunEnd:
    return end


def _attributes(order: Order) -> dict[str, Any]:
    facts = {
        "pgcron.run_id": str(order.run_id),
        "pgcron.job_id": str(order.job_id),
        "pgcron.attempt": order.attempt,
        "pgcron.cause": str(order.cause),
    }
    return facts if order.scheduled_for is None else {**facts, "pgcron.scheduled_for": order.scheduled_for.isoformat()}


def _told(span: Span, end: RunEnd) -> RunEnd:
    from opentelemetry.trace import StatusCode

    if end.status is Status.FAILED:
        span.set_attribute("pgcron.reason", str(end.reason))
        span.set_status(StatusCode.ERROR, end.error)
        if end.stack_trace is not None:
            span.set_attribute("exception.stacktrace", end.stack_trace)
    return end
