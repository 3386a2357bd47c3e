"""What changed since somebody looked last, for live pages and caches."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FILES = ("functions/live_v01.sql", "grants/live_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    op.get_bind().connection.dbapi_connection.execute("DROP FUNCTION pgcron.job_changes(pg_snapshot)")
