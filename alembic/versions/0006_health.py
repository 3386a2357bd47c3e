"""The look for what no run tells, and health without workers."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FILES = ("functions/watch_v01.sql", "functions/health_v01.sql", "grants/health_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("DROP VIEW pgcron.health")
    for name in (
        "health_checks", "names_of", "glance", "check_alerts", "tell_silence", "alert_conditions", "jobs_without_worker",
        "slowest_run",
    ):  # fmt: skip
        driver.execute(f"DROP FUNCTION pgcron.{name}")
    driver.execute("DROP INDEX pgcron.cron_job_watched_idx")
