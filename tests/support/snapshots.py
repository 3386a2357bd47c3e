"""All rows of schema pgcron, kept under a name and put back: much quicker than another clone."""

from __future__ import annotations

from typing import Any, Protocol

# Restored without triggers, or the audit would refuse and every row would be audited once more.
QUIET, LOUD = "SET session_replication_role = 'replica'", "SET session_replication_role = 'origin'"


class Database(Protocol):
    """A superuser's connection, which each call uses."""

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]: ...
    def row(self, query: str, *values: object) -> dict[str, Any]: ...
    def do(self, statement: str, *values: object) -> None: ...


class Snapshots:
    """On one database. The times in the rows stay what they were, but for those that `afresh` moves."""

    def __init__(self, database: Database, afresh: str = "") -> None:
        self._database, self._afresh = database, afresh
        self._columns: dict[str, str] = {
            row["table_name"]: row["columns"]
            for row in database.rows("""
                SELECT c.table_name, string_agg(quote_ident(c.column_name), ', ' ORDER BY c.ordinal_position) AS columns
                  FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
                 WHERE c.table_schema = 'pgcron' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER' AND c.is_identity = 'NO'
                 GROUP BY c.table_name ORDER BY c.table_name""")
        }
        database.do("CREATE SCHEMA kept")
        self._scripts: dict[str, str] = {}

    def keep(self, name: str) -> None:
        """What is there now, except in tables with nothing in them."""
        script = [QUIET, *(f"DELETE FROM pgcron.{table}" for table in self._columns)]
        for table, columns in self._columns.items():
            self._database.do(f"CREATE TABLE kept.{name}_{table} AS SELECT {columns} FROM pgcron.{table}")
            if self._database.row(f"SELECT count(*) AS n FROM kept.{name}_{table}")["n"]:
                script.append(f"INSERT INTO pgcron.{table} ({columns}) SELECT * FROM kept.{name}_{table}")
        self._scripts[name] = "; ".join([*script, *filter(None, [self._afresh]), LOUD])

    def restore(self, name: str) -> None:
        self._database.do(self._scripts[name])
