"""Counts what clients send to PostgreSQL, and calls of functions in a worker: costs that don't depend on the machine's speed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from support.fleet import wait_for
from support.proxy import Proxy, socket_of

QUERY, SYNC, EXECUTE = b"Q", b"S", b"E"
PASSWORDLESS = "sslmode=disable&gssencmode=disable"


class Frames:
    """The messages of one connection, out of what it sends in pieces."""

    def __init__(self) -> None:
        self.application = ""
        self._pending = b""
        self._has_begun = False

    def kinds(self, data: bytes) -> Iterator[bytes]:
        self._pending += data
        while message := self._next():
            if self._has_begun:
                yield message[:1]
            else:
                self._begin(message)

    def _next(self) -> bytes | None:
        head = 1 if self._has_begun else 0  # the first message has no type
        if len(self._pending) < head + 4:
            return None
        end = head + struct.unpack_from("!i", self._pending, head)[0]
        if len(self._pending) < end:
            return None
        message, self._pending = self._pending[:end], self._pending[end:]
        return message

    def _begin(self, startup: bytes) -> None:
        fields = startup[8:].split(b"\0")
        found = dict(zip(fields[::2], fields[1::2], strict=False))
        self.application = found.get(b"application_name", b"").decode()
        self._has_begun = True


class _Heard:
    """A reader whose data is counted before it goes on."""

    def __init__(self, reader: asyncio.StreamReader, meter: Meter) -> None:
        self._reader, self._meter, self._frames = reader, meter, Frames()

    async def read(self, most: int) -> bytes:
        data = await self._reader.read(most)
        for kind in self._frames.kinds(data):
            self._meter.count(self._frames.application, kind)
        return data


class Meter(Proxy):
    """trips: by application_name, messages that wait for an answer. statements: the same of what they ask for."""

    def __init__(self, socket_path: str) -> None:
        self.trips: Counter[str] = Counter()
        self.statements: Counter[str] = Counter()
        super().__init__(socket_path)

    def count(self, application: str, kind: bytes) -> None:
        if kind in (QUERY, SYNC):
            self.trips[application] += 1
        if kind in (QUERY, EXECUTE):
            self.statements[application] += 1

    async def _forward(self, reader, writer, swallowing) -> None:  # type: ignore[no-untyped-def]
        await super()._forward(_Heard(reader, self), writer, swallowing)  # type: ignore[arg-type]


@contextlib.contextmanager
def metered(url: str) -> Iterator[tuple[Meter, str]]:
    """A meter before the server of a `…?host=/socket/dir&port=N` URL, and the URL through it."""
    parts, meter = urlsplit(url), Meter(socket_of(url))
    user = parts.netloc.rpartition("@")[0]
    try:
        through = (parts.scheme, f"{user}@127.0.0.1:{meter.port}", quote(parts.path), PASSWORDLESS, "")
        yield meter, urlunsplit(through)
    finally:
        meter.close()


# Python imports it at its start. SIGUSR2 asks for the calls that the main thread has made until then.
COUNTS_CALLS = """
import cProfile, json, os, signal
if os.environ.get("COUNT_CALLS") and os.getppid() == int(os.environ["COUNT_CALLS"]):
    profile = cProfile.Profile()
    def tell(number, frame):
        profile.disable()
        found = {str(entry.code): entry.callcount for entry in profile.getstats()}
        with open("calls.new", "w") as file:
            json.dump(found, file)
        os.replace("calls.new", "calls.json")
        profile.enable()
    signal.signal(signal.SIGUSR2, tell)
    profile.enable()
"""


def counting_calls(folder: Path) -> dict[str, str]:
    """The environment of a worker, started in that folder by this process, that counts its supervisor's calls."""
    (folder / "sitecustomize.py").write_text(COUNTS_CALLS)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "COUNT_CALLS": str(os.getpid())}


def calls_of(pid: int, folder: Path) -> Counter[str]:
    """By function, since its start."""
    file = folder / "calls.json"
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    wait_for(file.exists, "the supervisor told its calls")
    return Counter(json.loads(file.read_text()))
