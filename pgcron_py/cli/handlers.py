"""`pgcron handlers`: what jobs can run, and with which arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pgcron_py.cli import formatting as fmt
from pgcron_py.cli import output
from pgcron_py.cli.lazy import Group
from pgcron_py.cli.options import database, database_option, json_option

if TYPE_CHECKING:
    from pgcron_py.app.handlers import HandlerRow


@click.group(cls=Group)
def handlers() -> None:
    """List and show handlers: the functions that jobs run."""


@handlers.command("list")
@json_option
@database_option
def list_(as_json: bool, database_url: str | None) -> None:
    """List the handlers that workers have or had, and those that jobs name."""
    from pgcron_py.app.handlers import list_handlers

    with database(database_url) as connection:
        found = list_handlers(connection)
    if as_json:
        output.print_json(found)
        return
    cells = [(row.name, _kind(row), f"{row.app or fmt.NOTHING} {row.release or ''}".strip(), str(row.workers), str(row.jobs), _arguments(row)) for row in found]  # fmt: skip
    output.table(
        ("name", "kind", "app", "live workers", "jobs", "arguments"),
        cells,
        "no handler is known: no worker ever started",
    )


@handlers.command()
@click.argument("name")
@json_option
@database_option
def show(name: str, as_json: bool, database_url: str | None) -> None:
    """Show a handler with its arguments."""
    from pgcron_py.app.handlers import show_handler

    with database(database_url) as connection:
        row = show_handler(connection, name)
    if as_json:
        output.print_json(row)
        return
    output.pairs([
        ("name", row.name), ("description", row.description), ("kind", _kind(row)), ("app", row.app), ("release", row.release),
        ("live workers", str(row.workers)), ("jobs", str(row.jobs)),
    ])  # fmt: skip
    output.title("Arguments")
    required = (row.parameters or {}).get("required", [])
    cells = [
        (key, _type(schema), "yes" if key in required else "no", output.compact(schema["default"]) if "default" in schema else fmt.NOTHING)
        for key, schema in _properties(row).items()
    ]  # fmt: skip
    output.table(("name", "type", "required", "default"), cells, _arguments(row))


def _kind(row: HandlerRow) -> str:
    if row.published_at is None:
        return "unknown"
    return ("async def" if row.is_async else "def") + (", transactional" if row.is_transactional else "")


def _properties(row: HandlerRow) -> dict[str, Any]:
    found: dict[str, Any] = (row.parameters or {}).get("properties", {})
    return found


def _arguments(row: HandlerRow) -> str:
    if row.parameters is None or (not _properties(row) and row.parameters.get("additionalProperties")):
        return "any"
    return ", ".join(_properties(row)) or "none"


def _type(schema: dict[str, Any]) -> str:
    if parts := schema.get("anyOf"):
        return " or ".join(map(_type, parts))
    if values := schema.get("enum"):
        return " or ".join(map(output.compact, values))
    return str(schema.get("format") or schema.get("type") or "any")
