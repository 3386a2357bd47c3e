"""Who may write commands for the handler pgcron.sql."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FILES = ("triggers/sql_author_v01.sql", "grants/sql_author_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP TRIGGER cron_job_sql_author ON pgcron.cron_job;
        DROP TRIGGER cron_request_sql_author ON pgcron.cron_request;
        DROP FUNCTION pgcron.cron_job_sql_author, pgcron.cron_request_sql_author, pgcron.must_be_sql_author;
    """)
