"""Imported by the server process from which executors are forked: the application is imported here, once."""

from __future__ import annotations

import contextlib
import os

import pgcron_workers.executors.sync_child
from pgcron_workers.executors.capture import install
from pgcron_workers.executors.lifeline import die_with
from pgcron_workers.executors.sync_entry import APP_VARIABLE, SUPERVISOR_VARIABLE

die_with(int(os.environ[SUPERVISOR_VARIABLE]))

install()  # before the application sets up its logging
with contextlib.suppress(BaseException):  # whoever needs the application next will say what is wrong with it
    from pgcron_py.registry import load_app

    load_app(os.environ[APP_VARIABLE])

__all__ = ["pgcron_workers"]
