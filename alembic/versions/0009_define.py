"""Jobs as a DBA writes, previews and describes them."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FILES = ("functions/define_v01.sql", "functions/bulk_v01.sql", "grants/define_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP FUNCTION pgcron.checked_changes(jsonb), pgcron.alter_job(text, jsonb, integer), pgcron.create_job(text, jsonb, boolean, text),
          pgcron.schedule(text, text, text, jsonb, text, jsonb), pgcron.unschedule(text), pgcron.plan(text, text, text, integer),
          pgcron.describe(text), pgcron.purge_logs(integer), pgcron.support_bundle(uuid), pgcron.bulk(text, text, text, boolean, text, timestamptz), pgcron.jobs_matching(text, text, boolean)
    """)
