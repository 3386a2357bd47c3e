"""From what a handler raised or returned to what any database takes, and without secrets. Nothing here ever raises."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import Any

from pgcron_workers.executors.jsonable import jsonable
from pgcron_workers.executors.sanitise import name_of, plain, storable, storable_ends

MAX_ERROR = 8_000
MAX_TRACE = 64_000

_FRAME = re.compile(r'(?m)^(?P<before>[ |+\-]*File ")(?P<path>[^"\n]+)(?P<after>", line \d+)')


def error_of(error: BaseException) -> str:
    """Type and message; a message that can't be had is said to be so."""
    name = name_of(error)
    try:
        message = plain(str(error))
    except BaseException as worse:
        message = f"(no message: str() raised {name_of(worse)})"
    return storable(f"{name}: {message}" if message else name, MAX_ERROR)


def trace_of(error: BaseException) -> str | None:
    """Files by their path below sys.path, lines, functions; never locals."""
    try:
        return storable_ends(_FRAME.sub(_short_frame, "".join(traceback.format_exception(error))), MAX_TRACE)
    except BaseException:
        return None


def json_of(value: Any) -> Any:
    """The value as JSON that jsonb takes; what isn't JSON becomes its str()."""
    return jsonable(value)


def _short_frame(match: re.Match[str]) -> str:
    return f"{match['before']}{short_path(match['path'])}{match['after']}"


def short_path(path: str) -> str:
    """Below the longest entry of sys.path that holds it; of any other absolute path the last two parts."""
    if not path.startswith(("/", "\\")):
        return path
    homes = [home for entry in sys.path if (home := os.path.abspath(entry or ".")) != "/"]
    inside = [home for home in homes if path.startswith(home + os.sep)]
    return path[len(max(inside, key=len)) + 1 :] if inside else "/".join(path.split("/")[-2:])
