"""Any value as JSON that jsonb takes: finite, not deep, not large, with text as keys, without secrets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from itertools import islice
from typing import Any

from pgcron_workers.executors.redaction import REDACTED, SECRET_NAME, UNSAYABLE_NUMBER
from pgcron_workers.executors.sanitise import name_of, plain, storable

MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_TEXT = 256_000
MAX_KEY = 1_000
MAX_BITS = 1_000
TOO_DEEP = "(too deep)"


class TooLarge(Exception):
    """The value has more parts or text than is stored; size: of what was seen."""

    def __init__(self, size: int) -> None:
        self.size = size


class Tree:
    """One walk over a value. Nothing of the value's own code runs but str(), and that may raise what it likes."""

    def __init__(self) -> None:
        self._nodes = 0
        self._size = 0

    def walk(self, value: Any, depth: int = 0, name: str = "") -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise TooLarge(self._size + self._nodes)
        if value is None or value is True or value is False:
            return value
        if isinstance(value, Enum):
            value = value._value_
        if isinstance(value, int | float):
            return REDACTED if UNSAYABLE_NUMBER.search(name) else _number(value)
        if isinstance(value, dict | list | tuple | set | frozenset):
            return TOO_DEEP if depth >= MAX_DEPTH else self._container(value, depth, name)
        return self._leaf(value, name)

    def _container(self, value: Any, depth: int, name: str) -> Any:
        if isinstance(value, dict):
            return dict(self._pairs(value, depth, name))
        parts = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind)).__iter__(value)
        return [self.walk(part, depth + 1, name) for part in islice(parts, MAX_NODES + 1)]

    def _pairs(self, value: dict[Any, Any], depth: int, name: str) -> Iterable[tuple[str, Any]]:
        for key, part in islice(dict.items(value), MAX_NODES + 1):
            text = text_of(key)
            self._size += len(text)
            secret = text if SECRET_NAME.search(text) else name
            yield storable(text, MAX_KEY), self.walk(part, depth + 1, secret)

    def _leaf(self, value: Any, name: str) -> str:
        text = text_of(value)
        self._size += str.__len__(text)
        if self._size > MAX_TEXT:
            raise TooLarge(self._size)
        return REDACTED if name and str.__len__(text) else storable(text, MAX_TEXT)


def text_of(value: Any) -> str:
    """The value's text; why there is none where there is none."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value[:MAX_TEXT]).decode("utf-8", "replace")
    try:
        return plain(str(value))
    except BaseException as error:
        return f"(no text: str() raised {name_of(error)})"


def _number(value: float) -> Any:
    """NaN, infinities and huge integers are no numbers of JSON: they become text."""
    if isinstance(value, int):
        plain = int.__add__(value, 0)
        return plain if plain.bit_length() <= MAX_BITS else f"(an integer of {plain.bit_length()} bits)"
    number = float.__add__(value, 0.0)
    return number if math.isfinite(number) else str(number)


def jsonable(value: Any) -> Any:
    """Never raises."""
    try:
        return Tree().walk(value)
    except TooLarge as error:
        return {"truncated": True, "size": error.size}
    except BaseException as error:
        return f"(no JSON: {name_of(error)})"
