"""Rights by role: operators and the web change things through functions only, workers don't define jobs."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FILES = ("grants/roles_v01.sql",)


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgcron FROM pgcron_operator, pgcron_web")
    driver.execute("REVOKE ALL ON pgcron.cron_log FROM pgcron_web")
    driver.execute("GRANT UPDATE ON pgcron.cron_job TO pgcron_worker")
    driver.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgcron TO pgcron_worker")
