"""Groups whose commands are loaded when they are called, and that guess what was meant by a wrong name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from pgcron_py.errors import PgCronError

ENTRY_POINTS = "pgcron.commands"

# Shown by `pgcron --help`, which loads no command.
KNOWN_HELP = {
    "worker": "Run jobs: claim what is due, perform it, record it.",
    "admin": "Serve the web admin.",
    "demo": "Start PostgreSQL, workers and the admin, with jobs to look at.",
}


class Group(click.Group):
    """A group that says which command may have been meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise UnknownCommand(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class UnknownCommand(click.UsageError):
    """hint: the commands that look like it, or where they are listed."""

    def __init__(self, name: str, known: list[str], ctx: click.Context) -> None:
        import difflib

        super().__init__(f"{ctx.command_path} has no command {name!r}", ctx)
        close = difflib.get_close_matches(name, known, n=2)
        self.hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"`{ctx.command_path} -h` lists them"


class LazyGroup(Group):
    """lazy: `module:attribute` and one line of help by name. Entry points add to them, and can't replace them."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    @cached_property
    def extras(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS) if entry.name not in self.lazy}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *sorted(self.extras, key=lambda name: (name not in KNOWN_HELP, name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            module, _, attribute = self.lazy[cmd_name][0].partition(":")
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        return loaded(self.extras[cmd_name]) if cmd_name in self.extras else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.help_of(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def help_of(self, name: str) -> str:
        if name in self.lazy:
            return self.lazy[name][1]
        return KNOWN_HELP.get(name) or f"From {self.extras[name].module.partition('.')[0]}."


def loaded(entry: EntryPoint) -> click.Command:
    """The command of another package. Raises PgCronError when it can't be imported."""
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        raise PgCronError(
            f"the command {entry.name!r} can't be loaded from {entry.value}: {error}",
            hint="its package is not installed, or not completely: reinstall pgcron-py",
        ) from error
    if not isinstance(command, click.Command):
        raise PgCronError(f"the entry point {entry.value} of {entry.name!r} is no command")
    return command
