"""Where the SQL files and the migrations lie, installed or not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pgcron_py.errors import PgCronError


def resource_dir(kind: Literal["sql", "alembic"]) -> Path:
    """The folder of a kind of resource: inside the package in a wheel, beside it in a source tree.

    An editable install has no `_resources` (hatchling doesn't copy in that mode), hence the second step.

    Raises PgCronError when the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_resources" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise PgCronError(f"the folder {kind!r} is missing from this installation", hint="reinstall pgcron-py")


def execute_sql_files(connection: Any, names: Iterable[str]) -> None:
    """Sends files of sql/ as they are: `%` and `:` are SQL's own there, nobody's placeholders.

    connection: the driver's, such as `op.get_bind().connection.dbapi_connection` in a migration.
    """
    for name in names:
        connection.execute((resource_dir("sql") / name).read_text("utf-8"))
