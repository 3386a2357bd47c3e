"""The core: jobs, runs, requests, misses, workers, leases, audit."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FILES = (
    "tables/core_v01.sql",
    "tables/rules_v01.sql",
    "tables/backfill_v01.sql",
    "tables/handlers_v01.sql",
    "functions/caller_v01.sql",
    "functions/definition_v01.sql",
    "functions/check_schedule_text_v01.sql",
    "functions/plan_job_v01.sql",
    "functions/finish_v01.sql",
    "functions/rules_v01.sql",
    "functions/claim_v01.sql",
    "functions/handlers_v01.sql",
    "functions/worker_v01.sql",
    "functions/steer_v01.sql",
    "functions/backfill_v01.sql",
    "functions/retention_v01.sql",
    "functions/check_invariants_v01.sql",
    "triggers/job_v01.sql",
    "triggers/job_rules_v01.sql",
    "triggers/run_v01.sql",
    "triggers/request_v01.sql",
    "triggers/request_rules_v01.sql",
    "triggers/rules_v01.sql",
    "comments/core_v01.sql",
    "grants/core_v01.sql",
)


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DO $$
        DECLARE item record;
        BEGIN
          FOR item IN SELECT c.oid::regclass AS name FROM pg_class c
              WHERE c.relnamespace = 'pgcron'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version' LOOP
            EXECUTE format('DROP TABLE %s CASCADE', item.name);
          END LOOP;
          FOR item IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = 'pgcron'::regnamespace LOOP
            EXECUTE format('DROP FUNCTION %s CASCADE', item.name);
          END LOOP;
        END $$
    """)
