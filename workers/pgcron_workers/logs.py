"""Structured logs: one line per state change, for people on a terminal and as JSON elsewhere."""

from __future__ import annotations

import logging
import sys

from pgcron_workers.leaving_out import left_out

with left_out("rich", "greenlet"):  # for traces in colour, with pygments, and for servers of other kinds: 4 MiB
    import structlog
from structlog.typing import FilteringBoundLogger

_SPEAKER: dict[str, str] = {}


def speak_as(worker_id: object) -> None:
    """From now on each line of this process carries this worker's id."""
    _SPEAKER["worker_id"] = str(worker_id)


def _with_speaker(_log: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {**_SPEAKER, **event}


def configured_log(level: str, form: str) -> FilteringBoundLogger:
    """A logger on stderr. form: auto, console or json."""
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    processors: list[structlog.typing.Processor] = [
        _with_speaker,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        processors.append(structlog.processors.format_exc_info)
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    ).bind()  # or each line, also one that is not logged, would bind it anew
    return log
