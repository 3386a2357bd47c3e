"""Users of the web admin: roles, sessions, tokens, links, and the throttle of sign-ins."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FILES = ("tables/web_v01.sql", "functions/web_v01.sql", "grants/web_v01.sql")
FUNCTIONS = (
    "seed_app_roles", "sign_in_attempt", "sign_in_delay", "begin_sign_in", "end_sign_in", "record_refusal", "write_app_audit", "app_user_before",
    "app_user_after", "app_session_after", "api_token_after", "app_link_after", "app_permissions",
)  # fmt: skip


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP FUNCTION pgcron.app_granted(pgcron.app_user);
        DROP TABLE pgcron.app_sign_in_throttle, pgcron.app_link, pgcron.api_token, pgcron.app_session, pgcron.app_user,
          pgcron.app_role_permission, pgcron.app_role
    """)
    for name in FUNCTIONS:
        driver.execute(f"DROP FUNCTION pgcron.{name}")
    # Of the schema's other objects the role keeps nothing either: it may be dropped then.
    driver.execute("""
        REVOKE ALL ON FUNCTION pgcron.actor(), pgcron.uuid_v7(), pgcron.uuid_v7_at(timestamptz) FROM pgcron_web;
        REVOKE USAGE ON SCHEMA pgcron FROM pgcron_web
    """)
