"""What the supervisor names for the server process, without importing it: the supervisor stays small."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

APP_VARIABLE = "PGCRON_PRELOAD_APP"
SUPERVISOR_VARIABLE = "PGCRON_SUPERVISOR_PID"
PRELOAD = "pgcron_workers.executors.preload"


def main(connection: Connection, config: dict[str, Any]) -> None:
    """Runs in the forked process, where this import costs nothing: it was preloaded."""
    from pgcron_workers.executors import sync_child

    sync_child.main(connection, config)


@contextmanager
def main_module_left_alone() -> Iterator[None]:
    """multiprocessing would run the supervisor's own main module again in every process it starts."""
    module = sys.modules["__main__"]
    spec, file = module.__spec__, getattr(module, "__file__", None)
    module.__spec__ = None
    module.__file__ = None
    try:
        yield
    finally:
        module.__spec__ = spec
        module.__file__ = file
