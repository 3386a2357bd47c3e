"""Why a job does not run."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FILES = ("functions/explain_v01.sql", "grants/explain_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP FUNCTION pgcron.explain(text), pgcron.skipped_reading(pgcron.cron_job, timestamptz), pgcron.limit_use(pgcron.cron_limit),
          pgcron.blackout_until(pgcron.cron_blackout, timestamptz), pgcron.latest_run(text, text, text, timestamptz, timestamptz)
    """)
