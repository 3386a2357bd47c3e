"""The views: what DBAs read, and what stays when tables change."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FILES = (
    "functions/states_v01.sql",
    "views/jobs_v01.sql",
    "views/runs_v01.sql",
    "comments/views_v01.sql",
    "grants/views_v01.sql",
)


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP VIEW pgcron.job_status, pgcron.upcoming, pgcron.ledger, pgcron.misses, pgcron.statistics, pgcron.runs, pgcron.running, pgcron.requests, pgcron.workers, pgcron.audit, pgcron.locks;
        DROP FUNCTION pgcron.state_of(pgcron.cron_job), pgcron.why_blocked(pgcron.cron_job);
        REVOKE SELECT (backend_pid) ON pgcron.cron_log FROM pgcron_reader;
    """)
