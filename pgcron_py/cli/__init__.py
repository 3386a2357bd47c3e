"""The command `pgcron`. Importing it is cheap: each command's module is loaded when it is called."""

from __future__ import annotations

from pgcron_py.cli.root import cli


def main() -> None:
    """The entry point of the script `pgcron`."""
    cli(prog_name="pgcron")


__all__ = ["cli", "main"]
