"""How users like the web admin to look; and what its pages about notifications ask."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FILES = ("tables/preferences_v01.sql", "functions/preferences_v01.sql", "grants/preferences_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute(
        "REVOKE ALL ON FUNCTION pgcron.muted_until(uuid, uuid), pgcron.name_matches(text, text) FROM pgcron_web"
    )
    driver.execute("DROP FUNCTION pgcron.set_preferences(uuid, jsonb)")
    driver.execute("DROP TABLE pgcron.app_preferences")
