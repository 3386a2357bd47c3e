"""Declaring jobs: the decorator, the application object, and how an application is found by its module path.

Only an executor process imports the user's application; supervisors and the CLI read what it declares.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, get_type_hints

from pgcron_py.context import JobContext
from pgcron_py.domain.declaration import LOG_LEVELS, JobDeclaration, LogLevel
from pgcron_py.domain.overlap import CATCHUP_POLICIES, OVERLAP_POLICIES, CatchupPolicy, OverlapPolicy
from pgcron_py.domain.retry import exception_names
from pgcron_py.errors import InvalidDeclaration, InvalidSchedule, PgCronError, UnknownTimeZone
from pgcron_py.timetable import DstFold, DstGap, Kind, exclusion_of, load_zone, parse

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)
Seconds = float | timedelta

CONTEXT_NAMES = frozenset({"ctx", "context"})


@dataclass(frozen=True, slots=True)
class Handler:
    """A registered function. owner: qualified name of its class when it is a method."""

    name: str
    function: Function
    transactional: bool = False
    owner: str | None = None

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)


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
                retry_on=_exception_names(name, "retry_on", retry_on),
                no_retry_on=_exception_names(name, "no_retry_on", no_retry_on),
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
        return self._add(Handler(name or f"{function.__module__}:{qualname}", function, transactional, owner or None))

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


def check_declaration(declaration: JobDeclaration) -> None:
    """Raises InvalidDeclaration for what the database or the planner would refuse later."""
    name = declaration.name
    if not 1 <= len(name) <= 200 or name != name.strip() or re.search(r"[\x00-\x1f\x7f]", name):
        raise InvalidDeclaration(name, "a name has 1 to 200 printable characters and no blanks at its ends")
    try:
        kinds = [parse(text, name=name).kind for text in (declaration.schedule, *declaration.extra_schedules)]
        for text in declaration.excluded_schedules:
            exclusion_of(text, name=name)
        load_zone(declaration.timezone)
    except InvalidSchedule as error:
        raise InvalidDeclaration(name, f"Invalid cron expression: {error}", hint=error.hint) from error
    except UnknownTimeZone as error:
        raise InvalidDeclaration(name, f"timezone: {error}", hint=error.hint) from error
    _check_timing(declaration, kinds)
    for field_, low, high in _RANGES:
        value = getattr(declaration, field_)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise InvalidDeclaration(name, f"{field_} is {value!r}: it must be a whole number from {low} to {high}")
    for field_ in ("retry_on", "no_retry_on"):
        _exception_names(name, field_, getattr(declaration, field_))
    if declaration.backoff_max_ms < declaration.backoff_ms:
        raise InvalidDeclaration(name, "backoff_max is less than backoff")
    for field_, known in (
        ("overlap_policy", OVERLAP_POLICIES),
        ("catchup_policy", CATCHUP_POLICIES),
        ("log_level", LOG_LEVELS),
    ):
        if (value := getattr(declaration, field_)) not in known:
            raise InvalidDeclaration(name, f"{field_} is {value!r}: it must be one of {', '.join(known)}")
    if declaration.is_exclusive is (declaration.overlap_policy == "allow_all"):
        raise InvalidDeclaration(
            name, f"is_exclusive is {declaration.is_exclusive}: only allow_all lets runs go on beside one another"
        )
    if declaration.is_exclusive and declaration.max_running != 1:
        raise InvalidDeclaration(
            name,
            f"max_running is {declaration.max_running}: only overlap_policy='allow_all' lets more than one run go on",
        )
    _check_watch(declaration)


def _check_timing(declaration: JobDeclaration, kinds: list[Kind]) -> None:
    name = declaration.name
    if Kind.REBOOT in kinds and len(kinds) > 1:
        raise InvalidDeclaration(
            name, "extra_schedules: @reboot can't be one of several schedules", hint="declare two jobs"
        )
    for field_ in ("extra_schedules", "excluded_schedules"):
        if len(getattr(declaration, field_)) > 20:
            raise InvalidDeclaration(
                name, f"{field_} has {len(getattr(declaration, field_))} schedules: 20 are the most"
            )
    start, end = declaration.start_at, declaration.end_at
    if start is not None and end is not None and start >= end:
        raise InvalidDeclaration(name, f"end_at ({end}) is not after start_at ({start})")
    if declaration.min_version is not None and not re.fullmatch(
        r"[vV]?\d{1,9}(\.\d{1,9})*", declaration.min_version, re.ASCII
    ):
        raise InvalidDeclaration(
            name, f"min_version is {declaration.min_version!r}: it must be dotted numbers such as 1.10.2"
        )


def _check_watch(declaration: JobDeclaration) -> None:
    factor, url = declaration.slow_factor, declaration.ping_url
    if factor is not None and (
        isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor <= 1e6
    ):
        raise InvalidDeclaration(declaration.name, f"slow_factor is {factor!r}: it must be a number from 1 to 1000000")
    if url is not None and (len(url) > 2000 or not re.fullmatch(r"https?://[^\s\x00-\x1f\x7f]+", url)):
        raise InvalidDeclaration(declaration.name, "ping_url must begin with http:// or https:// and have no blanks")


_RANGES = (
    ("priority", -100, 100),
    ("max_attempts", 1, 100),
    ("max_running", 1, 10_000),
    ("timeout_ms", 1, 2_678_400_000),
    ("starting_deadline_ms", 1, 2_678_400_000),
    ("catchup_window_ms", 1, 31_622_400_000),
    ("backoff_ms", 0, 86_400_000),
    ("backoff_max_ms", 0, 2_678_400_000),
    ("memory_limit_mib", 1, 1_048_576),
    ("jitter_ms", 0, 86_400_000),
    ("max_consecutive_failures", 1, 1_000_000),
    ("retention_days", 1, 36_500),
    ("retention_count", 1, 1_000_000_000),
    ("max_runs", 1, 1_000_000_000_000),
    ("must_succeed_every_ms", 1_000, 31_622_400_000),
    ("late_after_ms", 1, 31_622_400_000),
    ("slow_after_ms", 1, 2_678_400_000),
)


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


_EXCEPTION_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def _exception_names(job: str, field_: str, values: Sequence[type[BaseException] | str]) -> tuple[str, ...]:
    if isinstance(values, str | type):
        raise InvalidDeclaration(job, f"{field_} is {values!r}: it must be a list of exceptions or of their names")
    names = tuple(exception_names(v)[1] if isinstance(v, type) and issubclass(v, BaseException) else v for v in values)
    wrong = [name for name in names if not isinstance(name, str) or not _EXCEPTION_NAME.fullmatch(name)]
    if wrong:
        raise InvalidDeclaration(
            job,
            f"{field_} has {wrong[0]!r}: it must be an exception, or a name such as ValueError or httpx.TimeoutException",
        )
    if len(names) > 50:
        raise InvalidDeclaration(
            job, f"{field_} has {len(names)} exceptions: 50 are the most", hint="name a base of them"
        )
    return names


@dataclass(frozen=True, slots=True)
class Signature:
    """How a handler is called: with a context or not, and with which typed arguments."""

    context: str | None
    arguments: dict[str, inspect.Parameter] = field(default_factory=dict)
    types: dict[str, Any] = field(default_factory=dict)
    takes_any: bool = False


def signature_of(handler: Handler) -> Signature:
    """Raises InvalidDeclaration when the function can't be called by name."""
    parameters = list(inspect.signature(handler.function).parameters.values())
    if handler.owner is not None and parameters:
        parameters = parameters[1:]  # self
    try:
        hints = get_type_hints(handler.function)
    except Exception as error:
        raise InvalidDeclaration(handler.name, f"its type hints can't be read: {error}") from error
    context: str | None = None
    arguments: dict[str, inspect.Parameter] = {}
    takes_any = False
    for index, parameter in enumerate(parameters):
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any = True
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise InvalidDeclaration(handler.name, f"parameter {parameter.name!r} can't be passed by name")
        elif index == 0 and (hints.get(parameter.name) is JobContext or parameter.name in CONTEXT_NAMES):
            context = parameter.name
        else:
            arguments[parameter.name] = parameter
    return Signature(context, arguments, {name: hints.get(name, Any) for name in arguments}, takes_any)


def bound_arguments(job: str, signature: Signature, args: dict[str, Any]) -> dict[str, Any]:
    """The typed values of a handler's arguments, from a job's args. Raises InvalidDeclaration naming job and argument."""
    if not signature.arguments and not (args and not signature.takes_any and signature.context is None):
        return dict(args) if signature.takes_any else {}
    unknown = set(args) - set(signature.arguments)
    if unknown and not signature.takes_any:
        raise InvalidDeclaration(job, f"args has {sorted(unknown)}, which the handler doesn't take")
    missing = [n for n, p in signature.arguments.items() if p.default is p.empty and n not in args]
    if missing:
        raise InvalidDeclaration(job, f"args lacks {missing}, which the handler needs")
    return {name: _typed(job, name, signature.types.get(name, Any), value) for name, value in args.items()}


def _typed(job: str, name: str, type_: Any, value: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(type_).validate_python(value)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InvalidDeclaration(job, f"argument {name!r} is {value!r}: {reason}") from error


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
