"""Whether this database is the one it says it is, has the schema this code needs, and has room for our connections."""

from __future__ import annotations

from dataclasses import dataclass

from pgcron_py.errors import DatabaseNotReady

SCHEMA_VERSION = 1
MIN_SCHEMA_VERSION = 1  # the oldest schema this code's workers can still work with

STATE = """
SELECT m.schema_version, m.min_worker_schema, m.system_identifier = (pg_control_system()).system_identifier::text
    AND m.database_oid = (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), current_database()
FROM pgcron.cron_meta m
"""
EXISTS = "SELECT to_regclass('pgcron.cron_meta') IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Guards:
    """One row of STATE. is_itself: False after a restore or copy to another cluster or database."""

    schema_version: int
    min_worker_schema: int
    is_itself: bool
    connections_allowed: int
    connections_used: int
    database: str

    def check(self) -> None:
        """Raises DatabaseNotReady for a copy that nobody adopted, or a schema this code can't work with."""
        if not self.is_itself:
            raise DatabaseNotReady(
                f"database {self.database!r} is a copy of another one: running its jobs here might run them twice",
                hint="if that is meant, say so with `pgcron db adopt`",
            )
        if self.schema_version < MIN_SCHEMA_VERSION:
            raise DatabaseNotReady(
                f"schema version {self.schema_version} is too old for this worker, which needs {MIN_SCHEMA_VERSION}",
                hint="run `pgcron db upgrade`",
            )
        if self.min_worker_schema > SCHEMA_VERSION:
            raise DatabaseNotReady(
                f"schema version {self.schema_version} is too new for this worker, which knows {SCHEMA_VERSION}",
                hint="install a newer pgcron-py",
            )

    def check_budget(self, needed: int) -> str | None:
        """A warning when `needed` more connections might not fit."""
        free = self.connections_allowed - self.connections_used
        if needed <= free:
            return None
        return f"this worker may need {needed} connections, {free} of {self.connections_allowed} are free"
