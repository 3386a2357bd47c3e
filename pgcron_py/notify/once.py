"""One order, now, in a process of its own: for people's commands."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from typing import Any

LIMIT = 20.0  # seconds


def failure_of(order: dict[str, Any], limit: float = LIMIT) -> str | None:
    """As child.failure_of, but it is over within `limit` seconds."""
    with subprocess.Popen(
        [sys.executable, "-m", "pgcron_py.notify.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
            if not select.select([child.stdout], [], [], limit)[0]:
                return f"no answer within {limit:g} s"
            answer = child.stdout.readline()
        finally:
            child.kill()
    if not answer:
        return "the process that sends ended without an answer"
    error: str | None = json.loads(answer)["error"]
    return error
