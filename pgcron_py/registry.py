"""Declaring jobs: the decorator, the application object, and how an application is found by its module path.

Only an executor process imports the user's application; supervisors and the CLI read what it declares.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pgcron_py.domain.declaration import JobDeclaration, LogLevel
from pgcron_py.domain.declaration_check import check_declaration, exception_names_of
from pgcron_py.domain.overlap import CatchupPolicy, OverlapPolicy
from pgcron_py.errors import InvalidDeclaration, PgCronError
from pgcron_py.handlers import Function, Handler, bound_arguments, handler_name, signature_of
from pgcron_py.timetable import DstFold, DstGap

F = TypeVar("F", bound=Function)
Seconds = float | timedelta


class PgCron:
    """An application: a name, a release, and the jobs and handlers its code declares.

    name: jobs belong to it; a sync touches only its own. release: dotted numbers are compared, an older one is ignored.
    factory: makes the instance for methods (one for each class in each executor); the default calls the class.
    """

    def __init__(
        self, name: str = "app", *, release: str = "0", factory: Callable[[type[Any]], Any] | None = None
    ) -> None:
        self.name = name
        self.release = release
        self.factory: Callable[[type[Any]], Any] = factory or (lambda cls: cls())
        self.declarations: dict[str, JobDeclaration] = {}
        self.handlers: dict[str, Handler] = {}

    def cron_job(
        self,
        name: str,
        schedule: str,
        description: str | None = None,
        timezone: str = "UTC",
        is_locked: bool = False,
        notify_on_failure: bool = True,
        *,
        args: dict[str, Any] | None = None,
        transactional: bool = False,
        handler: str | None = None,
        owner: str | None = None,
        tags: tuple[str, ...] | list[str] = (),
        queue: str = "default",
        priority: int = 0,
        overlap_policy: OverlapPolicy = "skip",
        max_running: int = 1,
        catchup_policy: CatchupPolicy = "latest",
        catchup_window: Seconds | None = None,
        starting_deadline: Seconds | None = None,
        timeout: Seconds | None = None,
        max_attempts: int = 1,
        backoff: Seconds = 1.0,
        backoff_max: Seconds = 60.0,
        retry_on: Sequence[type[BaseException] | str] = (),
        no_retry_on: Sequence[type[BaseException] | str] = (),
        memory_limit: int | None = None,
        idempotent: bool = False,
        jitter: Seconds = 0.0,
        dst_gap: DstGap | None = None,
        dst_fold: DstFold | None = None,
        max_consecutive_failures: int | None = 3,
        retention_days: int | None = None,
        retention_count: int | None = None,
        extra_schedules: Sequence[str] = (),
        excluded_schedules: Sequence[str] = (),
        start_at: datetime | str | None = None,
        end_at: datetime | str | None = None,
        max_runs: int | None = None,
        runs_alone: bool = False,
        min_version: str | None = None,
        log_level: LogLevel = "all",
        must_succeed_every: Seconds | None = None,
        late_after: Seconds | None = None,
        slow_after: Seconds | None = None,
        slow_factor: float | None = None,
        ping_url: str | None = None,
    ) -> Callable[[F], F]:
        """Declares a job that runs the decorated function (`def` or `async def`, or a method of a class).

        The function takes nothing, a JobContext (annotated so, or named ctx), or a context and arguments named in `args`.
        overlap_policy: what becomes of an occurrence that is due while a run goes on: skip (a miss), buffer_one or buffer_all (it
        waits), cancel_other or terminate_other (that run is ended for it), or allow_all: up to max_running run at a time.
        catchup_policy: of those that passed while nobody could run them: skip, latest (one run), or all (the newest 100, one after
        the other); catchup_window: those that passed longer ago are missed.
        Times are seconds or timedelta. max_consecutive_failures=None never disables it.
        retry_on, no_retry_on: exceptions, as classes or names (`ValueError`, `httpx.TimeoutException`), their subclasses included:
        which of them are worth another attempt (any, if empty), and which never are. Without max_attempts > 1 there is none.
        retention_days, retention_count: for how long, and how many of, its ended runs are kept; by default as the worker's settings say.
        extra_schedules: it fires when one of these does, too. excluded_schedules: in these minutes it doesn't: `* * 25 12 *`.
        start_at, end_at: no occurrence before and after (aware, or ISO 8601 with an offset). max_runs: of its schedule, then no more.
        runs_alone: nothing else in the fleet runs meanwhile. min_version: an application of an older release doesn't run it.
        log_level: what is kept beside the row: all, errors (no output of successful runs), none (no output, no stack trace).
        must_succeed_every, late_after, slow_after, slow_factor (times the 95th percentile): beyond these an alert is raised.
        ping_url: hears of start, success and failure, as healthchecks.io takes it.
        memory_limit: MiB that a run may take beyond what its process has; more ends it as crashed.
        Raises InvalidDeclaration, naming job and reason.
        """

        def declare(function: F) -> F:
            if name in self.declarations:
                first = self.declarations[name].handler
                raise InvalidDeclaration(
                    name, f"declared twice, by {first} and {function.__module__}:{function.__qualname__}",
                    hint="choose another name",
                )  # fmt: skip
            registered = self._register(function, handler, transactional)
            declaration = JobDeclaration(
                name=name,
                schedule=schedule,
                handler=registered.name,
                description=description,
                timezone=timezone,
                args=dict(args or {}),
                is_locked=is_locked,
                owner=owner,
                tags=tuple(tags),
                queue=queue,
                priority=priority,
                is_exclusive=overlap_policy != "allow_all",
                overlap_policy=overlap_policy,
                max_running=max_running,
                catchup_policy=catchup_policy,
                catchup_window_ms=_ms(name, "catchup_window", catchup_window),
                starting_deadline_ms=_ms(name, "starting_deadline", starting_deadline),
                timeout_ms=_ms(name, "timeout", timeout),
                max_attempts=max_attempts,
                backoff_ms=_ms(name, "backoff", backoff) or 0,
                backoff_max_ms=_ms(name, "backoff_max", backoff_max) or 0,
                retry_on=exception_names_of(name, "retry_on", retry_on),
                no_retry_on=exception_names_of(name, "no_retry_on", no_retry_on),
                memory_limit_mib=memory_limit,
                is_idempotent=idempotent,
                jitter_ms=_ms(name, "jitter", jitter) or 0,
                dst_gap=dst_gap,
                dst_fold=dst_fold,
                max_consecutive_failures=max_consecutive_failures,
                notify_on_failure=notify_on_failure,
                retention_days=retention_days,
                retention_count=retention_count,
                extra_schedules=_texts(name, "extra_schedules", extra_schedules),
                excluded_schedules=_texts(name, "excluded_schedules", excluded_schedules),
                start_at=_instant(name, "start_at", start_at),
                end_at=_instant(name, "end_at", end_at),
                max_runs=max_runs,
                runs_alone=runs_alone,
                min_version=min_version,
                log_level=log_level,
                must_succeed_every_ms=_ms(name, "must_succeed_every", must_succeed_every),
                late_after_ms=_ms(name, "late_after", late_after),
                slow_after_ms=_ms(name, "slow_after", slow_after),
                slow_factor=slow_factor,
                ping_url=ping_url,
            )
            check_declaration(declaration)
            self.declarations[name] = declaration
            return function

        return declare

    def handler(self, name: str | None = None, *, transactional: bool = False) -> Callable[[F], F]:
        """Registers a function under a name without a schedule, for jobs made by SQL or CLI."""

        def register(function: F) -> F:
            self._register(function, name, transactional)
            return function

        return register

    def include(self, other: PgCron) -> None:
        """Takes over another application's jobs and handlers."""
        for handler in other.handlers.values():
            self._add(handler)
        for name, declaration in other.declarations.items():
            if self.declarations.setdefault(name, declaration) is not declaration:
                raise InvalidDeclaration(name, f"declared in both {self.name!r} and {other.name!r}")

    def _register(self, function: Function, name: str | None, transactional: bool) -> Handler:
        qualname = function.__qualname__
        owner = qualname.rpartition(".")[0]
        if "<locals>" in owner.rpartition(".")[2] or not owner:
            owner = ""
        return self._add(Handler(handler_name(function, name), function, transactional, owner or None))

    def _add(self, handler: Handler) -> Handler:
        known = self.handlers.setdefault(handler.name, handler)
        if known.function is not handler.function:
            raise InvalidDeclaration(
                handler.name, "two functions are registered as this handler", hint="give one of them a name of its own"
            )
        return known


default_app = PgCron("default")
"""Where the plain `@cron_job` declares; an application found by module path takes these over."""

cron_job = default_app.cron_job
handler = default_app.handler


def _ms(job: str, name: str, value: Seconds | None) -> int | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
        raise InvalidDeclaration(job, f"{name} is {value!r}: it must be seconds or a timedelta, not negative")
    return round(seconds * 1000)


def _texts(job: str, name: str, values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise InvalidDeclaration(job, f"{name} is {values!r}: it must be a list of schedules")
    return tuple(values)


def _instant(job: str, name: str, value: datetime | str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError as error:
        raise InvalidDeclaration(
            job, f"{name} is {value!r}: it must be ISO 8601, such as 2026-12-31T18:00+01:00"
        ) from error
    if found is not None and (found.utcoffset() is None or not 1900 < found.year < 9000):
        raise InvalidDeclaration(job, f"{name} is {value!r}: it needs an offset from UTC, and a year from 1901 to 8999")
    return found


def load_app(path: str) -> PgCron:
    """The application at MODULE or MODULE:ATTRIBUTE. Imports user code: call it in an executor process only.

    Raises PgCronError when the module can't be imported or holds no application and no declared job.
    """
    module_name, _, attribute = path.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except PgCronError:
        raise
    except ModuleNotFoundError as error:
        raise PgCronError(
            f"app {path!r}: {error}",
            hint="give a module that Python finds from this folder, such as myservice.jobs:app",
        ) from error
    app = _attribute(module, path, attribute) if attribute else _only_app(module, path)
    if app is not default_app:
        app.include(default_app)
    elif app.name == "default":
        app.name = module_name
    check_arguments(app)
    return app


def check_arguments(app: PgCron) -> None:
    """Whether each declared job's args fit its handler."""
    for declaration in app.declarations.values():
        bound_arguments(declaration.name, signature_of(app.handlers[declaration.handler]), declaration.args)


def _attribute(module: Any, path: str, attribute: str) -> PgCron:
    app = getattr(module, attribute, None)
    if not isinstance(app, PgCron):
        raise PgCronError(f"app {path!r}: {attribute!r} is {type(app).__name__}, not a PgCron application")
    return app


def _only_app(module: Any, path: str) -> PgCron:
    apps = {
        id(value): value for value in vars(module).values() if isinstance(value, PgCron) and value is not default_app
    }
    if len(apps) > 1:
        raise PgCronError(f"app {path!r}: {len(apps)} PgCron applications there", hint=f"say which: {path}:NAME")
    if apps:
        return next(iter(apps.values()))
    if default_app.handlers:
        return default_app
    raise PgCronError(f"app {path!r}: no PgCron application and no @cron_job there")
