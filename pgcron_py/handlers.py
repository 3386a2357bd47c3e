"""Handlers: registered functions, how they are called, which arguments they take, and how that is told to others."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from pgcron_py.context import JobContext
from pgcron_py.errors import InvalidDeclaration

Function = Callable[..., Any]

CONTEXT_NAMES = frozenset({"ctx", "context"})
BUILTIN_PREFIX = "pgcron."
F = TypeVar("F", bound=Function)


def builtin(name: str) -> Callable[[F], F]:
    """Marks a function that comes with pgcron: the only ones whose handler's name may begin with `pgcron.`."""

    def mark(function: F) -> F:
        function.builtin_name = name  # type: ignore[attr-defined]  # functions take any attribute
        return function

    return mark


def handler_name(function: Function, given: str | None) -> str:
    """The name under which a function is registered. Raises InvalidDeclaration for one that is ours."""
    own: str | None = getattr(function, "builtin_name", None)
    name = given or own or f"{function.__module__}:{function.__qualname__}"
    if name.startswith(BUILTIN_PREFIX) and name != own:
        raise InvalidDeclaration(
            name, f"handlers named {BUILTIN_PREFIX}… come with pgcron", hint="give the handler a name of its own"
        )
    return name


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

    @property
    def is_builtin(self) -> bool:
        return self.name.startswith(BUILTIN_PREFIX)


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


def schema_of(signature: Signature) -> dict[str, Any]:
    """The arguments as a JSON schema of an object, for whoever makes jobs without the code at hand.

    A type that JSON schema can't say is any value there; the handler's executor still checks it.
    """
    takes_any = signature.takes_any or (not signature.arguments and signature.context is not None)
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for name, parameter in signature.arguments.items():
        schema = _schema(signature.types.get(name, Any))
        definitions |= schema.pop("$defs", {})
        if parameter.default is not parameter.empty:
            with suppress(TypeError, ValueError):
                json.dumps(parameter.default, allow_nan=False)
                schema["default"] = parameter.default
        properties[name] = schema
    required = [name for name, it in signature.arguments.items() if it.default is it.empty]
    found = {"type": "object", "properties": properties, "required": required, "additionalProperties": takes_any}
    return found | ({"$defs": definitions} if definitions else {})


def _schema(type_: Any) -> dict[str, Any]:
    from pydantic import PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(type_).json_schema()
    except PydanticUserError:  # a class of the application's own, say
        return {}


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
