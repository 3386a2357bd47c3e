"""The audit as evidence: a chain of hashes, its verifier, the state at an instant, reverting."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FILES = ("tables/audit_v01.sql", "functions/audit_v01.sql", "grants/audit_v01.sql")


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP FUNCTION pgcron.revert(uuid), pgcron.state_at(timestamptz), pgcron.verify_audit(), pgcron.seal_audit(integer),
          pgcron.audit_hash(bytea, pgcron.cron_audit);
        DROP TABLE pgcron.cron_audit_seal
    """)
