"""Output of runs: lines and totals."""

from alembic import op

from pgcron_py.resources import resource_dir

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FILES = ("tables/output_v01.sql", "comments/output_v01.sql", "grants/output_v01.sql")


def upgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    for name in FILES:
        driver.execute((resource_dir("sql") / name).read_text("utf-8"))


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("DROP TABLE pgcron.cron_log_line, pgcron.cron_log_output")
