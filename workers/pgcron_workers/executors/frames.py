"""What goes between a supervisor and its executors: lists of messages as JSON, each list with its length before it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

Message = dict[str, Any]
_LENGTH = struct.Struct("!I")


def encode(messages: list[Any]) -> bytes:
    try:
        body = msgspec.json.encode(messages)
    except UnicodeEncodeError:  # a lone surrogate, which only escapes can say
        body = json.dumps(msgspec.to_builtins(messages), separators=(",", ":")).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder(Generic[T]):
    """Gives back messages of one type as their bytes arrive, in whatever pieces."""

    def __init__(self, type_: type[T]) -> None:
        self._buffer = bytearray()
        self._type = type_
        self._decoder = msgspec.json.Decoder(list[type_])  # type: ignore[valid-type]  # a type at run time

    def feed(self, data: bytes) -> Iterator[T]:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield from self._decoded(body)

    def _decoded(self, body: bytes) -> list[T]:
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError:  # what only Python's reader takes: lone surrogates, numbers beyond a float
            return msgspec.convert(json.loads(body), list[self._type])  # type: ignore[name-defined]  # likewise
