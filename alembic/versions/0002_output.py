"""Output of runs: lines and totals."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FILES = ("tables/output_v01.sql", "comments/output_v01.sql", "grants/output_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("DROP TABLE pgcron.cron_log_line, pgcron.cron_log_output")
