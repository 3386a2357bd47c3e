"""Writing results: a table on a terminal, aligned text in a pipe, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import click

from pgcron_py.cli.failures import clean

Row = Sequence[str]


def print_json(data: object) -> None:
    click.echo(json.dumps(data, default=plain, indent=2, ensure_ascii=False))


def plain(value: object) -> object:
    """What JSON lacks: times in UTC, ids and words as text, dataclasses as objects."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, UUID | Enum):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def table(headers: Row, rows: Sequence[Row], empty: str) -> None:
    """empty: what to say instead when there is no row; on stderr, so that a pipe gets no row either."""
    if not rows:
        click.echo(empty, err=True)
    elif sys.stdout.isatty():
        _rich(headers, rows)
    else:
        _aligned([headers, *rows])


def _rich(headers: Row, rows: Sequence[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, header in enumerate(headers):
        drawn.add_column(header, overflow="fold", no_wrap=number == 0)
    for row in rows:
        drawn.add_row(*(Text(line(cell)) for cell in row))
    Console().print(drawn)


def _aligned(rows: Sequence[Row]) -> None:
    cells = [[line(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def line(text: str) -> str:
    """On one line, without what would steer a terminal."""
    return clean(" ".join(text.split()))


def title(text: str) -> None:
    click.echo(f"\n{click.style(line(text), bold=True)}")


def pairs(facts: Sequence[tuple[str, Any]]) -> None:
    """Labels and values; a value of None is left out."""
    shown = [(label, str(value)) for label, value in facts if value is not None]
    width = max((len(label) for label, _ in shown), default=0)
    for label, text in shown:
        first, *more = clean(text).splitlines() or [""]
        click.echo(f"{label.ljust(width)}  {first}".rstrip())
        for line in more:
            click.echo(f"{' ' * width}  {line}".rstrip())


def compact(value: object) -> str:
    """JSON on one line."""
    return json.dumps(value, default=plain, ensure_ascii=False)


def warn(message: str) -> None:
    click.echo(f"Warning: {line(message)}", err=True)
