"""pg_cron's interface in a database of ours: schema cron, put there and taken away on request."""

from __future__ import annotations

from pgcron_py.app.session import Connection, transaction, value
from pgcron_py.errors import PgCronError
from pgcron_py.resources import resource_dir

FILES = ("pg_cron_tables_v01.sql", "pg_cron_functions_v01.sql", "pg_cron_views_v01.sql")

HAS_EXTENSION = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')"
HAS_SCHEMA = "SELECT to_regnamespace('cron') IS NOT NULL"
IS_OURS = "SELECT to_regclass('cron.entry') IS NOT NULL"
CREATE = "CREATE SCHEMA IF NOT EXISTS cron AUTHORIZATION pgcron_owner"
OWNER = "SET LOCAL ROLE pgcron_owner"
COUNT = "SELECT count(*) FROM cron.entry WHERE unscheduled_at IS NULL"
# Its jobs would go on without anybody who sees whose they are.
LEAVE = "UPDATE pgcron.cron_job SET is_enabled = false, disabled_reason = 'pg_cron''s interface was removed' WHERE id IN (SELECT job_id FROM cron.entry)"
DROP = "DROP SCHEMA cron CASCADE"


def install_compat(connection: Connection) -> bool:
    """Whether it was new; what was there is brought up to date. Raises PgCronError where schema cron is somebody else's."""
    with transaction(connection):
        is_new = not value(connection, IS_OURS)
        if value(connection, HAS_EXTENSION):
            raise PgCronError(
                "this database has the extension pg_cron: its schema cron can't be ours",
                hint="`pgcron import pg-cron` takes its jobs over; then DROP EXTENSION pg_cron",
            )
        if is_new and value(connection, HAS_SCHEMA):
            raise PgCronError("this database has a schema cron that isn't ours", hint="rename it: ALTER SCHEMA cron …")
        connection.execute(CREATE)
        connection.execute(OWNER)
        for name in FILES:
            connection.execute((resource_dir("sql") / "compat" / name).read_text("utf-8"))
    return is_new


def remove_compat(connection: Connection) -> int:
    """Drops schema cron; how many jobs it had, which stay, disabled. Raises PgCronError when it isn't there."""
    with transaction(connection):
        if not value(connection, IS_OURS):
            raise PgCronError("pg_cron's interface isn't installed here")
        count = int(value(connection, COUNT))
        connection.execute(OWNER)
        connection.execute(LEAVE)
        connection.execute(DROP)
    return count
