"""docs/cli.md and docs/configuration.md, written from the commands and the settings themselves.

python -m pgcron_py.cli.reference docs
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from pgcron_py.app.configuration import fields, rule_of, shown
from pgcron_py.cli.failures import EXIT_CODES
from pgcron_py.cli.lazy import KNOWN_HELP
from pgcron_py.cli.root import COMMANDS, cli

MADE_BY = (
    "<!-- Made by `python -m pgcron_py.cli.reference docs`: change the commands or the settings, not this page. -->"
)

CLI_INTRO = """# The command line

Every command that reads or changes the database takes `--database-url`, or `PGCRON_DATABASE_URL`. Lists and details are
tables on a terminal and aligned text in a pipe; with `--json` they are JSON, with times in UTC as ISO 8601 and durations in
milliseconds. Times for people are in the job's zone. Warnings and errors go to stderr: an error is one line beginning with
`Error:`, often with a line `hint:`. `pgcron --debug …` or `PGCRON_DEBUG=1` adds the traceback.

Every change is written to the audit with its actor, `cli:<user>@<host>`, and with `--reason`. Lists and details need the role
`pgcron_reader` (which sees no stack traces), changes of definitions `pgcron_owner` or `pgcron_worker`, creating and deleting
`pgcron_owner`. A locked job is edited in the code that declares it and nowhere else: `pgcron jobs edit` refuses it for every role.
"""

CONFIGURATION_INTRO = """# Configuration

Settings come from environment variables; a flag of a command wins over its variable. `pgcron config show` tells the values
in force and where each comes from.
"""


def commands_page() -> str:
    ctx = click.Context(cli, info_name="pgcron", **cli.context_settings)
    extras = [f"| `pgcron {name}` | {text} |" for name, text in KNOWN_HELP.items()]
    parts = [MADE_BY, CLI_INTRO, *_exit_codes(), *_sections(ctx)]
    return _page(
        [
            *parts,
            "## Commands of other packages\n\nTheir options: `pgcron worker -h`.\n",
            _table(("command", "what it does"), extras),
        ]
    )


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield _table(("code", "meaning"), [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()])


def _sections(ctx: click.Context) -> Iterator[str]:
    for name in COMMANDS:
        command = cli.get_command(ctx, name)
        assert command is not None
        yield from _section(command, click.Context(command, info_name=name, parent=ctx))


def _section(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"## {ctx.command_path}\n\n{command.help}\n" if isinstance(command, click.Group) else _command(command, ctx)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield _command(inner, click.Context(inner, info_name=name, parent=ctx), level="###")


def _command(command: click.Command, ctx: click.Context, level: str = "##") -> str:
    options = [option for option in command.get_params(ctx) if isinstance(option, click.Option)]
    records = filter(None, (option.get_help_record(ctx) for option in options if "--help" not in option.opts))
    rows = [f"| `{_cell(flags)}` | {_cell(text)} |" for flags, text in records]
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    return f"{level} {ctx.command_path}\n\n```\n{usage}\n```\n\n{command.help}\n\n{_table(('option', 'meaning'), rows)}"


def settings_page() -> str:
    rows = [
        f"| `{variable}` | {_cell(_default(shown(name, info.default)))} | {_cell(info.description or '')} | {rule_of(info)} |"
        for name, variable, info in fields()
    ]
    rows_of_cli = ["| `PGCRON_DEBUG` | | 1 = errors of the CLI come with their traceback | |"]
    return _page(
        [MADE_BY, CONFIGURATION_INTRO, _table(("variable", "default", "meaning", "values"), [*rows, *rows_of_cli])]
    )


def _default(value: object) -> str:
    return "" if value is None else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _table(headers: tuple[str, ...], rows: Iterable[str]) -> str:
    return "\n".join([f"| {' | '.join(headers)} |", f"|{'---|' * len(headers)}", *rows, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _page(parts: Iterable[str]) -> str:
    return "\n".join(parts).rstrip() + "\n"


PAGES = {"cli.md": commands_page, "configuration.md": settings_page}

if __name__ == "__main__":
    for file, made in PAGES.items():
        (Path(sys.argv[1] if len(sys.argv) > 1 else "docs") / file).write_text(made(), "utf-8")
