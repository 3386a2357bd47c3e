"""What changed since somebody looked last, and what is going to start: for live pages, caches and forecasts."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FILES = ("functions/live_v01.sql", "functions/forecast_v01.sql", "grants/live_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("DROP FUNCTION pgcron.job_changes(pg_snapshot)")
    driver.execute("DROP FUNCTION pgcron.forecast_starts(uuid[], timestamptz, timestamptz, integer, integer)")
