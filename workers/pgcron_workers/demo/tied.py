"""A child's side of the tie: `python -m pgcron_workers.demo.tied PARENT COMMAND [ARGUMENT]…`.

Runs `pgcron COMMAND …` (found by its entry point: workers and admin don't know each other) in a process that the kernel
kills when its parent ends, however it ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib.metadata import entry_points

import click

from pgcron_py.errors import PgCronError

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """From here on this process is killed when `parent` ends.

    Strictly: when the *thread* that started it ends, so parents start their children from their main thread.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def command_named(name: str) -> click.Command:
    found = list(entry_points(group="pgcron.commands", name=name))
    command = found[0].load() if found else None
    if not isinstance(command, click.Command):
        raise PgCronError(
            f"there is no command {name!r}", hint="install the project again: its entry points are missing"
        )
    return command


def main() -> None:
    parent, name, *arguments = sys.argv[1:]
    end_with(int(parent))
    try:
        command_named(name).main(args=arguments, prog_name=f"pgcron {name}")
    except PgCronError as error:
        sys.exit(f"Error: {error}{f' ({error.hint})' if error.hint else ''}")


if __name__ == "__main__":
    main()
