"""What handlers may raise and return at their worst. Random, by the dice it is given."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
from collections.abc import Callable
from random import Random
from typing import Any

import psycopg

SECRET = "s3cr3t-Xq7-planted-value"  # of the environment, so never to be stored, wherever it stands
TEXTS = ("", "plain", "nul \0 in it", "\ud800 alone", "\udfff\ud800", "\\u0000", "'; DROP TABLE x; --", "\x1b[31m", "e\u0301 \u202e", "🦆" * 9, "%s %(x)s {}", "\r\n\t",
         f"password={SECRET}", f"postgresql://u:{SECRET}@h/db", SECRET)  # fmt: skip
NUMBERS = (
    0,
    -1,
    2**63,
    -(2**200),
    10**400,
    2**5000,
    0.0,
    -0.0,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    float("-inf"),
    True,
)


class Boom(Exception):
    pass


class Doom(BaseException):
    pass


def raising(error: BaseException) -> Callable[..., Any]:
    def raise_it(*_: Any, **__: Any) -> Any:
        raise type(error)(*error.args)  # a new one: the trace of one that is raised again and again grows

    return raise_it


def endless(*_: Any) -> Any:
    return endless()


class Text(str):
    """A str that lies about itself."""

    __str__ = __repr__ = __len__ = __getitem__ = encode = replace = raising(Boom())  # type: ignore[assignment]
    __hash__ = str.__hash__


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, [2])


class Meta(type):
    __name__ = property(raising(Boom("no name")))  # type: ignore[assignment]
    __repr__ = __str__ = raising(Boom())  # type: ignore[assignment]


class Nameless(Exception, metaclass=Meta):
    pass


HOSTILE: tuple[dict[str, Any], ...] = (
    {"__str__": raising(Boom())}, {"__str__": raising(Doom())}, {"__str__": lambda self: 5}, {"__str__": lambda self: Text("x\0")}, {"__str__": endless, "__repr__": endless},
    {"__repr__": raising(Doom())}, {"__class__": property(raising(Boom()))}, {"__class__": property(lambda self: 5)}, {"__class__": property(lambda self: str)},
    {"__getattribute__": raising(Boom())}, {"__getattr__": raising(Boom())}, {"__eq__": raising(Boom()), "__hash__": lambda self: 1}, {"__bool__": raising(Doom())},
    {"__len__": raising(Boom())}, {"__iter__": raising(Boom())}, {"items": raising(Boom())}, {"sqlstate": property(raising(Boom()))},
    {"sqlstate": "PC001"}, {"sqlstate": type("Eq", (), {"__eq__": raising(Boom()), "__hash__": None})()}, {"__notes__": 5}, {"__notes__": ["\0", 5]},
    {"__cause__": property(raising(Boom()))}, {"__traceback__": property(raising(Boom()))}, {"args": property(raising(Boom()))}, {"exceptions": 5},
)  # fmt: skip
BASES = (
    Exception,
    ValueError,
    KeyError,
    OSError,
    BaseException,
    SyntaxError,
    UnicodeDecodeError,
    psycopg.OperationalError,
)
ENDS: tuple[Callable[[], BaseException], ...] = (
    SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration, RecursionError, MemoryError, asyncio.CancelledError, TimeoutError, Nameless,
    Doom, AssertionError, lambda: SystemExit("\0"), lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "\ud800"), lambda: SyntaxError("x", ("f\0", 1, 1, "\ud800", 1, 1)),
)  # fmt: skip


class Weird:
    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)

    def text(self) -> str:
        text = self.dice.choice(TEXTS) + "".join(
            chr(self.dice.randrange(0x110000)) for _ in range(self.dice.randrange(4))
        )
        return text * (self.dice.choice((1, 1, 1, 1, 50, 2_000)) if self._one_in(20) else 1)

    def _one_in(self, number: int) -> bool:
        return self.dice.randrange(number) == 0

    def value(self, depth: int = 0) -> Any:
        kinds = (self._leaf, self._leaf, self._object, self._list, self._dict, self._odd)
        return self._leaf() if depth > 4 else self.dice.choice(kinds)(*([depth] if depth else []))

    def _leaf(self, depth: int = 0) -> Any:
        leaves: tuple[Any, ...] = (
            None, self.dice.choice(NUMBERS), self.text(), self.text().encode("utf-8", "surrogatepass"), Text(self.text()), 1j, decimal.Decimal("NaN"),
            datetime.datetime.max, Colour.PAIR, object, Ellipsis, range(10**9), memoryview(b"\0"), (character for character in "x"), lambda: SECRET,
        )  # fmt: skip
        return self.dice.choice(leaves)

    def _object(self, depth: int = 0) -> Any:
        base = self.dice.choice((object, object, dict, list, int, float, str))
        try:
            return type("Hostile", (base,), dict(self.dice.choice(HOSTILE)))()
        except BaseException:
            return object()

    def _list(self, depth: int = 0) -> Any:
        kind = self.dice.choice((list, tuple, list, self._set))
        return kind([self.value(depth + 1) for _ in range(self.dice.randrange(5))])

    @staticmethod
    def _set(values: list[Any]) -> Any:
        found = set()
        for value in values:
            try:
                found.add(value)
            except BaseException:
                continue
        return found

    def _dict(self, depth: int = 0) -> Any:
        return self.hostile_keys({self.text(): self.value(depth + 1) for _ in range(self.dice.randrange(5))})

    def hostile_keys(self, values: dict[Any, Any]) -> dict[Any, Any]:
        for key in (None, 5, (1, "\0"), float("nan"), Text("key"), b"\0", "password"):
            if self._one_in(6):
                values[key] = self.text()
        return values

    def _odd(self, depth: int = 0) -> Any:
        cyclic: list[Any] = [1]
        cyclic.append({"again": cyclic})
        deep: Any = "bottom"
        for _ in range(self.dice.choice((40, 3_000))):
            deep = [deep] if self._one_in(2) else {"d": deep}
        wide = [0] * (60_000 if self._one_in(100) else 10)
        return self.dice.choice((cyclic, deep, wide, "x" * (300_000 if self._one_in(50) else 10), self.error()))

    def error(self, depth: int = 0) -> BaseException:
        error = self.dice.choice((self._end, self._hostile_error, self._plain, self._plain, self._group))(depth)
        if depth < 3 and self._one_in(4):
            self._chained(error, self.error(depth + 1))
        return error

    def _chained(self, error: BaseException, other: BaseException) -> None:
        try:
            error.__cause__, other.__context__ = other, error
            error.add_note(self.text())
        except BaseException:
            return

    def _end(self, depth: int) -> BaseException:
        return self.dice.choice(ENDS)()

    def _plain(self, depth: int) -> BaseException:
        return self.dice.choice((ValueError, KeyError, Boom, Doom, OSError))(self.text(), self._leaf())

    def _hostile_error(self, depth: int) -> BaseException:
        base = self.dice.choice(BASES)
        try:
            return type(self.dice.choice(("Hostile", "Nul\ud800")), (base,), dict(self.dice.choice(HOSTILE)))()
        except BaseException:
            return Boom()

    def _group(self, depth: int) -> BaseException:
        if depth > 2:
            return Boom()
        return BaseExceptionGroup(
            "group " + self.text(), [self.error(depth + 1) for _ in range(self.dice.randint(1, 3))]
        )
