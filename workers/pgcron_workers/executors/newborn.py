"""An executor's process that has not been told yet what it is for: its interpreter starts while the supervisor's own does.

It imports nothing of the application before it is told.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass

from pgcron_workers.executors.stepping import Marker
from pgcron_workers.sd_notify import VARIABLES as SYSTEMD

CHILD = "pgcron_workers.executors.child"


@dataclass(frozen=True, slots=True)
class Newborn:
    """channel: to tell it, and to hear from it; when it is closed the process ends."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    marker: tuple[Marker, int]


def born(marker: tuple[Marker, int] | None = None) -> Newborn:
    """Call it in the main thread: the kernel ties the process to the thread that starts it."""
    marker = marker or Marker.made()
    ours, theirs = socket.socketpair()
    with theirs:
        handed_on = [theirs.fileno(), marker[1]]
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD, *map(str, handed_on)], pass_fds=handed_on, stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name not in SYSTEMD},
        )  # fmt: skip
    return Newborn(process, ours, marker)
