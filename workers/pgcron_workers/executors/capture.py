"""Whose output it is: what is printed and logged goes to the run in whose context that happens, else where it always went.

The context follows `await`, tasks, `asyncio.to_thread`, threads that a handler starts and work it gives to a
ThreadPoolExecutor. It can't follow work that goes through a queue of the application's own to a thread that was there
before, nor what other processes and C code write to the file descriptors: that stays with the process.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TextIO

from pgcron_workers.executors.jsonable import text_of
from pgcron_workers.executors.outcome import error_of, trace_of
from pgcron_workers.executors.output import RunOutput

_OUTPUT: ContextVar[RunOutput | None] = ContextVar("pgcron_output", default=None)
_IN_LOGGING: ContextVar[bool] = ContextVar("pgcron_in_logging", default=False)
OWN_LOGGER = "pgcron.job"


def current_output() -> RunOutput | None:
    output = _OUTPUT.get()
    return output if output is not None and not output.is_closed else None


@contextmanager
def captured(output: RunOutput | None) -> Iterator[None]:
    """Inside, this context's output belongs to the run."""
    token = _OUTPUT.set(output)
    try:
        yield
    finally:
        _OUTPUT.reset(token)


capture = _OUTPUT.set  # from here on this task's output belongs to the run: a task has a context of its own


class RoutedStream(io.TextIOBase):
    """Stands where sys.stdout or sys.stderr stood."""

    def __init__(self, name: Literal["stdout", "stderr"], real: TextIO) -> None:
        self._stream_name, self.real = name, real
        self.buffer = RoutedBytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only, as of a real stream
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # likewise
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self.real.fileno()

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        output = current_output()
        if output is None:
            self.real.write(text)
        elif not _IN_LOGGING.get():  # a record is the run's already; a console handler need not repeat it
            output.write(self._stream_name, text)
        return len(text)

    def flush(self) -> None:
        if current_output() is None:
            self.real.flush()


class RoutedBytes(io.RawIOBase):
    """sys.stdout.buffer, for those who write bytes."""

    def __init__(self, stream: RoutedStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)


def install() -> None:
    """Once in an executor process, before the application is imported."""
    if isinstance(sys.stdout, RoutedStream):
        return
    sys.stdout = RoutedStream("stdout", sys.stdout)
    sys.stderr = RoutedStream("stderr", sys.stderr)
    logging.Logger.callHandlers = _recording(logging.Logger.callHandlers)  # type: ignore[method-assign]  # whatever handlers an application sets up
    threading.Thread.start = _inheriting(threading.Thread.start)  # type: ignore[method-assign]  # what Python 3.14 can do by itself
    ThreadPoolExecutor.submit = _carrying(ThreadPoolExecutor.submit)  # type: ignore[method-assign]  # its threads serve many runs


def _recording(call_handlers: Callable[..., None]) -> Callable[..., None]:
    def record_then_call(logger: logging.Logger, record: logging.LogRecord) -> None:
        output = current_output()
        if output is None:
            return call_handlers(logger, record)
        _record(output, record)
        token = _IN_LOGGING.set(True)
        try:
            return call_handlers(logger, record)
        finally:
            _IN_LOGGING.reset(token)

    return record_then_call


def _record(output: RunOutput, record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except BaseException as error:
        message = f"{text_of(record.msg)} (arguments that don't fit: {error_of(error)})"
    if record.name != OWN_LOGGER:
        message = f"{record.name}: {message}"
    if record.exc_info and record.exc_info[1] is not None:
        message = f"{message}\n{(trace_of(record.exc_info[1]) or '').rstrip()}"
    output.record(record.levelname, message)


def _inheriting(start: Callable[..., None]) -> Callable[..., None]:
    def start_inheriting(thread: threading.Thread) -> None:
        output = current_output()
        if output is not None:
            thread.run = _under(output, thread.run)  # type: ignore[method-assign]  # of this one thread
        start(thread)

    return start_inheriting


def _carrying(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submit_carrying(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return submit(pool, _under(current_output(), function), *args, **kwargs)

    return submit_carrying


def _under(output: RunOutput | None, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with captured(output):
            return function(*args, **kwargs)

    return call


class Outputs:
    """The outputs of the runs that go on in this process. A thread looks at them now and then: a handler that has the
    event loop can't keep its own output back. send: called in that thread with the news of runs."""

    def __init__(self, send: Callable[[list[dict[str, Any]]], None], tick: float = 0.15) -> None:
        self._send, self._tick = send, tick
        self._open: set[RunOutput] = set()
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, output: RunOutput) -> None:
        self._open.add(output)
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="pgcron-output", daemon=True)
            self._thread.start()
        if not self._wanted.is_set():
            self._wanted.set()

    def closed(self, output: RunOutput) -> list[dict[str, Any]]:
        """The run ended: what is still to be sent, before its end."""
        with self._lock:
            self._open.discard(output)
            last = output.close()
        return [last] if last is not None else []

    def _look(self) -> None:
        while self._wanted.wait():
            time.sleep(self._tick)
            if not self._open:
                self._wanted.clear()
                if self._open:  # one that was opened meanwhile saw it set
                    self._wanted.set()
            for output in list(self._open):
                self._tell(output)

    def _tell(self, output: RunOutput) -> None:
        """Under the lock from news to sending: the last news of a run come last."""
        with self._lock:
            if not output.is_closed and (news := output.news(time.monotonic())) is not None:
                self._send([news])
